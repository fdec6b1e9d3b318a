"""`treeledger explain`: why a file is, or is not, in the ledger as you expect."""

from __future__ import annotations

import shlex
import stat as modes
from collections.abc import Iterator
from datetime import UTC, datetime

from treeledger.answers import FileExplanation
from treeledger.cli.listing import show_mtime
from treeledger.cli.options import Options
from treeledger.cli.places import place_of
from treeledger.cli.render import entry_line, has_colour, print_json, when
from treeledger.cli.run import with_ledger
from treeledger.diff import same_content_by_stat
from treeledger.explaining import Explanation, explain
from treeledger.globs import escaped
from treeledger.ledger import Ledger
from treeledger.model import FileRecord, FileStat, HashState, HoldStatus, RecordState
from treeledger.names import shown
from treeledger.units import show_count, show_size


def run(options: Options) -> int:
    return with_ledger(options, _explain)


async def _explain(ledger: Ledger, options: Options) -> int:
    place = await place_of(ledger, options.given.path)
    facts = await explain(ledger, place.repository, place.prefix)
    if options.json:
        print_json(FileExplanation.of(facts).fields())
        return 0
    now = datetime.now(UTC)
    for sentence in sentences(facts, now):
        print(shown(sentence))
    for entry in facts.entries:
        line = entry_line(entry, repository=None, colour=has_colour())
        print(f"  {entry.at.astimezone():%Y-%m-%d} {line}")
    return 0


def sentences(facts: Explanation, now: datetime) -> Iterator[str]:
    """What the facts mean, a sentence or two a line; the journal's last entries belong below."""
    repository = facts.repository
    yield f"{facts.path or '.'} in the repository {repository.name} ({repository.root}), {facts.status.state}"
    yield from _on_disk(facts)
    yield from _by_rules(facts)
    if facts.record is None:
        yield from _not_recorded(facts)
    else:
        yield _as_recorded(facts.record, now)
        yield from _compared(facts)
        yield _content(facts.record, now)
        yield from _held(facts)
    yield from _engine(facts)
    for known in facts.problems:
        code = known.problem.code
        kind, where = "note" if code.is_note else "problem", known.problem.path or "."
        seen = f"first seen {when(known.first_seen, now)}, last {when(known.last_seen, now)}"
        yield f"{kind} {code.value} of {where}: {known.problem.message} ({seen})"
    yield from facts.said
    if facts.entries:
        yield "last in the journal:"


def _on_disk(facts: Explanation) -> Iterator[str]:
    sight, look = facts.sight, facts.sight.look
    if look is None:
        yield f"on disk: cannot be looked at: {sight.offline}"
    elif sight.is_replaced:
        yield "the root is another directory than the one on record: what is there now says nothing"
    elif sight.is_directory:
        below = f"; see: treeledger files {shlex.quote(escaped(facts.path) + '/')}" if facts.below else ""
        yield f"on disk: a directory; records are kept of the files in it{below}"
        if look.problem is not None:
            yield f"on disk: {look.problem.message}"
    elif look.stat is not None:
        yield f"on disk: a regular file, {_shown_stat(look.stat)}"
    elif look.problem is not None:
        yield f"on disk: {look.problem.message}"
    elif look.gone:
        yield "on disk: nothing is there"


def _shown_stat(stat: FileStat) -> str:
    size, mode = show_size(stat.size), modes.filemode(stat.mode)
    return f"{size}, modified {show_mtime(stat.mtime_ns)}, inode {stat.inode}, {mode}"


def _by_rules(facts: Explanation) -> Iterator[str]:
    verdict = facts.sight.look.verdict if facts.sight.look is not None else None
    if verdict is not None:
        what = "ignored: the rule" if verdict.ignored else "not ignored: a rule keeps it,"
        yield f"{what} {verdict.rule} of {verdict.source}"


def _not_recorded(facts: Explanation) -> Iterator[str]:
    look = facts.sight.look
    if facts.sight.is_directory:
        return
    if look is not None and look.stat is not None:
        yield "ledger: no record of it yet; the next look at it makes one"
    elif look is not None and look.verdict is not None and look.verdict.ignored:
        yield "ledger: no record of it, because it is ignored"
    elif look is not None and look.problem is not None and look.problem.code.is_note:
        yield "ledger: no record of it; records are of regular files"
    else:
        yield "ledger: no record of it, and none deleted within the retention"


def _as_recorded(record: FileRecord, now: datetime) -> str:
    seen = when(record.last_scanned, now)
    since = {
        RecordState.PRESENT: f"since {when(record.created_at, now)}, last seen {seen}",
        RecordState.MISSING: f"found gone at {when(record.missing_at, now)}",
        RecordState.DELETED: f"at {when(record.deleted_at, now)}; if it returns, id and history are kept",
        RecordState.IGNORED: f"since {when(record.updated_at, now)}; the record is kept",
    }
    return (
        f"ledger: record {record.id}, {record.state.value} {since[record.state]}; {_shown_stat(record.stat)}"
    )


def _compared(facts: Explanation) -> Iterator[str]:
    sight, record = facts.sight, facts.record
    if record is None or sight.look is None or sight.is_replaced:
        return
    look, is_present = sight.look, record.state is RecordState.PRESENT
    if look.stat is None:
        if is_present and look.gone:
            yield "it is no longer there; the next look at it makes it missing, then deleted"
        elif is_present and look.verdict is not None and look.verdict.ignored:
            yield "a rule ignores it now; the next look at it makes its record ignored"
    elif not is_present:
        yield "it is there; the next look at it makes its record present again"
    elif not sight.differing:
        yield "size, times, inode and mode are as recorded"
    else:
        meaning = _meaning(sight.is_change, record.stat, look.stat)
        yield f"not as recorded: {', '.join(sight.differing)}; {meaning}"


def _meaning(is_change: bool, old: FileStat, new: FileStat) -> str:
    if not is_change:
        return "by the repository's change_key that is no change"
    if same_content_by_stat(old, new):
        return (
            "as after a chmod, a backup or a move: the hash is kept and the content read again to verify it"
        )
    return "the content was changed: the next look at it records that and reads it again"


def _content(record: FileRecord, now: datetime) -> str:
    known = f"{record.hash_algorithm} {record.content_hash}"
    match record.hash_state:
        case HashState.DONE:
            verified = f", verified {when(record.last_verified, now)}" if record.last_verified else ""
            return f"content: {known}, read {when(record.read_at, now)}{verified}"
        case HashState.VERIFY:
            return f"content: {known}, to be read again to verify it"
        case HashState.CORRUPTED:
            return f"content: {known} on record, but it read as another at {when(record.read_at, now)}"
        case HashState.PENDING:
            return "content: not read yet; it waits for its turn"
        case HashState.FAILED:
            retry = when(record.hash_retry_at, now)
            return f"content: could not be read, {record.hash_tries} tries; again at {retry}"
        case HashState.SKIPPED:
            return "content: not hashed: too large, too slow to read, or hashing is off"


def _held(facts: Explanation) -> Iterator[str]:
    hold = facts.hold
    if hold is not None:
        count = show_count(hold.gone)
        yield f"its deletion is held with {count} others ({hold.status.value}): {hold.reason}"
        if hold.status is HoldStatus.OPEN:
            yield f"decide: treeledger deletions approve {hold.id}, or: treeledger deletions reject {hold.id}"


def _engine(facts: Explanation) -> Iterator[str]:
    if facts.dirty is not None:
        yield f"{facts.dirty.prefix or 'everything'} is to be scanned soon: {facts.dirty.reason}"
    if facts.status.message:
        yield f"{facts.repository.name}: {facts.status.message}"
    if facts.holder is None:
        yield "nobody watches now; look with: treeledger scan, or: treeledger watch"
