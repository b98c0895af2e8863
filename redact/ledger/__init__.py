"""
The ledger: what was removed from each clip and how, in a log that anyone can verify.

Read it in this order: facts, entry, kinds (what is said), merkle, checkpoint (what makes it
binding), index, reader, log, verify (where it is kept and found), proof, consistency (what others
are given), detail, keys (what only some may read).

Why it is so, for what is hard to undo:

* RFC 6962 trees, C2SP checkpoints, notes and proofs, and nothing of our own between them: auditors
  have tools for these, and proofs of one's own design are where others failed (immudb,
  GHSA-672p-m5jq-mrh8).
  Written here, 300 lines, because no Python library of a licence that fits reads and writes them.
* An entry is RFC 8785 JSON of ASCII keys, closed lists and whole numbers. JSON, so that anyone can
  read it; no floats, for they print differently elsewhere; no free text, for it would hold names.
* Bytes are hashed as written and kept as written (zlib in the database): a later version reads old
  entries, and never writes them anew. A new meaning is a new kind or an optional field; a changed
  one is a new schema.
* Keyed hashes stand for a file or URL: equal ones can be found with the key, and without it nothing
  can be tried. Digests of what was removed are in no entry, keyed or not.
* A detail has a key of its own, wrapped by one outside the store: destroying 40 bytes forgets it.
* A new signing key is an entry, signed by the old one: who knows any key can follow to the last.
* What entries are looked up by is signed too, so that a withdrawal can't be hidden in the database:
  a tree proves what is there, and only a signed index that nothing else is (see index).
* SQLite with a sync for each commit on one machine, PostgreSQL for many. Both keep the tree's
  nodes, so that a proof reads 20 rows of a million. One writer at a time: order is what is signed.
"""
