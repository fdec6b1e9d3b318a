"""The engine of a dashboard: a daemon that ends, as by SIGTERM, when whoever started it does.

    python -m treeledger.cli.tethered [--store URL] [--config FILE]

Whoever starts it holds the other end of its stdin.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import Final

from treeledger.cli import daemon
from treeledger.cli.main import program
from treeledger.cli.options import Options, split_globals

_STDIN: Final = 0


def _end_with_the_other() -> None:
    while os.read(_STDIN, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _serve() -> int:
    globals_, _ = split_globals(sys.argv[1:])
    return daemon.serve(Options.of(globals_, argparse.Namespace()), "tui")


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    sys.exit(program(_serve))
