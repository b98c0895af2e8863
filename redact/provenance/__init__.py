"""What other tools read of a run: an in-toto attestation, OpenLineage events. Off unless asked."""
