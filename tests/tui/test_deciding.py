"""A person decides in the dashboard, and a real engine does it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from receiver import Receiver, receiving
from stage import Live, showing
from support import Tree, tree_on, until

from treeledger.client import Client
from treeledger.engine.actions import ActionRunner, Pace
from treeledger.model import HashState, HoldStatus, Job, JobState, RecordState

pytestmark = pytest.mark.anyio


async def hold(live: Live, copies: int = 0) -> None:
    """Has most of the files vanish, and the screen of what waits opened."""
    shutil.rmtree(live.tree.root / "2024")
    await live.until("4 Attention ■1")
    await live.press("4")
    await live.until(rf"2024/ +30 .* whole folder +{copies} ")


async def status_of(live: Live) -> HoldStatus:
    [held] = await live.tree.ledger.store.holds(None, statuses=tuple(HoldStatus))
    return held.status


async def test_a_held_deletion_is_approved_by_its_number_and_by_nothing_else(live: Live) -> None:
    live.tree.write("copies/07.jpg", "photo 7")
    await live.tree.until_present("copies/07.jpg")
    await hold(live, copies=1)
    await live.press("y")
    await live.until("30 paths are on the clipboard")
    gone = {str(live.tree.root / f"2024/{number:02}.jpg") for number in range(30)}
    assert set(live.shown.app.clipboard.splitlines()) == gone
    await live.press("A", *"30", "escape")
    await live.until("enter Open +A Approve")
    await live.press("A", *"29", "enter")
    await live.until("Still undecided: the number is 30")
    assert await status_of(live) is HoldStatus.OPEN
    await live.press("backspace", "backspace", *"30", "enter")
    await live.until("nothing waits for you")
    await live.tree.until_state("2024/07.jpg", RecordState.DELETED)


async def test_what_went_meanwhile_is_not_approved_unseen_and_is_rejected(live: Live) -> None:
    await hold(live)
    await live.press("A", *"30")
    (live.tree.root / "notes.txt").unlink()

    async def is_held() -> bool:
        record = await live.tree.record("notes.txt")
        return record is not None and record.held_id is not None

    await until(is_held, "one more file in the hold")
    await live.press("enter")
    await live.until("1 more file went meanwhile")
    await live.press("R", "escape")
    assert await status_of(live) is HoldStatus.OPEN
    await live.press("R", "enter")
    await live.until("nothing waits for you")
    assert await live.tree.state("2024/07.jpg") is RecordState.MISSING


async def test_files_that_return_close_a_hold_and_the_screen_says_so(live: Live) -> None:
    await hold(live)
    await live.press("enter")
    await live.until("─ Folders ─")
    for number in range(30):
        live.tree.write(f"2024/{number:02}.jpg", f"photo {number}")
    await live.press("s")
    await live.until("This waits no longer")
    await live.press("escape")
    await live.until("nothing waits for you")


async def test_what_was_decided_elsewhere_is_said_and_nothing_breaks(live: Live) -> None:
    await hold(live)
    await live.press("A", *"30")
    [held] = await live.tree.ledger.store.holds(None, statuses=tuple(HoldStatus))
    await live.tree.ledger.store.set_hold(held.id, HoldStatus.CLOSED)
    await live.press("enter")
    await live.until("closed: its files|waits no longer")


async def test_who_types_a_number_is_told_that_another_one_decided(live: Live) -> None:
    await hold(live)
    await live.press("A", *"3")
    async with Client(await live.shown.app.source._find() or "") as other:
        [held] = await live.tree.ledger.store.holds(None, statuses=tuple(HoldStatus))
        await other.reject(deletion=held.id)
    await live.until("It waits no longer")
    await live.until("nothing waits for you")
    await live.press("1")
    await live.until("30 missing")


async def test_everything_is_done_by_mouse_as_well(live: Live) -> None:
    await hold(live)
    await live.shown.click("#matter", offset=offset_of(live, "R  Reject"))
    await live.until("Reject\\?")
    await live.press("escape")
    await live.shown.click("#waiting", offset=(10, 2), times=2)
    await live.until("─ Folders ─")
    await live.shown.click("#about", offset=offset_of(live, "A  Approve"))
    await live.until("type the number of files")
    await live.press("escape", "escape")
    await live.until("1 waits for a decision")


def offset_of(live: Live, text: str) -> tuple[int, int]:
    """Where it stands within the second frame of the screen, or the first one if that has it."""
    lines = live.shown.text.splitlines()
    row = next(place for place, line in enumerate(lines) if text in line)
    top = max(place for place in range(row) if lines[place].startswith("╭"))
    return 3, row - top


def corrupt(tree: Tree, path: str, good: str) -> None:
    """Has the ledger know another content as the good one of a file that nothing was written to since."""
    with closing(sqlite3.connect(tree.ledger.store.url.partition(":")[2])) as ledger, ledger:
        digest = sha256(good.encode()).hexdigest()
        ledger.execute("UPDATE file_records SET content_hash = ? WHERE file_path = ?", (digest, path))


async def test_corrupted_files_are_told_with_good_copies_and_accepted(live: Live) -> None:
    corrupt(live.tree, "2024/07.jpg", "photo 8")
    corrupt(live.tree, "notes.txt", "lost for ever")
    await live.shown.app.source.client.trigger("scrub", wait=True)
    await live.until("4 Attention ■1")
    await live.press("4")
    await live.until("content of 2 files is not")
    await live.until(r"2024/07.jpg .* photos: 2024/08.jpg")
    await live.until(r"notes.txt .* none in the ledger")
    await live.press("enter")
    await live.until("─ Files ─")
    await live.press("A")
    await live.until("What 2024/07.jpg holds now")
    await live.press("enter")
    await live.until("accepted as it is now")
    record = await live.tree.record("2024/07.jpg")
    assert record is not None
    assert record.content_hash == sha256(b"photo 7").hexdigest()
    await live.until(r"The content of 1 file is not")
    await live.press("escape", "A", "enter")
    await live.until("nothing waits for you")
    record = await live.tree.record("notes.txt")
    assert record is not None
    assert record.hash_state is HashState.DONE


async def test_a_root_that_is_away_is_looked_for(live: Live, tmp_path: Path) -> None:
    live.tree.root.rename(tmp_path / "away")
    await live.until("○ offline")
    await live.press("4")
    await live.until("Look now whether it is back")
    await live.press("s")
    await live.until("Offline  photos")
    (tmp_path / "away").rename(live.tree.root)
    await live.press("s")
    await live.until("nothing waits for you")


@pytest.fixture
async def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Live, Receiver]]:
    """A tree whose changes are sent to a receiver that refuses what it is sent first."""
    monkeypatch.setattr(ActionRunner.__init__, "__defaults__", (Pace(nap=0.1),))
    with receiving() as receiver:
        receiver.answers.append((400, {}))
        file = tmp_path / "plugins.toml"
        file.write_text(f'[plugins.phone]\nuse = "webhook"\nurl = "{receiver.url}"\n')
        file.chmod(0o600)
        url = f"sqlite:{tmp_path / 'ledger.db'}"
        async with tree_on(tmp_path / "photos", url, config=file) as tree, showing(tree, tmp_path) as live:
            tree.write("first")
            yield live, receiver


async def delivered(receiver: Receiver, times: int) -> bool:
    return len(receiver.deliveries) >= times


async def dead(live: Live) -> list[Job]:
    return await live.tree.ledger.store.jobs(state=JobState.DEAD, limit=9)


async def test_dead_jobs_are_told_tried_again_and_cleared_after_a_question(
    refused: tuple[Live, Receiver],
) -> None:
    live, receiver = refused
    await live.press("4")
    await live.until("phone +1 job will not be")
    await live.until("answered 400")
    await live.press("enter")
    await live.until("─ Jobs ─")
    [job] = await dead(live)
    await live.press("t")
    await live.until(f"job {job.id} is tried again now")
    await live.until("This waits no longer")
    await until(lambda: delivered(receiver, 2), "tried again")
    await live.press("escape")
    receiver.answers.append((400, {}))
    live.tree.write("second")
    await live.until("phone +1 job will not be")
    await live.press("C", "escape")
    assert await dead(live)
    await live.press("C", "enter")
    await live.until("nothing waits for you")
    assert await dead(live) == []
