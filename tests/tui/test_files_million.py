"""A ledger of a million files: its page is there at once, and keeps up with keys that are held down."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import anyio
import pytest
from stage import Stage, stage
from support import tree_on, until

from benchmarks.measure import HeldUp
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.model import Repository
from treeledger.tui.app import Dashboard
from treeledger.tui.book import MOST_PAGES
from treeledger.tui.screens.files import FilesPage
from treeledger.tui.widgets.listing import Listing

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
FILES: Final = 1_000_000
_REPEAT: Final = 1 / 60  # seconds, twice as fast as a keyboard; spinning would starve the engine beside it
ROWS: Final = """
INSERT INTO file_records (
    repository_id, file_path, file_size, mtime_ns, ctime_ns, file_system, inode, mode, hash_state,
    hash_algorithm, content_hash, hash_tries, state, version, scan_generation, last_scanned, created_at,
    updated_at)
WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < :files),
content (n, content) AS (SELECT n, n - (n > 0 AND n % 500 = 0) FROM n)
SELECT :id, printf('%04d/Holiday in %03d/IMG_%07d.jpg', 1990 + n / 28000, n / 1000, n), 1000 + content,
    1600000000000000000 + n, 0, 1, n, 33188, 'done', 'sha256',
    printf('%08x%056x', content * 2654435761 % 4294967296, content), 0, 'present', 1, 0, 0, 0, 0
FROM content
"""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Stage]:
    path = tmp_path / "ledger.db"
    async with tree_on(tmp_path / "photos", f"sqlite:{path}") as tree:
        large = Repository(id=uuid4(), name="large", host="elsewhere", root="/large")
        await tree.ledger.store.add_repository(large)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(ROWS, {"files": FILES, "id": str(large.id)})
            connection.execute(
                "UPDATE repositories SET files = ?, hashed = files WHERE name = 'large'", [FILES]
            )
        async with tree.watched() as engine:
            service = Service(tree.ledger, engine, "test", datetime.now(UTC))
            async with serving(service, ApiSettings(socket=str(tmp_path / "s")), tmp_path) as [address]:

                async def find() -> str:
                    return address

                async with stage(Dashboard(find)) as shown:
                    await shown.until("large .*1,000,000")
                    yield shown


class Watch:
    """Runs from now on, and stands still while others have the processors."""

    def __init__(self) -> None:
        self._begun, self._others = time.perf_counter(), HeldUp(os.getpid())

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun - self._others.seconds


async def taken(shown: Stage, name: str, keys: list[str], pattern: str) -> float:
    """Seconds from the last key until that is on the screen."""
    await shown.press(*keys[:-1])
    watch = Watch()
    await shown.press(keys[-1])
    await shown.until(pattern)
    seconds = watch.seconds
    print(f"{name}: {seconds * 1000:.0f} ms")
    return seconds


async def answered(shown: Stage, page: FilesPage, key: str) -> float:
    """Seconds until a key that is held down has moved to a row of which something is known."""
    listing = page.query_one("#files", Listing)
    place, watch = listing.place, Watch()
    with anyio.fail_after(10):
        while listing.place == place or page._browsed.book.row(listing.place) is None:
            shown.app.simulate_key(key)
            await shown.pilot._wait_for_screen()
            await anyio.sleep(_REPEAT)
    return watch.seconds


async def test_a_million_files_are_there_at_once(shown: Stage) -> None:
    openings = []
    for _ in range(3):
        openings.append(await taken(shown, "opened", ["3"], "▸ 1990/Holiday in 000/IMG_0000000.jpg"))
        await shown.press("1")
        await shown.until("Changes")
    assert min(openings) <= 0.3
    await shown.press("3")
    await shown.until("of 1,000,000 by path")
    page = shown.app.screen
    assert isinstance(page, FilesPage)

    async def is_read() -> bool:
        await shown.rest()
        return not page._is_reading

    paging = sorted([await answered(shown, page, "pagedown") for _ in range(150)])
    print(f"page down: {paging[75] * 1000:.0f} ms, {paging[-1] * 1000:.0f} ms at most")
    assert paging[140] <= 0.1
    for _ in range(3):
        await until(is_read, "what is ahead")
        rows = len(page._browsed.book)
        await shown.press("end")
        await shown.until(rf"▸ .*IMG_{rows - 1:07}")
    assert len(page._browsed.book.pages) <= MOST_PAGES
    await taken(shown, "back to the first", ["home"], "▸ 1990/Holiday in 000/IMG_0000000.jpg")
    await taken(shown, "a text", ["slash", *"img_0999999"], "▸ 2025/Holiday in 999/IMG_0999999.jpg")
    await taken(shown, "no text", [*"x"], "Nothing matches img_0999999x")
    await shown.press("escape")
    await taken(shown, "a glob", ["slash", *"2024/**/*79999.jpg"], "▸ .*IMG_0979999.jpg")
    await shown.press("escape")
    await taken(shown, "by size", ["o"], r"by size(.|\n)*▸ .*IMG_0999999.jpg +1.0 MB")
    await taken(shown, "duplicates", ["d"], r"by waste(.|\n)*▸ +1.0 MB +2 .*IMG_0999499.jpg")
