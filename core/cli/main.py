"""The executable `treeledger`: finds the command, runs it, turns errors into messages and exit codes.

Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 done, but some files were unreadable or a
deletion of this run is held; 4 store unavailable or of another version; 5 root offline; 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from treeledger import __version__
from treeledger.cli.options import Options, build_parser, split_globals
from treeledger.errors import TreeledgerError, UsageError

INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Never raises, but for bugs."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        print(f"treeledger {__version__}")
        return 0
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TreeledgerError as error:
        return complain(error)
    except BaseExceptionGroup as group:
        return _complain_of_group(group)


def _run(arguments: list[str]) -> int:
    globals_, rest = split_globals(arguments)
    parser = build_parser()
    namespace = parser.parse_args(rest)
    if namespace.command is None:
        parser.print_help()
        return UsageError.exit_code
    options = Options.of(globals_, namespace)
    _log_to_stderr(options)
    module = import_module(f"treeledger.cli.{namespace.module}")
    code: int = module.run(options)
    return code


def complain(error: TreeledgerError) -> int:
    """Prints an error for a person; returns its exit code."""
    print(f"treeledger: {error}", file=sys.stderr)
    return error.exit_code


def _complain_of_group(group: BaseExceptionGroup[BaseException]) -> int:
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    if isinstance(leaf, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(leaf, TreeledgerError):
        return complain(leaf)
    raise group


def _log_to_stderr(options: Options) -> None:
    import logging

    level = logging.ERROR if options.quiet else logging.DEBUG if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for noisy in ("watchdog", "asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
