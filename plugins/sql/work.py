"""A transaction's work as a generator: it yields steps, is sent their rows, and returns its result.

    def head() -> Work[Cursor]:
        [(epoch, n, _)] = yield from ask("head")
        return Cursor(epoch, n)

A session drives it: begins, executes each step, commits; an error is thrown into the generator,
and the transaction is rolled back if it comes out again. Values cross in one form for both
dialects: times as aware datetimes, spans as timedeltas, identities of repositories as text, JSON as text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from treeledger.errors import StoreError

if TYPE_CHECKING:
    import anyio

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Mapping[str, Any]


class Query(NamedTuple):
    """One statement by name; its rows are sent back, if they are wanted."""

    name: str
    params: Params
    is_wanted: bool = True


class Each(NamedTuple):
    """A statement for each of many rows; nothing is sent back. One with `:rows` takes many at once.

    `columns` name the values of a row, `params` those that are the same for all.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Row]
    params: Params


class Script(NamedTuple):
    """The statements of a migration."""

    sql: str


class Together(NamedTuple):
    """Statements that need nothing of each other, in their order; a tuple of rows is sent back for each."""

    queries: Sequence[Query]


Step: TypeAlias = Query | Each | Script | Together
Work: TypeAlias = Generator[Step, Sequence[Row], T]


class Session(Protocol):
    """Runs the work of transactions, one after another or side by side."""

    poll: float  # seconds after which a reader looks for what another process wrote
    indexed: int | None  # characters of a path that its indexes hold; None: all

    async def read(self, work: Work[T]) -> T:
        """Runs what only reads. Raises StoreUnavailable."""

    async def browse(self, work: Work[T]) -> T:
        """As `read`, for what looks at much of the ledger: nobody else's reading waits for it."""

    async def write(self, work: Work[T]) -> T:
        """Runs it in one transaction. Raises StoreUnavailable and StoreDataError; nothing is kept then."""

    async def migrate(self, work: Work[T]) -> T:
        """As `write`, for work that has a script."""

    def announce(self) -> None:
        """Wakes those who wait for the journal to grow."""

    def announcement(self) -> anyio.Event:
        """Is set by the next announcement."""

    def written(self) -> object:
        """Is equal to what it was only if nobody has written meanwhile, other processes included."""


class Part:
    """One concern of a store. All parts of a store share its session."""

    session: Session


def ask(name: str, /, **params: Any) -> Work[Sequence[Row]]:
    """The rows of one statement."""
    return (yield Query(name, params))


def ask_together(*queries: Query) -> Work[Sequence[tuple[Row, ...]]]:
    """The rows of several statements, in one round trip."""
    return (yield Together(queries))


def run(name: str, /, **params: Any) -> Work[None]:
    """A statement whose rows nobody needs, so that a session need not wait for it."""
    yield Query(name, params, False)


def each(name: str, columns: Sequence[str], rows: Sequence[Row], **params: Any) -> Work[None]:
    """A statement for each row; none for no rows."""
    if rows:
        yield Each(name, columns, rows, params)


def drive(work: Work[T], execute: Callable[[Step], Sequence[Row]]) -> T:
    """Runs work to its end in this thread."""
    try:
        step = next(work)
        while True:
            try:
                rows = execute(step)
            except StoreError as error:
                step = work.throw(error)
            else:
                step = work.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


async def drive_async(work: Work[T], execute: Callable[[Step], Awaitable[Sequence[Row]]]) -> T:
    """Runs work to its end in the event loop."""
    try:
        step = next(work)
        while True:
            try:
                rows = await execute(step)
            except StoreError as error:
                step = work.throw(error)
            else:
                step = work.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result
