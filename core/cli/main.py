"""The executable `treeledger`: finds the command, runs it, turns errors into messages and exit codes.

Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 done, but some files were unreadable or a
deletion of this run is held; 4 store unavailable or of another version; 5 root offline; 130
interrupted.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

from treeledger import __version__
from treeledger.cli.options import Options, build_parser, split_globals
from treeledger.errors import TreeledgerError, UsageError
from treeledger.names import shown

INTERRUPTED: Final = 130
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 1.0  # seconds that threads have to end after all is written
# Batches are thousands of tuples, modules thousands of functions, all without cycles: collecting as often as
# by default costs a fifth of a scan.
_COLLECT: Final = (50_000, 20, 20)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Never raises, but for bugs.

    Without `argv` it is the program itself: signals interrupt it as Ctrl-C does, and it may exit at once.
    """
    if argv is None:
        return program(lambda: _run(sys.argv[1:]))
    gc.set_threshold(*_COLLECT)
    _fill_streams()
    return _guarded(lambda: _run(argv))


def program(run: Callable[[], int]) -> int:
    """Runs something as the program itself; its exit code."""
    gc.set_threshold(*_COLLECT)
    _fill_streams()
    _heed_signals()
    code = _guarded(run)
    _leave_lingering_threads(code)
    return code


def _heed_signals() -> None:
    """SIGTERM, and SIGHUP of a terminal that closes, go by way of SIGINT, which ends what runs in order."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)


def _interrupt(*_: object) -> None:
    """Once: only a second Ctrl-C cuts short how it ends."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


def _guarded(run: Callable[[], int]) -> int:
    try:
        code = run()
        _flush()
    except (KeyboardInterrupt, OSError, TreeledgerError) as error:
        return _end(error)
    except BaseExceptionGroup as group:
        return _end(leaf(group))
    return code


def _flush() -> None:
    """Raises OSError if what was printed could not be written, unless to a terminal that was closed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if not _is_terminal_closed(error):
            raise
        _let_go_of_streams()


def _is_terminal_closed(error: OSError) -> bool:
    """Whether it says that the terminal, to which something was to be printed, is there no more."""
    if error.errno != errno.EIO or error.filename is not None:
        return False
    for stream in (sys.stdout, sys.stderr):
        try:
            os.tcgetpgrp(stream.fileno())
        except OSError as answer:
            if answer.errno == errno.EIO:
                return True
    return False


def _run(arguments: Sequence[str]) -> int:
    try:
        globals_, rest = split_globals(arguments)
        parser = build_parser()
        namespace = parser.parse_args(rest)
    except SystemExit as error:  # help was printed, or what is wrong
        return int(error.code or 0)
    if namespace.version:
        print(f"treeledger {__version__}")
        return 0
    if namespace.command is None:
        parser.print_help()
        return UsageError.exit_code
    options = Options.of(globals_, namespace)
    _log_to_stderr(options)
    _speak_plainly(options)
    module = import_module(f"treeledger.cli.{namespace.module}")
    code: int = module.run(options)
    return code


def complain(error: TreeledgerError) -> int:
    """Prints an error for a person; returns its exit code."""
    from treeledger.cli.render import tell

    tell(str(error))
    return error.exit_code


def _end(error: BaseException) -> int:
    """The exit code of a command that an error ended; says what it was, unless nobody listens."""
    try:
        match error:
            case KeyboardInterrupt():
                return INTERRUPTED
            case BrokenPipeError():
                return 0  # `| head` has seen enough
            case OSError() if _is_terminal_closed(error):
                return 0
            case OSError():
                logging.debug("where it failed:", exc_info=error)
                return complain(TreeledgerError(_what_failed(error)))
            case TreeledgerError():
                return complain(error)
            case _:
                raise error
    finally:
        _let_go_of_streams()


def _what_failed(error: OSError) -> str:
    if error.filename is None:
        return f"{error.strerror or error}; what was written to the ledger before is safe"
    return f"{os.fsdecode(error.filename)}: {error.strerror}; what was written to the ledger before is safe"


def leaf(error: BaseException) -> BaseException:
    """The error to act on of a group: one that is known, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leaf(inner) for inner in error.exceptions]
    return next((one for one in leaves if isinstance(one, TreeledgerError)), leaves[0])


def _fill_streams() -> None:
    """A program started with a standard stream closed (`>&-`) writes it nowhere, and to no other file."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as the program runs


def _let_go_of_streams() -> None:
    """Lest the interpreter fails once more on what a stream that broke could not take."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _leave_lingering_threads(code: int) -> None:
    """Exits if a thread is still in a file that takes hours, or for ever, to read: nothing waits for it."""
    if _have_ended():
        return
    from multiprocessing import active_children

    for child in active_children():  # they only read
        child.kill()
    if not _have_ended():
        sys.stderr.flush()
        gc.collect()  # closes what worker processes shared, which is complained of otherwise
        os._exit(code)


def _have_ended() -> bool:
    """Waits for the threads a little; whether all have ended."""
    end = time.monotonic() + _PATIENCE
    threads = {one for one in threading.enumerate() if not one.daemon} - {threading.current_thread()}
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _speak_plainly(options: Options) -> None:
    """JSON is UTF-8 everywhere; a character that a terminal does not know is spelled out."""
    if isinstance(sys.stdout, TextIOWrapper):
        encoding = "utf-8" if options.json else sys.stdout.encoding
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


class _Safe(logging.Formatter):
    """Log lines without secrets; a message is one line, whatever names are in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _safe(record.message)
        return super().formatMessage(record)

    def formatException(self, error: Any) -> str:
        return "\n".join(map(_safe, super().formatException(error).split("\n")))


def _safe(line: str) -> str:
    from treeledger.config.secrets import mask

    return shown(mask(line))


def _log_to_stderr(options: Options) -> None:
    level = logging.ERROR if options.quiet else logging.DEBUG if options.verbose else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(_Safe("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler])
    for noisy in ("watchdog", "asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
