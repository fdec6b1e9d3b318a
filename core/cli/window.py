"""The dashboard of one window of a browser, in a process that `treeledger tui --web` starts.

    python -m treeledger.cli.window --store URL

It shows the engine that runs, and never starts one; whoever serves it has seen to that.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from typing import Any

from treeledger.cli.main import complain, leaf
from treeledger.cli.options import Options, split_globals
from treeledger.cli.run import with_unlocked
from treeledger.cli.tui import dashboard, show_window
from treeledger.errors import TreeledgerError
from treeledger.unlocked import UnlockedLedger


async def _show(module: Any, ledger: UnlockedLedger, options: Options) -> int:
    await show_window(module, ledger, None)
    return 0


def main() -> int:
    globals_, _ = split_globals(sys.argv[1:])
    options = replace(Options.of(globals_, argparse.Namespace()), quiet=True)
    try:
        return with_unlocked(options, partial(_show, dashboard()))
    except (TreeledgerError, BaseExceptionGroup) as error:
        found = leaf(error)
        if not isinstance(found, TreeledgerError):
            raise
        return complain(found)


if __name__ == "__main__":
    sys.exit(main())
