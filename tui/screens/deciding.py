"""What both screens of what waits share: learning about a matter, and the keys that decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType

from treeledger import wire
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui import matters
from treeledger.tui.file_details import copyable
from treeledger.tui.matters import HeldMatter, Matter, subject
from treeledger.tui.model import Snapshot
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.approval import Approval
from treeledger.tui.working import begin
from treeledger.units import show_number
from treeledger.waiting import WaitingKind

_MOST_PATHS: Final = 1000  # that are copied: terminals take little more
OVER: Final = "It waits no longer: it was decided elsewhere, or is over by itself. Nothing was approved."
_HELD, _CORRUPTED, _DEAD = WaitingKind.HELD, WaitingKind.CORRUPTED, WaitingKind.DEAD_JOB
_BELOW_A_ROOT: Final = (_HELD, _CORRUPTED, WaitingKind.OFFLINE, WaitingKind.DEGRADED)
_FOR: Final[Mapping[str, Collection[str]]] = {
    "open": tuple(WaitingKind),
    "copy": _BELOW_A_ROOT,
    "approve": (_HELD,),
    "reject": (_HELD,),
    "accept": (_CORRUPTED,),
    "retry": (_DEAD,),
    "clear": (_DEAD,),
    "scan": _BELOW_A_ROOT,
}
"""The kinds that an action is for."""


def _key(key: str, action: str, words: str, use: str) -> Binding:
    return Binding(key, action, words, key_display=key, tooltip=use, id=f"attention.{action}")


class Deciding(Page):
    """A screen with one matter in hand: `chosen`."""

    name_of_mode = "attention"
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("enter", "open", "Open", "alone, with every folder, file or job"),
        _key("A", "approve", "Approve", "a held deletion, by the number of its files that is typed"),
        _key("R", "reject", "Reject", "a held deletion, so the records stay; asks"),
        _key("A", "accept", "Accept", "what corrupted files hold now, all or the chosen one; asks"),
        _key("t", "retry", "Try again", "dead jobs, all or the chosen one"),
        _key("C", "clear", "Clear", "dead jobs, all or the chosen one; asks"),
        _key("s", "scan", "Scan again", "looks whether it is mended"),
        _key("y", "copy", "Copy paths", "of all that it is about, or the chosen one's"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._learnt: dict[str, tuple[object, Matter]] = {}
        self._is_learning = False

    @property
    def chosen(self) -> wire.Waiting | None:
        """What is in hand, as long as it waits."""
        raise NotImplementedError

    @property
    def matter(self) -> Matter | None:
        """What was learnt of it so far."""
        one = self.chosen
        return None if one is None or one.key not in self._learnt else self._learnt[one.key][1]

    def draw(self) -> None:
        """Shows the matter again, with what was learnt."""
        raise NotImplementedError

    # learning

    def learn(self) -> None:
        """Has the engine asked about what is in hand, unless all is known of it as it is now."""
        one = self.chosen
        if one is None or self._is_learning or self._known(one) == self._mark(one):
            return
        self._is_learning = True
        begin(self, self._learn, one, self._mark(one))

    def forget(self, snapshot: Snapshot) -> None:
        """Lets go of what was learnt of matters that wait no longer: each may have thousands of rows."""
        keys = {one.key for one in snapshot.waiting}
        self._learnt = {key: learnt for key, learnt in self._learnt.items() if key in keys}

    def _known(self, one: wire.Waiting) -> object:
        return self._learnt[one.key][0] if one.key in self._learnt else None

    def _mark(self, one: wire.Waiting) -> object:
        """Equal as long as nothing happened that changes what is to be said of it."""
        repository = self.dashboard.snapshot.repository(one.repository)
        return one.message, None if repository is None else repository.missing

    async def _learn(self, one: wire.Waiting, mark: object) -> None:
        before = self._learnt.get(one.key)
        try:
            client = self.dashboard.source.client
            async for matter in matters.learnt(client, one, None if before is None else before[1]):
                self._learnt[one.key] = mark, matter
                self.draw()
        except TreeledgerError as error:
            self.log.warning(shown(str(error)))  # it is gone, or the engine away: the next snapshot tells
        finally:
            self._is_learning = False

    # deciding

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done about the thing that is in hand."""
        if action not in _FOR:
            return True
        one = self.chosen if self.is_mounted else None
        if one is None or one.kind not in _FOR[action]:
            return False
        return action not in ("scan", "copy") or one.repository is not None

    def action_approve(self) -> None:
        if isinstance(self.matter, HeldMatter):
            self.query_one(Approval).ask(self.matter.contents.files)
            self.query_one("#status").display = False

    @on(Approval.Left)
    def _leave(self) -> None:
        self.query_one(Approval).hide()
        self.query_one("#status").display = True
        self.focus_rows()

    def focus_rows(self) -> None:
        """Has the keys go to the rows again."""
        raise NotImplementedError

    @on(Approval.Typed)
    def _typed(self, event: Approval.Typed) -> None:
        matter = self.matter
        if not isinstance(matter, HeldMatter):
            self._leave()
            self.notify(OVER, markup=False)
        elif not event.is_right:
            self.notify(f"Still undecided: the number is {event.number}.", severity="warning", markup=False)
        else:
            self._leave()
            hold = matter.hold
            done = f"{hold.repository}: approved; {event.number:,} records are deleted within seconds"
            self.dashboard.work(partial(_approve, id=hold.id, files=event.number), done)

    def action_reject(self) -> None:
        if isinstance(self.matter, HeldMatter):
            hold, files = self.matter.hold, self.matter.contents.files
            text = (
                f"The records of {files:,} files in {shown(hold.repository)} stay missing, and nothing is"
                " deleted. You are asked again only if more files go."
            )
            done = f"{hold.repository}: rejected; the records stay"
            self.ask("Reject?", text, partial(Client.reject, deletion=hold.id), done)

    def ask(self, title: str, text: str, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        """Has something done if a person says yes."""
        self.dashboard.confirm(title, text, partial(self.dashboard.work, what, done))

    def action_accept(self) -> None:
        if (one := self.chosen) is not None and one.repository is not None:
            text = (
                f"What the corrupted files of {shown(one.repository)} hold now becomes what they ought to"
                " hold: their good hashes are forgotten. They are read once more."
            )
            what = partial(matters.accept_all, repository=one.repository)
            self.ask("Accept them all?", text, what, f"{one.repository}: accepted as they are now")

    def action_retry(self) -> None:
        if (one := self.chosen) is not None:
            what = partial(matters.retry_all, action=subject(one))
            self.dashboard.work(what, f"{subject(one)}: tried again now")

    def action_clear(self) -> None:
        if (one := self.chosen) is not None:
            action = subject(one)
            text = f"The dead jobs of {shown(action)} are dropped: what they were to do is never done."
            what = partial(matters.clear_all, action=action)
            self.ask("Clear them all?", text, what, f"{action}: its dead jobs are dropped")

    def action_scan(self) -> None:
        if (one := self.chosen) is not None and one.repository is not None:
            self.dashboard.scan(one.repository)

    # copying

    def action_copy(self) -> None:
        if (one := self.chosen) is not None:
            begin(self, self._copy, one)

    async def _copy(self, one: wire.Waiting) -> None:
        try:
            paths = await matters.paths_of(self.dashboard.source.client, one, most=_MOST_PATHS)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="error", markup=False)
        else:
            self.to_clipboard(one, paths, "the first ones" if len(paths) == _MOST_PATHS else "")

    def to_clipboard(self, one: wire.Waiting, paths: Sequence[str], which: str = "") -> None:
        """Puts paths on the clipboard, below the root of their repository."""
        repository = self.dashboard.snapshot.repository(one.repository)
        if repository is None:
            return
        self.app.copy_to_clipboard("\n".join(copyable(repository.root, path).rstrip("/") for path in paths))
        many = "1 path is" if len(paths) == 1 else f"{len(paths):,} paths are"
        self.notify(f"{many} on the clipboard{f': {which}' if which else ''}.", markup=False)


async def _approve(client: Client, *, id: int, files: int) -> None:
    """Only what was seen: where more files went meanwhile, raises TreeledgerError and leaves it undecided."""
    now = (await client.deletion_folders(id, limit=1)).files
    if now > files:
        raise TreeledgerError(
            f"{show_number(now - files, 'more file')} went meanwhile, so it is undecided still: look again,"
            f" then type {now}"
        )
    await client.approve(id)
