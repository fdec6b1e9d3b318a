"""`treeledger store`: where the ledger is, whether it is well, and copies of it."""

from __future__ import annotations

import os
from typing import Any

from treeledger.cli.options import Options
from treeledger.cli.render import print_json
from treeledger.cli.run import with_unlocked
from treeledger.errors import UsageError
from treeledger.model import RecordState, Repository
from treeledger.names import os_from_stored, shown, stored_from_os
from treeledger.protocols import FileQuery
from treeledger.units import show_number, show_size
from treeledger.unlocked import UnlockedLedger

_PAGE = 10_000


def run(options: Options) -> int:
    if options.given.action == "copy":
        from treeledger.cli.store_copy import run as run_copy

        return run_copy(options)
    return with_unlocked(options, _backup if options.given.action == "backup" else _check)


async def _check(ledger: UnlockedLedger, options: Options) -> int:
    """Reads every record there is, and compares with what the ledger says of its repositories. 1: wrong."""
    store = ledger.store
    schema = max((one.version for one in await store.migrations() if one.applied_at), default=0)
    head = await store.head()
    holder = await store.engine_holder(ledger.host)
    repositories = await ledger.repositories()
    faults = [fault for one in repositories for fault in await _faults(ledger, one)]
    facts: dict[str, Any] = {
        "url": store.url,
        "schema": schema,
        "bytes": _size(store.own_paths()),
        "journal": str(head),
        "repositories": len(repositories),
        "files": sum(one.files for one in repositories),
        "engine": None if holder is None else f"{holder.command} (process {holder.pid} on {holder.host})",
    }
    if options.json:
        print_json(facts | {"faults": faults})
    else:
        if not options.quiet:
            _print_facts(facts)
        for fault in faults:
            print(shown(fault))
        if not faults and not options.quiet:
            print("every record was read, and the counts agree")
    return 1 if faults else 0


def _print_facts(facts: dict[str, Any]) -> None:
    size = f", {show_size(facts['bytes'])}" if facts["bytes"] else ""
    print(f"ledger: {shown(facts['url'])}, schema {facts['schema']}{size}")
    print(f"journal: ends at {facts['journal']}")
    print(f"engine: {shown(facts['engine'] or 'none is running')}")
    repositories = show_number(facts["repositories"], "repository", "repositories")
    print(f"{repositories} with {show_number(facts['files'], 'file')}")


async def _faults(ledger: UnlockedLedger, repository: Repository) -> list[str]:
    """What does not agree; nothing is said of a repository that changes while it is counted."""
    before = await ledger.store.head()
    counted = await _count(ledger, repository)
    now = await ledger.repository(repository.id)
    recorded = (now.files, now.bytes, now.hashed, now.missing, now.ignored)
    if counted == recorded or await ledger.store.head() != before:
        return []
    names = ("files", "bytes", "hashed", "missing", "ignored")
    return [
        f"{repository.name}: {name} is {said:,}, but its records come to {found:,}"
        for name, said, found in zip(names, recorded, counted, strict=True)
        if said != found
    ]


async def _count(ledger: UnlockedLedger, repository: Repository) -> tuple[int, ...]:
    counts = dict.fromkeys(RecordState, 0)
    size = hashed = 0
    states = (RecordState.PRESENT, RecordState.MISSING, RecordState.IGNORED)
    async for record in ledger.files(FileQuery(repository.id, states=states, limit=_PAGE)):
        counts[record.state] += 1
        if record.state is RecordState.PRESENT:
            size += record.stat.size
            hashed += record.content_hash is not None
    missing, ignored = counts[RecordState.MISSING], counts[RecordState.IGNORED]
    return counts[RecordState.PRESENT], size, hashed, missing, ignored


def _size(paths: list[str]) -> int:
    """Bytes of the ledger's files on this machine, the write-ahead log included."""
    names = [os_from_stored(path) + end for path in paths for end in ("", "-wal")]
    return sum(os.stat(name).st_size for name in names if os.path.isfile(name))


async def _backup(ledger: UnlockedLedger, options: Options) -> int:
    target = _target(options.given.target)
    await ledger.store.backup(stored_from_os(target))
    size = os.stat(target).st_size
    if options.json:
        print_json({"file": target, "bytes": size})
    elif not options.quiet:
        print(f"{shown(stored_from_os(target))}: {show_size(size)}, a ledger of its own: --store sqlite:PATH")
    return 0


def _target(given: str) -> str:
    target = os.path.abspath(os.path.expanduser(given))
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")
    return target
