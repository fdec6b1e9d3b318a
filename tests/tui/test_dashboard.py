"""The dashboard on a real engine: what happens is seen, and what a person asks for happens."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stage import Live, nowhere, stage
from support import Tree, until
from values import repository, status

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.errors import ConfigurationError
from treeledger.model import OperationType
from treeledger.names import os_from_stored
from treeledger.tui.app import Dashboard
from treeledger.tui.look import Look
from treeledger.tui.model import Looked
from treeledger.tui.screens.questions import Confirm

pytestmark = pytest.mark.anyio


async def test_a_change_is_seen_as_it_happens(live: Live) -> None:
    live.tree.write("2025/new.jpg", "new")
    await live.until(r"added +2025/new.jpg +3 B")
    (live.tree.root / "2025/new.jpg").rename(live.tree.root / "2025/renamed.jpg")
    await live.until(r"moved +2025/new.jpg → 2025/renamed.jpg")
    await live.until(r"photos +● watching +32 ")


async def test_a_feed_that_is_frozen_counts_what_comes_and_goes_on(live: Live) -> None:
    await live.press("f")
    live.tree.write("2025/new.jpg", "new")
    await live.until("frozen, [12] new")
    assert "2025/new.jpg" not in live.shown.text
    await live.press("f")
    await live.until("added +2025/new.jpg")


async def test_a_feed_is_filtered_by_path_and_by_glob(live: Live) -> None:
    await live.until("notes.txt")
    assert "Show all" not in live.shown.text
    await live.press("slash", *"07.jpg")
    await live.until("Changes  photos  /07.jpg")
    await live.until("^ esc Show all")
    assert "notes.txt" not in live.shown.text
    await live.press("escape")
    await live.until("notes.txt")
    assert "Show all" not in live.shown.text
    await live.press("slash", *"*.txt", "enter")
    await live.until("notes.txt")
    assert ".jpg" not in live.shown.text


async def test_s_scans_and_the_operation_is_listed(live: Live) -> None:
    await live.press("s")
    await live.until("photos: a full scan begins")
    await live.press("2")
    await live.until(r"photos +● manual +31 files, nothing new")
    kinds = [one.type for one in await live.tree.ledger.sync_operations()]
    assert OperationType.MANUAL in kinds


async def test_p_pauses_and_goes_on(live: Live) -> None:
    await live.press("p")
    await live.until("‖ paused")
    await live.until("on resume")
    await live.press("p")
    await live.until("● watching")


async def test_a_takes_a_folder_under_care(live: Live, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/file").write_text("text")
    await live.press("a")
    entry = live.shown.app.screen.query_one("#path")
    entry.value = str(tmp_path / "more")  # type: ignore[attr-defined]
    await live.press("enter")
    await live.until(r"^│.*more +● watching +1 ")


async def test_what_cannot_be_done_is_said_and_the_dashboard_goes_on(live: Live, tmp_path: Path) -> None:
    await live.press("a")
    live.shown.app.screen.query_one("#path").value = str(tmp_path / "absent")  # type: ignore[attr-defined]
    await live.press("enter")
    await live.until("spelling")
    await live.press("s")
    await live.until("a full scan begins")


@asynccontextmanager
async def answering(tree: Tree, folder: Path) -> AsyncIterator[None]:
    async with tree.watched() as engine:
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with serving(service, ApiSettings(socket=str(folder / "s")), folder):
            yield


async def test_an_engine_that_comes_back_is_shown_as_it_is_then(tree: Tree, tmp_path: Path) -> None:
    async def find() -> str:
        return f"unix:{tmp_path / 's'}"

    async with stage(Dashboard(find)) as shown:
        async with answering(tree, tmp_path):
            await shown.until(r"photos +● watching +31 ")
        await shown.until("engine away")
        tree.write("2025/meanwhile.jpg")
        async with answering(tree, tmp_path):
            await shown.until(r"photos +● watching +32 ")
            await shown.until("added +2025/meanwhile.jpg")
            tree.write("2025/after.jpg")
            await shown.until("added +2025/after.jpg")
            assert "engine away" not in shown.text


async def test_every_change_of_a_burst_arrives_once_in_few_pieces(live: Live) -> None:
    app = live.shown.app
    for number in range(400):
        live.tree.write(f"burst/{number:03}", "text")

    async def all_there() -> bool:
        added = [one.path for one in app.snapshot.feed(None) if one.kind == "added"]
        return sum(path.startswith("burst/") for path in added) == 400

    await until(all_there, "400 changes in the feed")
    numbers = [one.n for one in app.snapshot.feed(None)]
    assert numbers == sorted(set(numbers), reverse=True)


async def test_quitting_asks_only_where_an_engine_would_end(live: Live) -> None:
    app = live.shown.app
    app.is_own = True
    await live.press("q")
    await live.until("The engine of this window ends with it")
    await live.press("escape")
    assert app.is_running
    await live.press("ctrl+c")
    assert app.is_running
    app.is_own = False
    await live.press("q")
    assert not app.is_running or app._exit


async def test_question_mark_shows_what_every_key_does(live: Live) -> None:
    await live.press("question_mark")
    await live.until("Keys of Home")
    await live.until("s  Scan  lists all of it anew")
    await live.press("escape")
    await live.until("● watching")


async def test_the_palette_finds_everything_by_name(live: Live) -> None:
    await live.press("ctrl+p", *"photos pause")
    await live.until("photos: pause or go on")
    await live.press("enter")
    await live.until("‖ paused")
    await live.press("ctrl+p", *"go to oper")
    await live.until("Go to Operations")
    await live.press("enter")
    await live.until("Operation [0-9]+  photos")


async def test_c_scrubs_which_is_no_scan(live: Live) -> None:
    scanned = (await live.tree.ledger.sync_status("photos")).last_scan_time
    assert scanned is not None
    await live.press("c")
    await live.until("photos: a scrub begins")

    async def is_over() -> bool:
        return any(
            one.type is OperationType.SCRUB and one.end_time is not None
            for one in await live.tree.ledger.sync_operations()
        )

    await until(is_over, "a scrub that has ended")
    assert (await live.tree.ledger.sync_status("photos")).last_scan_time == scanned


async def test_a_repository_is_removed_after_a_question(live: Live) -> None:
    await live.press("X", "escape")
    assert len(await live.tree.ledger.repositories()) == 1
    await live.press("X")
    await live.until("photos is watched and scanned no longer")
    await live.press("enter")
    await live.until("Nothing is under care yet")
    assert not await live.tree.ledger.repositories()


async def pick(live: Live, folder: Path, shown: str) -> None:
    """Opens the picker on that folder, and chooses the only one below, which is shown so."""
    live.shown.app.screen.query_one("#path").value = str(folder)  # type: ignore[attr-defined]
    await live.until(f"▸ {shown}")
    await live.press("tab")

    async def is_picked() -> bool:
        await live.press("down")  # the tree may be read still; the last folder stays chosen
        return re.search(f"{folder.name}/{shown}", live.shown.text) is not None

    await until(is_picked, f"the folder {shown} is picked")


async def until_under_care(live: Live, root: bytes) -> None:
    async def is_kept() -> bool:
        repositories = await live.tree.ledger.repositories()
        return root in [os.fsencode(os_from_stored(one.root)) for one in repositories]

    await until(is_kept, "it is under care")


async def test_any_name_can_be_typed_and_any_folder_picked(live: Live, tmp_path: Path) -> None:
    odd = os.path.join(os.fsencode(tmp_path), b"parent", b"odd\xff\nname")
    os.makedirs(odd)
    await live.press("a")
    await live.until("Take a folder under care")
    await live.press("ctrl+u", *"~nosuchuser")
    await live.until("~nosuchuser")
    await pick(live, tmp_path / "parent", r"odd\\xff\\x0aname")
    assert live.shown.app.screen.query_one("#path").value.isprintable()  # type: ignore[attr-defined]
    await live.press("enter")
    await until_under_care(live, odd)


async def test_a_folder_is_picked_in_the_tree(live: Live, tmp_path: Path) -> None:
    (tmp_path / "parent/child").mkdir(parents=True)
    await live.press("a")
    await live.until("Take a folder under care")
    await pick(live, tmp_path / "parent", "child")
    await live.press("enter")
    await live.until("child +● watching +0 ")


async def test_a_folder_whose_name_no_line_can_hold_is_shown_safely_and_taken(
    live: Live, tmp_path: Path
) -> None:
    odd = os.fsencode(tmp_path) + b"/odd/a\xff\n\x1b[31mb"
    os.makedirs(odd)
    await live.press("a")
    await live.until("Take a folder under care")
    await pick(live, tmp_path / "odd", r"a\\xff\\x0a\\x1b\[31mb")
    assert "\x1b" not in live.shown.text
    await live.press("enter")
    await until_under_care(live, odd)


async def test_enter_opens_the_files_of_what_is_chosen_here_whatever_was_chosen_on_another_screen(
    live: Live, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/other.txt").write_text("text")
    await live.tree.ledger.add_repository(tmp_path / "more")
    await live.until("more +● watching +1 ")
    await live.press("3")
    await live.until("Files  photos")
    await live.press("r")
    await live.until("Files  all repositories")
    await live.press("1", "enter")
    await live.until("Files  photos")
    await live.press("r", "r")
    await live.until("Files  more")
    await live.press("1")
    await live.until("▸ more")
    await live.press("enter")
    await live.until("Files  more")


async def test_a_change_is_explained_and_its_path_copied(live: Live) -> None:
    live.tree.write("2025/new.jpg", "new")
    await live.tree.until_present("2025/new.jpg")
    await live.until(r"added +2025/new.jpg")
    await live.press("y")
    await live.until("copied:")
    assert live.shown.app.clipboard == f"{live.tree.root}/2025/new.jpg"
    await live.press("e")
    await live.until("11507a0e2f5e69d5dfa40a62a1")
    await live.press("escape", "tab", "down", "enter")
    await live.until("hash +sha256")


async def test_keys_do_what_the_keymap_says(tree: Tree, tmp_path: Path) -> None:
    look = Look(keymap={"home.scan": "f5", "app.files": "ctrl+f"})
    async with stage(Dashboard(nowhere, look=look)) as shown:
        await shown.tell(Looked(status(), [repository()], [], 0))
        await shown.press("f5")
        await shown.until("f5 Scan")
        await shown.press("ctrl+f")
        await shown.until("Files  photos")


async def test_other_keys_take_none_from_another_use() -> None:
    look = Look(keymap={"attention.approve": "Z", "home.scan": "p", "home.pause": "s", "app.help": "f2, ?"})
    async with stage(Dashboard(nowhere, look=look)) as shown:
        await shown.tell(Looked(status(), [repository()], [], 0))
        await shown.until("p Scan  s Pause")
        await shown.press("question_mark")
        await shown.until("Keys of Home")
        await shown.press("escape", "4")
        await shown.until("╭─ Attention")
        bindings = shown.app.screen._modal_binding_chain
        keys = {one.id: key for _, found in bindings for key, one in found if one.id}
        assert (keys["attention.approve"], keys["attention.accept"]) == ("Z", "A")


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (Look(theme="treeledger-drak"), "theme: there is no 'treeledger-drak'; there is treeledger-dark"),
        (Look(keymap={"home.scam": "x"}), "keymap: there is no 'home.scam'; there is home.scan"),
        (Look(keymap={"home.scan": "F5"}), "keymap: home.scan: no key is called 'F5'"),
        (Look(keymap={"home.scan": ""}), "keymap: home.scan: no key is called ''"),
        (Look(keymap={"home.scan": "p"}), "'p' would be both home.scan and home.pause"),
        (Look(keymap={"logs.open": "q"}), "'q' would be both logs.open and app.quit"),
        (Look(keymap={"home.scan": "j"}), "'j' would be both home.scan and Down"),
        (Look(keymap={"home.scan": "escape"}), "'escape' would be both home.scan and Show all"),
    ],
)
def test_a_look_that_there_is_not_is_refused(look: Look, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Dashboard(nowhere, look=look)


async def test_a_question_of_any_length_can_be_read_to_its_end() -> None:
    async with stage(size=(60, 20)) as shown:
        answers: list[bool | None] = []
        text = "\n".join(f"line {number}" for number in range(1, 41))
        shown.app.push_screen(Confirm("Really?", text), answers.append)
        await shown.until("↓ more")
        assert "line 40" not in shown.text
        await shown.press("end")
        await shown.until("line 40")
        await shown.until("╰─+╯  │$")  # its frame, without more
        await shown.press("enter")
        assert answers == [True]


async def test_a_window_without_room_says_how_much_it_takes() -> None:
    async with stage(size=(30, 8)) as shown:
        await shown.until("30x8 cells")
        assert "╭" not in shown.text
        await shown.pilot.resize_terminal(60, 20)
        await shown.until("╭─ Repositories")
        assert "cells" not in shown.text


async def test_what_is_offline_is_not_said_to_be_scanned(live: Live, tmp_path: Path) -> None:
    live.tree.root.rename(tmp_path / "away")
    await live.until("○ offline")
    await live.press("s")
    await live.until("▌")  # what is said is broken into lines as the path is long
    assert "a full scan begins" not in live.shown.text
    await live.press("c")
    await live.until("it is offline, so")
    (tmp_path / "away").rename(live.tree.root)
    await live.until(r"photos +● watching +31 ")
