"""A command that ends, as by SIGTERM, when whoever started it does: he holds the other end of its stdin.

python -m treeledger.cli.tethered watch DIR
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Final

from treeledger.cli.main import main

_STDIN: Final = 0


def _end_with_the_other() -> None:
    while os.read(_STDIN, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    sys.exit(main())
