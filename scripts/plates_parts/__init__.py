"""What trains the plate detector: rendered plates and streets, crops of them, the network."""
