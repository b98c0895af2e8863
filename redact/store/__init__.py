"""
The store: what a run leaves behind, and the order in which it is written.

    clips/        redacted clips, each named after its entry's `rec`; nothing else, ever
    ledger/       the log (see redact.ledger)
    restricted/   the encrypted details of published clips
    held/         the encrypted details of held clips
    .work/        what is being made: a desk for each process, gone when it ends

A clip's output and detail are written and synced in .work/; then its entry and the checkpoint are
made durable; then the files get their names, the one in clips/ last. A crash before the entry
leaves rubbish in .work/, which the next writer deletes; a crash after it leaves an entry whose
files lie in .work/, and the next look-up or writer gives them their names. A published file that
was lost later is made again under a new entry that says which one it `replaces`: so every piece of
work has one standing entry, and every file in clips/ is that of a standing entry.
"""

from redact.store.publish import Store
from redact.store.verify import Summary, verify

__all__ = ["Store", "Summary", "verify"]
