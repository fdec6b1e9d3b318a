"""`treeledger store copy FROM TO`: a whole ledger into another store."""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Any, Final

import anyio

from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table
from treeledger.cli.unopened import configuration_of, unopened_store
from treeledger.copying import Copied, Progress, copy_ledger
from treeledger.errors import StoreUnavailable, UsageError
from treeledger.fs.mounts import host_id
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import CopyableStore, Store
from treeledger.units import show_count, show_duration, show_number

_EVERY: Final = 0.1  # seconds between pictures
_PLAIN_EVERY: Final = 10.0  # seconds between log lines where there is no terminal


def run(options: Options) -> int:
    return anyio.run(partial(_run, options))


async def _run(options: Options) -> int:
    configuration = configuration_of(options)
    plugins = PluginManager(configuration)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        source, target = [
            _copyable(await stack.enter_async_context(unopened_store(configuration, plugins, url)))
            for url in (options.given.source, options.given.target)
        ]
        host = host_id(configuration.host)
        try:
            with CopyBar(hidden=options.quiet or options.json) as bar:
                copied = await copy_ledger(source, target, host, bar.show)
        except StoreUnavailable as error:
            raise type(error)(
                f"{error}. What was copied is kept: the same command goes on from there"
            ) from None
    _print(copied, source.url, target.url, time.monotonic() - began, options)
    return 0


def _copyable(store: Store) -> CopyableStore:
    if not isinstance(store, CopyableStore):
        raise UsageError(f"{store.url} is a store that cannot be copied")
    return store


def _print(copied: Copied, source: str, target: str, seconds: float, options: Options) -> None:
    rows = sum(copied.rows.values())
    if options.json:
        facts = {"from": source, "to": target, "rows": rows, "copied": copied.loaded}
        print_json(facts | {"tables": copied.rows, "digest": copied.digest, "seconds": round(seconds, 3)})
        return
    if options.quiet:
        return
    table(("Table", "Rows"), [(name, show_count(count)) for name, count in copied.rows.items()], right=(1,))
    there = (
        "" if copied.loaded == rows else f", {show_count(rows - copied.loaded)} of them were there already"
    )
    print(f"{show_number(rows, 'row')} in {show_duration(seconds)}{there}; both are equal: {copied.digest}")
    say(options, f"from now on use --store {target}, and leave {source} as it is until you trust the copy")


class CopyBar:
    """Progress on stderr: a bar on a terminal, else a log line now and then."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._doing = ""
        self._started = self._drawn = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> CopyBar:
        if sys.stderr.isatty() and not self._hidden:
            self._draw_first()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.stop()

    def _draw_first(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(28), TextColumn("{task.fields[words]}"))
        console = Console(stderr=True)
        self._bar = Bar(*columns, console=console, transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=None, words="")
        self._bar.start()

    def show(self, progress: Progress) -> None:
        try:
            self._show(progress)
        except OSError:  # nobody looks any more; the copy matters, not its picture
            self._hidden = True

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.doing != self._doing:
            self._doing, self._started = progress.doing, now
        if self._hidden or now - self._drawn < (_EVERY if self._bar is not None else _PLAIN_EVERY):
            return
        self._drawn = now
        words = words_of(progress, now - self._started)
        if self._bar is None:
            print(f"{progress.doing} {progress.table}: {words}", file=sys.stderr, flush=True)
            return
        self._bar.update(
            self._task,
            description=f"{progress.doing.capitalize()} {progress.table}",
            completed=progress.rows,
            total=progress.total,
            words=words,
            refresh=True,
        )


def words_of(progress: Progress, seconds: float) -> str:
    """Rows, rate and time left."""
    rate = progress.rows / seconds if seconds > 0 else 0.0
    parts = [
        f"{show_count(progress.rows)} of {show_count(progress.total)} rows",
        f"{show_count(round(rate))} rows/s",
    ]
    if rate and progress.total > progress.rows:
        parts.append(f"{show_duration((progress.total - progress.rows) / rate)} left")
    return "  ".join(parts)
