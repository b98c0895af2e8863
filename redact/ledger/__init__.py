"""
The ledger: what was removed from each clip and how, in a log that anyone can verify.

Read it in this order: facts, entry, kinds (what is said), merkle, checkpoint (what makes it
binding), log, verify (where it is kept), detail, keys (what only some may read).
"""
