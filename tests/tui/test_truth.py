"""Whatever happens in an engine and to the lines to it: what is shown in the end is what the engine says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from values import NOW, change, operation, progress, repository, status

from treeledger import wire
from treeledger.client import Happened
from treeledger.tui.model import (
    MOST_CHANGES,
    Away,
    History,
    Journal,
    Looked,
    News,
    Recalled,
    Second,
    Snapshot,
    Told,
    newest,
    reduced,
)
from treeledger.wire_events import State

NAMES = ("archive", "photos")
TYPES = ("startup", "realtime")
NEWEST = 5


@dataclass
class Engine:
    """What an engine knows, and what it has told on a line that may break."""

    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "watching"))
    operations: list[wire.Operation] = field(default_factory=list)
    journal: list[wire.Change] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)  # told, not read yet
    changes: list[wire.Change] = field(default_factory=list)

    def looked(self) -> Looked:
        return Looked(status(), [repository(name, state) for name, state in self.states.items()], [], 0)

    def connected(self) -> list[News]:
        """What a source tells of an engine that it has just found."""
        self.events, self.changes = [], []
        head = self.journal[-1].n if self.journal else 0
        return [
            History(self.operations[::-1]),
            Journal(self.journal[-NEWEST:], 1, is_afresh=True, head=head),
            *(self.recalled(name) for name in NAMES),
        ]

    def recalled(self, name: str) -> Recalled:
        return Recalled(name, [one for one in self.journal if one.repository == name][-NEWEST:])

    def running(self, name: str, type: str) -> wire.Operation | None:
        return next(
            (o for o in self.operations if (o.repository, o.type, o.ended) == (name, type, None)), None
        )

    def begin(self, name: str, type: str) -> None:
        if self.running(name, type) is None:
            self.operations.append(operation(len(self.operations) + 1, name, type))
            self.events.append(Happened("began", self.operations[-1]))

    def advance(self, name: str, type: str) -> None:
        self.begin(name, type)
        self.events.append(Happened("progress", progress(name, type)))

    def end(self, name: str, type: str) -> None:
        if (one := self.running(name, type)) is not None:
            self.operations[one.id - 1] = operation(one.id, name, type, ended=NOW, status="completed")
            self.events.append(Happened("finished", self.operations[one.id - 1]))

    def record(self, name: str) -> None:
        self.journal.append(change(len(self.journal) + 1, repository=name))
        self.changes.append(self.journal[-1])

    def become(self, name: str, state: str) -> None:
        self.states[name] = state
        self.events.append(Happened("state", State(repository=name, state=state, message="")))

    def die(self, has_another_ledger: bool) -> None:
        """It ends unasked, and begins again: what ran is closed as failed; the ledger may be another one."""
        ended = [one for one in self.operations if one.ended is None]
        for one in ended:
            self.operations[one.id - 1] = operation(one.id, one.repository, one.type, ended=NOW)
        if has_another_ledger:
            self.operations, self.journal = self.operations[:1], self.journal[:2]


name, type_ = st.sampled_from(NAMES), st.sampled_from(TYPES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["advance", "end"]), name, type_),
        st.tuples(st.just("record"), name),
        st.tuples(st.just("become"), name, st.sampled_from(["watching", "offline", "paused"])),
        st.tuples(st.just("die"), st.booleans()),
        st.sampled_from([("read",), ("look",), ("lose events",), ("second",)]),
    ),
    max_size=40,
)


def story(engine: Engine, steps: Sequence[tuple[object, ...]]) -> list[News]:
    """All that a source tells while that happens, and until all is read."""
    news: list[News] = [*engine.connected()]
    for what, *arguments in steps:
        match what:
            case "read":
                news += read(engine)
            case "look":
                news.append(engine.looked())
            case "lose events":
                engine.events.clear()
                news.append(History(engine.operations[::-1]))
            case "second":
                news.append(Second(len(news)))
            case "die":
                engine.die(*arguments)  # type: ignore[arg-type]
                news += [Away("it does not answer", 1), *engine.connected()]
            case _:
                getattr(engine, str(what))(*arguments)
    return [*news, *read(engine), engine.looked()]


def read(engine: Engine) -> list[News]:
    news: list[News] = [Told(engine.events, 2), Journal(engine.changes, 2)]
    engine.events, engine.changes = [], []
    return news


@given(STEPS)
def test_in_the_end_all_is_as_the_engine_says(steps: Sequence[tuple[object, ...]]) -> None:
    engine, snapshot = Engine(), Snapshot()
    for one in story(engine, steps):
        snapshot = reduced(snapshot, one)
    assert {one.name: one.state for one in snapshot.repositories} == engine.states
    assert snapshot.operations == tuple(engine.operations[::-1])
    assert all(engine.running(*key) is not None for key in snapshot.running)
    assert snapshot.head == (engine.journal[-1].n if engine.journal else 0)
    for repository_name in NAMES:
        feed = snapshot.feed(repository_name)
        of_it = [one for one in engine.journal if one.repository == repository_name]
        assert feed == newest(of_it)[: len(feed)]
        assert len(feed) >= min(len(of_it), NEWEST)


def test_a_busy_repository_pushes_nothing_of_a_quiet_one_out() -> None:
    quiet = [change(n, repository="archive") for n in range(1, 4)]
    busy = [change(n, repository="photos") for n in range(4, 4 + 3 * MOST_CHANGES)]
    snapshot = Snapshot()
    for some in (quiet, busy[:MOST_CHANGES], busy[MOST_CHANGES:]):
        snapshot = reduced(snapshot, Journal(some, 1))
    assert [one.n for one in snapshot.feed("archive")] == [3, 2, 1]
    assert len(snapshot.feed("photos")) == MOST_CHANGES


def test_what_is_recalled_joins_what_came_meanwhile_and_counts_nothing() -> None:
    snapshot = Snapshot()
    for news in (
        Journal([change(9)], 1, is_afresh=True, head=9),
        Journal([change(11)], 2),
        Recalled("photos", [change(n) for n in (3, 9, 11, 12)]),
        Journal([change(12)], 3),
    ):
        snapshot = reduced(snapshot, news)
    assert [one.n for one in snapshot.feed("photos")] == [12, 11, 9, 3]
    assert snapshot.activity["photos"].changes.values == (1, 1)


def test_a_journal_of_which_nothing_is_kept_still_says_where_it_ends() -> None:
    assert reduced(Snapshot(), Journal([], 1, is_afresh=True, head=8_812_004)).head == 8_812_004


def test_a_repository_that_is_new_keeps_what_was_told_before_it_was_listed() -> None:
    snapshot = reduced(Snapshot(), Journal([change(1, repository="new")], 1))
    snapshot = reduced(snapshot, Looked(status(), [repository("photos")], [], 0))
    assert len(snapshot.feed("new")) == 1
    snapshot = reduced(snapshot, Looked(status(), [repository("new")], [], 0))
    snapshot = reduced(snapshot, Looked(status(), [], [], 0))
    assert (snapshot.feed("new"), snapshot.feed("photos")) == ((), ())


def test_no_progress_remains_of_what_ended_while_nobody_was_told() -> None:
    engine = Engine()
    news = [*engine.connected()]
    engine.advance("photos", "startup")
    news += read(engine)
    engine.end("photos", "startup")
    engine.events.clear()
    snapshot = Snapshot()
    for one in (*news, History(engine.operations)):
        snapshot = reduced(snapshot, one)
    assert snapshot.running == {}
