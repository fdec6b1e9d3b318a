"""The JSON resources of the API: each route over a real engine, a real tree and a real store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import msgspec
import pytest
from support import Tree, tree_on, until

from treeledger import __version__
from treeledger.api.app import build
from treeledger.api.guard import Guard
from treeledger.api.routes import ROUTES
from treeledger.api.routes.paging import cursor
from treeledger.api.service import Service
from treeledger.engine.engine import Engine
from treeledger.errors import ConfigurationError, StoreUnavailable
from treeledger.model import Cursor, JobState, NewJob, Problem, ProblemCode, RecordState
from treeledger.protocols import NewFile
from treeledger.testing.store_shelf import Shelf

pytestmark = pytest.mark.anyio
WHO = "anna"


class Asker:
    """Asks for JSON, and checks that each answer is of the type that its route names."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, /, **query: Any) -> Any:
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, /, **body: Any) -> Any:
        return await self.ask("POST", path, body=body)

    async def ask(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        answer = await self._client.request(method, path, params=query, json=body)
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 204:
            return None
        msgspec.json.decode(answer.content, type=_type(method, path))
        return answer.json()

    async def refused(
        self, method: str, path: str, *, query: Any = None, body: Any = None
    ) -> tuple[int, str]:
        """The status, and what is said."""
        answer = await self._client.request(method, path, params=query, json=body)
        return answer.status_code, answer.json()["message"]

    async def all(self, path: str, /, **query: Any) -> list[Any]:
        """The items of all pages, none of which comes twice."""
        items: list[Any] = []
        after: str | None = None
        while True:
            page = await self.get(path, **query, **({} if after is None else {"after": after}))
            assert not any(item in items for item in page["items"])
            items += page["items"]
            after = page["next"]
            if after is None:
                return items


def _type(method: str, path: str) -> Any:
    for route in ROUTES:
        pattern = re.sub(r"{\w+(:int)?}", lambda name: "[0-9]+" if name[1] else "[^/]+", route.path)
        if route.method == method and re.fullmatch(pattern, path):
            return route.answers
    raise AssertionError(f"no route for {method} {path}")


class Live(NamedTuple):
    """A tree that is watched, and who asks its engine."""

    tree: Tree
    ask: Asker
    service: Service


@asynccontextmanager
async def asking(tree: Tree, engine: Engine, **given: Any) -> AsyncIterator[Live]:
    service = Service(tree.ledger, engine, "test", datetime.now(UTC), **given)
    transport = httpx.ASGITransport(app=build(service, ROUTES, Guard(is_local=True)), client=(WHO, 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        yield Live(tree, Asker(client), service)


def fill(tree: Tree) -> None:
    for n in range(12):
        tree.write(f"2024/{n % 3}/{n:02}.jpg", f"picture {n // 2}")
    tree.write("notes.txt", "two")
    tree.write(".hidden", "x")


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with tree_on(tmp_path / "photos", f"sqlite:{tmp_path / 'state' / 'ledger.db'}") as tree:
        fill(tree)
        async with tree.watched() as engine, asking(tree, engine) as live:
            await tree.until_equal()
            yield live


async def operation_of(live: Live, **wanted: Any) -> None:
    async def is_there() -> bool:
        found = await live.ask.get("/api/operations")
        return any(wanted.items() <= one.items() for one in found["items"])

    await until(is_there, f"an operation with {wanted}")


async def test_it_answers_over_both_stores(tmp_path: Path, store_url: str) -> None:
    async with tree_on(tmp_path / "photos", store_url) as tree:
        fill(tree)
        async with tree.watched() as engine, asking(tree, engine) as live:
            await tree.until_equal()
            note = Problem("notes.txt", ProblemCode.NAMES_COLLIDE, "like Notes.txt")
            await tree.ledger.store.report_problems(tree.repository.id, [note])
            await plan(tree, "a", "b")
            assert len(await live.ask.all("/api/files", limit=5)) == 13
            assert len(await live.ask.all("/api/files", glob="*.jpg", limit=5)) == 12
            assert len(await live.ask.all("/api/files", duplicates=True)) == 12
            assert len(await live.ask.all("/api/problems", notes=True)) == 1
            assert len(await live.ask.all("/api/queue", limit=1)) == 2
            assert (await live.ask.get("/api/explain", repository="photos", path="notes.txt"))["exists"]
            for path in ("repositories", "operations", "deletions", "plugins", "config"):
                await live.ask.all(f"/api/{path}")


# the engine and its repositories


async def test_repositories_are_listed_as_the_engine_knows_them(live: Live) -> None:
    (told,) = await live.ask.all("/api/repositories")
    assert (told["name"], told["root"], told["state"]) == ("photos", str(live.tree.root), "watching")
    assert (told["files"], told["is_watching"], told["last_operation"]) == (13, True, "startup")
    assert told["engine"].startswith("test (pid")

    async def are_the_same() -> bool:
        (listed,) = await live.ask.all("/api/repositories")
        by_name = await live.ask.get("/api/repositories/photos")
        by_id = await live.ask.get(f"/api/repositories/{told['id']}")
        return bool(by_id == by_name == {**listed, "settings": {}, "declared": False, "paused": False})

    await until(are_the_same, "what is told of it is the same, once its health rests")


async def test_a_repository_comes_changes_and_goes(live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mkv").write_text("film")
    (folder / "a.srt").write_text("text")
    added = await live.ask.post("/api/repositories", root=str(folder), settings={"change_key": "strict"})
    assert (added["name"], added["settings"]) == ("films", {"change_key": "strict"})

    async def is_known() -> bool:
        return len(await live.ask.all("/api/files", repository="films")) == 2

    await until(is_known, "the films recorded")
    assert [one["name"] for one in await live.ask.all("/api/repositories", limit=1)] == ["films", "photos"]
    ignore = {"ignore": {"patterns": ["*.srt"]}}
    changed = await live.ask.ask("PATCH", "/api/repositories/films", body={"settings": ignore})
    assert changed["settings"] == ignore

    async def is_ignored() -> bool:
        return len(await live.ask.all("/api/files", repository="films", state="ignored")) == 1

    await until(is_ignored, "the new settings taken up")
    paused = await live.ask.ask("PATCH", "/api/repositories/films", body={"paused": True})
    assert (paused["paused"], paused["state"], paused["settings"]) == (True, "paused", ignore)
    assert await live.ask.ask("DELETE", "/api/repositories/films", query={"purge": True}) is None
    assert [one["name"] for one in await live.ask.all("/api/repositories")] == ["photos"]
    assert (folder / "a.mkv").exists()
    assert await live.ask.refused("GET", "/api/repositories/films") == (
        404,
        "there is no repository 'films'; known are: photos",
    )


async def test_what_cannot_be_a_repository_is_refused(live: Live, tmp_path: Path) -> None:
    for root, status, words in (
        ("photos", 400, "no absolute path"),
        (str(tmp_path / "nowhere"), 409, "does not exist"),
        (str(live.tree.root / "2024"), 400, "photos"),
    ):
        code, message = await live.ask.refused("POST", "/api/repositories", body={"root": root})
        assert (code, words in message) == (status, True), message
    (tmp_path / "films").mkdir()
    body: dict[str, Any] = {"root": str(tmp_path / "films"), "name": "a/b"}
    assert (await live.ask.refused("POST", "/api/repositories", body=body))[0] == 400
    body = {"root": str(tmp_path / "films"), "settings": {"change_kay": "strict"}}
    code, message = await live.ask.refused("POST", "/api/repositories", body=body)
    assert (code, "change_key" in message) == (400, True)
    body = {"settings": {"change_key": "no"}}
    assert (await live.ask.refused("PATCH", "/api/repositories/photos", body=body))[0] == 400
    assert len(await live.ask.all("/api/repositories")) == 1


async def test_what_plugins_toml_declares_changes_only_there(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    config = tmp_path / "plugins.toml"
    config.write_text(f'[[repositories]]\nname = "photos"\nroot = "{tmp_path / "photos"}"\n')
    config.chmod(0o600)
    url = f"sqlite:{tmp_path / 'state' / 'ledger.db'}"
    async with (
        tree_on(tmp_path / "photos", url, config=config) as tree,
        tree.watched() as engine,
        asking(tree, engine) as live,
    ):
        assert (await live.ask.get("/api/repositories/photos"))["declared"]
        for method, body in (("PATCH", {"settings": {}}), ("DELETE", None)):
            code, message = await live.ask.refused(method, "/api/repositories/photos", body=body)
            assert (code, str(config) in message) == (400, True)


# work on request


async def test_a_scan_is_asked_for_and_waited_for(live: Live) -> None:
    done = await live.ask.post("/api/sync/trigger", repository="photos", wait=True, rehash=True)
    (operation,) = done["operations"]
    assert (done["repositories"], done["failed"]) == (["photos"], {})
    assert operation.items() >= {"type": "manual", "status": "completed", "files_scanned": 13}.items()
    assert await live.ask.get(f"/api/operations/{operation['id']}") == operation
    done = await live.ask.post(
        "/api/sync/trigger", repository="photos", paths=["2024/0", "/2024/1/"], wait=True
    )
    assert done["operations"][0]["scope"] == "2024/0 2024/1"
    assert done["operations"][0]["files_scanned"] == 8


async def test_a_scan_that_nobody_waits_for_runs_all_the_same(live: Live) -> None:
    asked = await live.ask.post("/api/sync/trigger")
    assert (asked["repositories"], asked["operations"]) == (["photos"], [])
    await operation_of(live, type="manual", status="completed", files_scanned=13)


async def test_work_for_a_root_that_is_away_is_refused(live: Live) -> None:
    live.tree.root.rename(live.tree.root.parent / "away")
    await live.tree.until_offline()
    code, message = await live.ask.refused(
        "POST", "/api/sync/trigger", body={"repository": "photos", "wait": True}
    )
    assert (code, "Nothing was changed" in message) == (409, True)
    done = await live.ask.post("/api/sync/trigger", wait=True)
    assert set(done["failed"]) == {"photos"}
    assert (await live.ask.get("/api/repositories/photos"))["state"] == "offline"


@pytest.mark.parametrize(
    "body",
    [
        {"paths": ["2024"]},
        {"kind": "scrub", "rehash": True},
        {"limits": {"files": 1}},
        {"kind": "scrub", "limits": {"files": 0}},
        {"kind": "slow"},
        {"every": True},
        {"repository": 3},
    ],
)
async def test_a_trigger_that_says_nothing_together_is_refused(live: Live, body: dict[str, Any]) -> None:
    assert (await live.ask.refused("POST", "/api/sync/trigger", body=body))[0] == 400


async def test_a_path_never_leads_out_of_its_repository(live: Live) -> None:
    (live.tree.root.parent / "secret").write_text("x")
    for path in ("../secret", "2024/../../secret", "/../secret", str(live.tree.root.parent / "secret")):
        told = await live.ask.get("/api/explain", repository="photos", path=path)
        assert (told["exists"], told["stat"]) == (False, None)
    body = {"repository": "photos", "paths": ["../.."], "wait": True}
    (operation,) = (await live.ask.ask("POST", "/api/sync/trigger", body=body))["operations"]
    assert (operation["scope"], operation["files_scanned"]) == ("", 13)


async def test_all_or_one_are_paused_and_go_on(live: Live) -> None:
    assert await live.ask.post("/api/sync/pause") == {"repositories": ["photos"]}
    assert await live.ask.post("/api/sync/pause", repository="photos") == {"repositories": []}
    assert (await live.ask.get("/api/repositories/photos"))["state"] == "paused"
    live.tree.write("meanwhile")
    assert await live.ask.post("/api/sync/resume", repository="photos") == {"repositories": ["photos"]}
    await live.tree.until_present("meanwhile")
    assert (await live.ask.refused("POST", "/api/sync/pause", body={"repository": "films"}))[0] == 404


# records


async def test_files_are_listed_in_order_page_by_page(live: Live) -> None:
    expected = sorted([*(f"2024/{n % 3}/{n:02}.jpg" for n in range(12)), "notes.txt"])
    for limit in (1, 5, 13, 1000):
        found = await live.ask.all("/api/files", limit=limit)
        assert [one["path"] for one in found] == expected
    whole = await live.ask.get("/api/files", limit=13)
    assert whole["next"] is None
    assert whole["items"][-1]["hash"] == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"prefix": "2024/1/"}, 4),
        ({"glob": "0?.jpg"}, 10),
        ({"glob": ["2024/0/*", "notes.*"]}, 5),
        ({"glob": "2024/**", "prefix": "2024/2"}, 4),
        ({"glob": "2024/**", "prefix": "note"}, 0),
        ({"text": "OTES"}, 1),
        ({"text": "4/1/"}, 4),
        ({"text": "ö"}, 0),
        ({"text": "/0/", "glob": "*.jpg", "prefix": "20"}, 4),
        ({"text": "jpg", "sort": "size"}, 12),
        ({"glob": "0?.*", "sort": "modified"}, 10),
        ({"sort": "size", "duplicates": True, "prefix": "2024/0"}, 4),
        ({"sort": "modified", "state": "all"}, 13),
        ({"text": "jpg", "at": "0s"}, 12),
        ({"duplicates": True}, 12),
        ({"duplicates": True, "prefix": "2024/0"}, 4),
        ({"state": "deleted"}, 0),
        ({"state": "all"}, 13),
        ({"at": "2000-01-01"}, 0),
        ({"at": "0s"}, 13),
    ],
)
async def test_files_are_chosen(live: Live, query: dict[str, Any], count: int) -> None:
    for limit in (3, 100):
        assert len(await live.ask.all("/api/files", **query, limit=limit)) == count


async def test_files_by_size_and_by_time_page_by_page(live: Live) -> None:
    live.tree.write("large", "x" * 50)
    live.tree.write("Größe", "x" * 20)
    os.utime(live.tree.root / "notes.txt", ns=(0, 2**61))
    await live.tree.until_equal()

    async def is_touched() -> bool:
        notes = await live.tree.record("notes.txt")
        return notes is not None and notes.stat.mtime_ns == 2**61

    await until(is_touched, "the other time")
    whole = await live.ask.all("/api/files", sort="size")
    assert [one["path"] for one in whole][:2] == ["large", "Größe"]
    for limit in (1, 4):
        assert await live.ask.all("/api/files", sort="size", limit=limit) == whole
        newest = await live.ask.all("/api/files", sort="modified", limit=limit)
        times = [one["mtime_ns"] for one in newest]
        assert times == sorted(times, reverse=True)
        found = await live.ask.all("/api/files", sort="size", text="GRÖẞE", limit=limit)
        assert [one["path"] for one in found] == ["Größe"]


async def test_an_order_is_that_of_one_listing_of_now(live: Live) -> None:
    next = (await live.ask.get("/api/files", sort="size", limit=2))["next"]
    for query in ({"sort": "modified", "after": next}, {"after": next}, {"sort": "size", "at": "0s"}):
        assert (await live.ask.refused("GET", "/api/files", query=query))[0] == 400
    by_path = (await live.ask.get("/api/files", limit=2))["next"]
    for query in ({"sort": "size", "after": by_path}, {"sort": "name"}, {"text": "x" * 1001}):
        assert (await live.ask.refused("GET", "/api/files", query=query))[0] == 400


async def test_contents_that_several_files_have(live: Live) -> None:
    live.tree.write("copy.txt", "two")
    live.tree.write("longer", "longer")
    live.tree.write("longer too", "longer")
    await live.tree.until_equal()
    for limit in (1, 2, 9):
        found = await live.ask.all("/api/duplicates", repository="photos", limit=limit)
        assert [(one["copies"], one["wasted"]) for one in found] == [(2, 9)] * 6 + [(2, 6), (2, 3)]
    assert (found[-1]["repository"], found[-1]["path"], found[-1]["size"]) == ("photos", "notes.txt", 3)
    copies = await live.ask.all(f"/api/duplicates/{found[-1]['hash']}", limit=1)
    assert [one["path"] for one in copies] == ["notes.txt", "copy.txt"]
    assert await live.ask.all("/api/duplicates/none") == []
    assert (await live.ask.refused("GET", "/api/duplicates", query={"repository": "x"}))[0] == 404


async def test_a_request_looks_at_so_many_records_however_few_match(live: Live) -> None:
    shelf = await Shelf.new(live.tree.ledger.store, "shelf")
    for start in range(0, 45_000, 5000):
        some = [
            NewFile(f"{n:06}", 1, 2, 3, 4, n + 10**6, 0o100644, "pending", None)
            for n in range(start, start + 5000)
        ]
        await shelf.store.add(
            shelf.lease, some, algorithm=None, read_at=None, operation_id=None, generation=0
        )
    pages = []
    after: dict[str, str] = {}
    while not pages or after:
        glob = "?[4][4][9][9][9]"  # nothing that the store could look for
        page = await live.ask.get("/api/files", repository="shelf", glob=glob, limit=10, **after)
        pages.append([one["path"] for one in page["items"]])
        after = {} if page["next"] is None else {"after": page["next"]}
    assert pages == [[], [], ["044999"]]


async def test_paging_neither_skips_nor_doubles_while_files_come_and_go(live: Live) -> None:
    stays = {f"2024/{n % 3}/{n:02}.jpg" for n in range(12)} - {"2024/1/04.jpg"}
    found: list[str] = []
    after: dict[str, str] = {}
    turn = 0
    while True:
        page = await live.ask.get("/api/files", limit=2, prefix="2024/", **after)
        found += [one["path"] for one in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
        turn += 1
        await live.tree.until_present(
            live.tree.write(f"2024/0/new{turn}").relative_to(live.tree.root).as_posix()
        )
        (live.tree.root / "2024/1/04.jpg").unlink(missing_ok=True)
    assert len(found) == len(set(found))
    assert stays <= set(found)
    assert found == sorted(found)


async def test_records_of_several_repositories_are_one_listing(live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.mkv").write_text(str(n))
    await live.ask.post("/api/repositories", root=str(folder))

    async def is_known() -> bool:
        return len(await live.ask.all("/api/files", repository="films", limit=2)) == 5

    await until(is_known, "the films recorded")
    found = await live.ask.all("/api/files", limit=3)
    assert len({(one["repository"], one["path"]) for one in found}) == len(found) == 18
    page = await live.ask.get("/api/files", limit=2, repository="films")
    query = {"repository": "photos", "after": page["next"]}
    assert (await live.ask.refused("GET", "/api/files", query=query))[0] == 400


async def test_one_record_with_all_that_is_known(live: Live) -> None:
    record = await live.tree.record("notes.txt")
    assert record is not None
    told = await live.ask.get(f"/api/files/{record.id}")
    assert (told["path"], told["stat"]["inode"]) == ("notes.txt", record.stat.inode)
    assert datetime.fromisoformat(told["read_at"]) == record.read_at
    for id in ("999999", "9" * 18, str(2**63 - 1), "9" * 40):
        assert (await live.ask.refused("GET", f"/api/files/{id}"))[0] == 404


async def test_why_a_file_is_as_it_is(live: Live) -> None:
    told = await live.ask.get("/api/explain", repository="photos", path="notes.txt")
    assert (told["path"], told["exists"], told["watched"], told["differing"]) == ("notes.txt", True, True, [])
    assert told["record"]["hash"] == hashlib.sha256(b"two").hexdigest()
    kinds = [one["kind"] for one in told["changes"]]
    assert kinds.count("added") == 1
    assert set(kinds) <= {"added", "hashed"}  # where it was read later
    hidden = await live.ask.get("/api/explain", repository="photos", path=".hidden")
    assert (hidden["record"], hidden["rule"]["ignored"]) == (None, True)
    assert (await live.ask.get("/api/explain", repository="photos", path="2024/"))["is_directory"]
    assert (await live.ask.get("/api/explain", repository="photos", path="x" * 5000))["record"] is None
    for query in ({"repository": "films", "path": "a"}, {"repository": "photos"}):
        assert (await live.ask.refused("GET", "/api/explain", query=query))[0] in (400, 404)


async def test_rules_and_what_they_decide(live: Live) -> None:
    rules = await live.ask.all("/api/ignore/rules", repository="photos", limit=2)
    assert rules == (await live.ask.get("/api/ignore/rules", repository="photos", limit=1000))["items"]
    assert {"*~", ".DS_Store"} <= {one["rule"] for one in rules}
    checked = await live.ask.get("/api/ignore/check", repository="photos", path=[".hidden", "a.txt", ".d/"])
    assert [(one["path"], one["ignored"]) for one in checked] == [
        (".hidden", True),
        ("a.txt", False),
        (".d", True),
    ]
    assert (await live.ask.refused("GET", "/api/ignore/check", query={"repository": "photos"}))[0] == 400


# what waits for a person


async def hold(live: Live) -> int:
    """All of 40 pictures and more are gone; the id of the held deletion."""
    for n in range(40):
        live.tree.write(f"2025/{n:02}.jpg", str(n))
    await live.tree.until_equal()
    shutil.rmtree(live.tree.root / "2025")
    shutil.rmtree(live.tree.root / "2024")

    async def is_held() -> bool:
        holds = (await live.ask.get("/api/deletions"))["items"]
        return bool(holds) and len(await live.ask.all(f"/api/deletions/{holds[0]['id']}/files")) == 52

    await until(is_held, "the deletion held, with all of its files")
    (held,) = await live.ask.all("/api/deletions")
    return int(held["id"])


async def test_a_held_deletion_is_shown_and_approved(live: Live) -> None:
    id = await hold(live)
    held = await live.ask.get(f"/api/deletions/{id}")
    assert (held["repository"], held["status"], held["decided_by"]) == ("photos", "open", None)
    gone = await live.ask.all(f"/api/deletions/{id}/files", limit=7)
    assert len({one["id"] for one in gone}) == len(gone) == 52
    decided = await live.ask.post(f"/api/deletions/{id}/approve")
    assert (decided["status"], decided["decided_by"]) == ("approved", WHO)
    await live.tree.until_state("2024/0/00.jpg", RecordState.DELETED)
    assert await live.ask.all("/api/deletions") == []
    assert [one["id"] for one in await live.ask.all("/api/deletions", all=True, limit=1)] == [id]
    assert len(await live.ask.all("/api/files", state="deleted", limit=10)) == 52


async def test_a_held_deletion_is_told_by_folders(live: Live) -> None:
    live.tree.write("copy.jpg", "7")
    id = await hold(live)
    path = f"/api/deletions/{id}/folders"
    told = await live.ask.get(path)
    assert (told["files"], told["elsewhere"], len(told["sample"]), told["more_folders"]) == (52, None, 3, 0)
    assert told["first_seen"] <= told["last_seen"]
    assert [(one["name"], one["files"], one["whole"]) for one in told["folders"]] == [
        ("2025", 40, True),
        ("2024", 12, True),
    ]
    counted = await live.ask.get(path, copies=True, limit=1)
    assert (counted["more_folders"], [one["elsewhere"] for one in counted["folders"]]) == (1, [1])
    assert counted["bytes"] == told["bytes"]
    assert (await live.ask.refused("GET", path, query={"limit": 0}))[0] == 400


async def test_a_held_deletion_is_rejected(live: Live) -> None:
    id = await hold(live)
    assert (await live.ask.post(f"/api/deletions/{id}/reject"))["status"] == "rejected"
    assert await live.tree.state("2024/0/00.jpg") is RecordState.MISSING
    for path in (
        f"/api/deletions/{id + 1}",
        f"/api/deletions/{id + 1}/files",
        f"/api/deletions/{id + 1}/folders",
    ):
        assert (await live.ask.refused("GET", path))[0] == 404
    assert (await live.ask.refused("POST", f"/api/deletions/{id + 1}/approve"))[0] == 404


async def test_problems_are_listed_and_notes_when_asked_for(live: Live) -> None:
    problems = [Problem(f"p{n}", ProblemCode.IO_ERROR, "bad block") for n in range(5)]
    note = Problem("p3", ProblemCode.NAMES_COLLIDE, "like P3")
    await live.tree.ledger.store.report_problems(live.tree.repository.id, [*problems, note])
    found = await live.ask.all("/api/problems", limit=2)
    assert [one["path"] for one in found] == ["p0", "p1", "p2", "p3", "p4"]
    assert found[0]["repository"] == "photos"
    found = await live.ask.all("/api/problems", notes=True, limit=2, repository="photos")
    assert [(one["path"], one["is_note"]) for one in found if one["path"] == "p3"] == [
        ("p3", False),
        ("p3", True),
    ]
    assert len(found) == 6


async def test_operations_newest_first(live: Live) -> None:
    for _ in range(4):
        await live.ask.post("/api/sync/trigger", wait=True)
    found = await live.ask.all("/api/operations", limit=2)
    assert [one["id"] for one in found] == sorted({one["id"] for one in found}, reverse=True)
    assert [one["type"] for one in found[:4]] == ["manual"] * 4
    assert found[-1]["type"] == "startup"
    assert await live.ask.all("/api/operations", repository="photos") == found
    assert (await live.ask.refused("GET", "/api/operations/999999"))[0] == 404


# the queue


async def plan(tree: Tree, *keys: str) -> list[int]:
    store = tree.ledger.store
    after = await store.action_cursor("hook")
    jobs = [NewJob(key, {"of": key}) for key in keys]
    assert await store.plan_jobs("hook", Cursor("e", 1 if after is None else after.n + 1), jobs, after=after)
    return [job.id for job in await store.jobs(action="hook", limit=1000)]


async def bury(tree: Tree, count: int) -> None:
    store = tree.ledger.store
    for job in await store.claim_jobs("hook", "me", limit=count, seconds=600):
        await store.fail_job(job, "no answer", retry_in=None)


async def test_the_queue_is_looked_into(live: Live) -> None:
    ids = await plan(live.tree, *"abcde")
    await bury(live.tree, 2)
    found = await live.ask.all("/api/queue", limit=2)
    assert [one["id"] for one in found] == ids
    dead = await live.ask.all("/api/queue", state="dead", action="hook", limit=1)
    assert [one["last_error"] for one in dead] == ["no answer"] * 2
    assert await live.ask.all("/api/queue", action="other") == []
    assert (await live.ask.get(f"/api/queue/{ids[4]}"))["payload"] == {"of": "e"}
    assert (await live.ask.refused("GET", f"/api/queue/{ids[4] + 1}"))[0] == 404
    assert (await live.ask.refused("GET", "/api/queue", query={"state": "tired"}))[0] == 400


async def test_the_queue_is_worked_on(live: Live) -> None:
    ids = await plan(live.tree, *"abcde")
    await bury(live.tree, 3)
    assert await live.ask.post("/api/queue/retry", ids=[ids[0], ids[4]]) == {"asked": 2, "done": 1}
    assert await live.ask.post("/api/queue/retry") == {"asked": 2, "done": 2}
    assert await live.ask.post("/api/queue/priority", ids=[ids[4], 10**9], priority=7) == {
        "asked": 2,
        "done": 1,
    }
    assert (await live.ask.get(f"/api/queue/{ids[4]}"))["priority"] == 7
    assert await live.ask.post("/api/queue/clear") == {"asked": 0, "done": 0}
    assert await live.ask.post("/api/queue/clear", ids=ids[:2]) == {"asked": 2, "done": 2}
    assert len(await live.ask.all("/api/queue", state=JobState.WAITING.value)) == 3
    for body in ({"ids": [-1]}, {"ids": ["a"]}, {"ids": [0] * 1001}, {"all": True}):
        assert (await live.ask.refused("POST", "/api/queue/clear", body=body))[0] == 400
    for body in ({"priority": 1}, {"ids": [1], "priority": 10**7}):
        assert (await live.ask.refused("POST", "/api/queue/priority", body=body))[0] == 400


# how it is set up


async def test_plugins_and_where_they_are_from(live: Live) -> None:
    found = {one["name"]: one for one in await live.ask.all("/api/plugins", limit=2)}
    assert {"sqlite", "watchdog", "gitignore"} <= found.keys()
    assert found["sqlite"].items() >= {"enabled": True, "error": None}.items()
    assert "stores" in found["sqlite"]["hooks"]


async def test_the_configuration_with_origins_and_without_secrets(tmp_path: Path) -> None:
    config = tmp_path / "plugins.toml"
    config.write_text(
        '[api]\n[plugins.webhook]\nenabled = false\nurl = "https://x/?token=hush"\nsecret = "hush"\n'
    )
    config.chmod(0o600)
    url = f"sqlite:{tmp_path / 'state' / 'ledger.db'}"
    async with (
        tree_on(tmp_path / "photos", url, config=config) as tree,
        tree.watched() as engine,
        asking(tree, engine) as live,
    ):
        rows = await live.ask.all("/api/config", limit=10)
        assert "hush" not in json.dumps(rows)
        found = {(row["table"], row["key"]): row for row in rows}
        assert len(found) == len(rows)
        assert found["store", "url"]["origin"] == "--store"
        assert found["plugins.webhook", "enabled"]["origin"] == str(config)
        own = await live.ask.all("/api/config", repository="photos")
        assert {row["table"].partition(".")[0] for row in own} == {"repositories"}


async def test_the_configuration_is_read_again_where_that_is_possible(live: Live) -> None:
    code, message = await live.ask.refused("POST", "/api/config/reload")
    assert (code, "start it again" in message) == (409, True)
    calls: list[str] = []

    async def reload() -> None:
        calls.append("read")
        if len(calls) > 1:
            raise ConfigurationError("plugins.toml: no")

    async with asking(live.tree, live.service.engine, reload=reload) as other:
        assert await other.ask.post("/api/config/reload") is None
        assert await other.ask.refused("POST", "/api/config/reload") == (400, "plugins.toml: no")
    assert calls == ["read", "read"]


# what holds for all


LISTINGS = [
    route.path for route in ROUTES if "after" in route.query.__struct_fields__ and "{" not in route.path
]


@pytest.mark.parametrize("path", LISTINGS)
async def test_a_cursor_that_is_none_is_refused(live: Live, path: str) -> None:
    query = {"repository": "photos"} if path == "/api/ignore/rules" else {}
    for after in (
        "",
        "x",
        "/////",
        "é",
        cursor([None]),
        cursor({"a": 1}),
        cursor(-1),
        cursor(["\0", "\0", "\0"]),
    ):
        code, message = await live.ask.refused("GET", path, query={**query, "after": after})
        assert (code, "leave it out to begin" in message) == (400, True)
    for limit in ("0", "1001", "x", "-1"):
        assert (await live.ask.refused("GET", path, query={**query, "limit": limit}))[0] == 400
    assert (await live.ask.refused("GET", path, query={**query, "unknown": "1"}))[0] == 400


async def test_everything_that_changes_something_takes_the_admin_s_right() -> None:
    assert {route.method for route in ROUTES if route.right == "read"} == {"GET"}
    assert {route.right for route in ROUTES if route.method != "GET"} == {"admin"}
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


async def test_a_store_that_is_away_is_told_as_such(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*arguments: Any, **options: Any) -> Any:
        raise StoreUnavailable("the ledger is away: postgresql://u:hush@host/db")

    monkeypatch.setattr(live.tree.ledger.store, "jobs", away)
    code, message = await live.ask.refused("GET", "/api/queue")
    assert (code, "hush" in message) == (503, False)


async def test_many_ask_at_once(live: Live) -> None:
    async def ask() -> None:
        await live.ask.all("/api/files", limit=4)
        await live.ask.get("/api/repositories")

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(ask)


async def test_the_engine_at_a_glance(live: Live) -> None:
    await plan(live.tree, "a", "b", "c")
    await bury(live.tree, 1)
    told = await live.ask.get("/api/status")
    assert (told["version"], told["command"], told["waiting"]) == (__version__, "test", 0)
    assert told["repositories"] == {"watching": 1}
    assert told["queue"] == {"hook": {"waiting": 2, "dead": 1}}
    assert told["store"].startswith("sqlite:")


async def test_what_waits_and_what_is_due(live: Live) -> None:
    await live.ask.all("/api/attention", limit=1)
    await live.ask.all("/api/schedules", limit=1, repository="photos")
