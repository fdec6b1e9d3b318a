"""`treeledger scrub`: contents are read again, the oldest verified first; and a person's word on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from treeledger.answers import AcceptedFile, ScrubResult
from treeledger.cli.options import Options
from treeledger.cli.places import place_of, say
from treeledger.cli.progress import ScrubBar
from treeledger.cli.render import print_json, tell
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import by_repository, known_targets
from treeledger.engine.budget import DEFAULT_BUDGET, Budget
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Judged, Scrubbed
from treeledger.errors import RootOffline, UsageError
from treeledger.ledger import Ledger
from treeledger.model import HashState, RecordState, Repository
from treeledger.names import shown
from treeledger.units import parse_duration, parse_size, show_number, show_size
from treeledger.working import Worker, worker_for

PARTLY: Final = 3
_COUNTS: Final = ("scrubbed", "bytes", "corrupted", "modified", "unreadable")
_LIMITS: Final = ("percent", "files", "bytes", "time", "rate", "older_than")

T = TypeVar("T")


def run(options: Options) -> int:
    if options.given.accept:
        return with_ledger(options, _accept)
    try:
        return with_ledger(options, _scrub)
    except KeyboardInterrupt:
        tell("interrupted; what was read so far is recorded. Scrub again for the rest")
        raise


async def _scrub(ledger: Ledger, options: Options) -> int:
    code = 0
    budget = _budget(options)
    rate = _parsed(options, "rate", parse_size)
    older_than = _parsed(options, "older_than", parse_duration) or 0.0
    found = by_repository(await known_targets(ledger, options.given.targets))
    async with worker_for(ledger) as worker:
        for repository, prefixes in found:
            request = ScrubRequest(prefixes, budget, rate, older_than)
            try:
                code = max(code, await _scrub_one(worker, repository, request, options))
            except RootOffline as error:  # the others may be there
                tell(str(error))
                code = max(code, error.exit_code)
    return code


def _budget(options: Options) -> Budget:
    """The limits that were given; the usual one if none was."""
    given = Budget(
        options.given.percent,
        options.given.files,
        _parsed(options, "bytes", parse_size),
        _parsed(options, "time", parse_duration),
    )
    return DEFAULT_BUDGET if given == Budget() else given


def _parsed(options: Options, name: str, parse: Callable[[str], T]) -> T | None:
    text = getattr(options.given, name)
    if text is None:
        return None
    try:
        value = parse(text)
    except ValueError as error:
        raise UsageError(f"--{name.replace('_', '-')}: {error}") from None
    if not value:
        raise UsageError(f"--{name.replace('_', '-')}: {text} would let nothing be read")
    return value


async def _scrub_one(worker: Worker, repository: Repository, request: ScrubRequest, options: Options) -> int:
    name, budget = shown(repository.name), request.budget
    rate = f", {show_size(request.rate)} a second" if request.rate else ""
    more = "; --percent 100 reads everything" if budget == DEFAULT_BUDGET else ""
    say(options, f"{name}: scrubbing, oldest verified first: {budget} at most{rate}{more}")
    hidden = options.quiet or options.json
    most = budget.most_bytes(repository.bytes)
    with ScrubBar(repository, most, budget.seconds, hidden=hidden) as bar:
        done = await worker.scrub(repository, request, told=bar.told)
    _print_counts(repository, done, options)
    if done.ended is not None:
        say(options, f"{name}: its budget of {done.ended} is used up; scrub again to go on with the rest")
    if done.corrupted or done.unreadable:
        tell(
            f"{repository.name}: {show_number(done.corrupted, 'file')} corrupted, {done.unreadable}"
            " unreadable; their hashes are kept. What to do: treeledger problems"
        )
    return PARTLY if done.corrupted or done.unreadable else 0


def _print_counts(repository: Repository, done: Scrubbed, options: Options) -> None:
    result = ScrubResult.of(done, repository.name)
    if options.json:
        print_json(result.fields())
    else:
        words = " ".join(f"{name}={getattr(result, name)}" for name in _COUNTS)
        print(f"{shown(repository.name)}: {words} duration={result.duration:.2f}s")


async def _accept(ledger: Ledger, options: Options) -> int:
    if any(getattr(options.given, name) is not None for name in _LIMITS):
        raise UsageError("--accept reads the files that are named, and takes no limits")
    if not options.given.targets:
        raise UsageError("--accept: name corrupted files whose content is right; see: treeledger problems")
    places = [await place_of(ledger, argument) for argument in options.given.targets]
    code = 0
    async with worker_for(ledger) as worker:
        for repository, paths in by_repository(places):
            for judged in await worker.accept(repository, list(dict.fromkeys(paths))):
                _print_judged(repository, judged, options)
                if judged.after.hash_state is HashState.CORRUPTED:
                    code = PARTLY
    return code


def _print_judged(repository: Repository, judged: Judged, options: Options) -> None:
    if options.json:
        print_json(AcceptedFile.of(judged, repository.name).fields())
    else:
        print(f"{shown(f'{repository.name}: {judged.after.path}')}: {_word(judged)}")


def _word(judged: Judged) -> str:
    before, after = judged
    if after.state is not RecordState.PRESENT:
        return f"not accepted: it is {after.state.value}"
    if judged.is_accepted:
        return f"accepted: {after.content_hash} instead of {before.content_hash}"
    if after.hash_state is HashState.DONE:
        return "it is as on record again; there was nothing to accept"
    return "not accepted: it could not be read; see: treeledger problems"
