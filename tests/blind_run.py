"""The `redact` command on a worker without models (see blind_worker.py): starts in a second."""

import os
import sys
from pathlib import Path

from redact import worker
from redact.cli import main

FAULT = os.environ.get("BLIND_FAULT", "none")  # see blind_worker.py
worker.COMMAND = (sys.executable, str(Path(__file__).with_name("blind_worker.py")), FAULT)

if __name__ == "__main__":
    main()
