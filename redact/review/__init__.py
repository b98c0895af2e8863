"""
The page for compliance staff: it reads the ledger, and appends what people decide.

Read it in this order: app (which routes there are and who may use each), guard, access (how a
request is let in), opened, index, columns (what is read), then the modules of the pages.
"""
