"""The commands for the one who runs it: config, init, plugins, migrate, store, import, jobs, doctor."""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest
from command_line import CommandLine

from treeledger.config.reading import ValueType
from treeledger.config.settings import (
    ApiSettings,
    AttentionSettings,
    LogSettings,
    RepositoryIdentity,
    RepositorySettings,
    StoreSettings,
)
from treeledger.config.template import TEMPLATE
from treeledger.ledger import Ledger
from treeledger.model import NewJob


def sql(treeledger: CommandLine, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(treeledger.ledger)) as connection, connection:
        connection.execute(statement, values)


# --- init, config --------------------------------------------------------------------------------


def test_what_init_writes_is_right_and_found(treeledger: CommandLine) -> None:
    written = Path(treeledger("init", "--json").json[0]["file"])
    assert written == treeledger.home / "config/treeledger/plugins.toml"
    assert written.stat().st_mode & 0o777 == 0o600
    told = treeledger("config", "check").text
    assert re.fullmatch(r"plugins.toml is right: 0 repositories, \d+ plugins\n", told)
    assert treeledger("config", "show").lines[0] == f"# {written}"


def test_init_overwrites_nothing_unless_told_to(treeledger: CommandLine) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_text("# mine\n")
    assert "was not touched" in treeledger("init", ".", code=2).err
    assert file.read_text() == "# mine\n"
    treeledger("init", "--force", str(file))
    assert file.read_text() == TEMPLATE


def test_every_line_of_the_template_may_be_taken_into_use(treeledger: CommandLine) -> None:
    text = re.sub(r"(?m)^#(?=[a-z\[])", "", TEMPLATE)
    text = text.replace('"env:NTFY_URL"', '"https://ntfy.example/x"')
    file = treeledger.home / "all.toml"
    notes = treeledger.home / "my_plugins/notes.py"
    notes.parent.mkdir()
    notes.write_text("")
    file.write_text(text.replace('plugin_dirs = ["my_plugins"]', ""))
    assert treeledger("config", "check", str(file)).text.startswith("all.toml is right: 1 repository, ")


def _keys(kind: type[msgspec.Struct]) -> set[str]:
    found = set()
    for field in msgspec.structs.fields(kind):
        wanted = ValueType.of(field.type)
        found |= _keys(wanted.plain) if wanted.is_table else {field.encode_name}
    return found


def test_the_template_names_every_setting() -> None:
    kinds: list[type[msgspec.Struct]] = [
        RepositorySettings,
        StoreSettings,
        RepositoryIdentity,
        ApiSettings,
        AttentionSettings,
        LogSettings,
    ]
    keys = {"host", "plugin_dirs"}.union(*map(_keys, kinds))
    unusual = {"walker"}  # another walker comes with a plugin that says so
    assert {key for key in keys if not re.search(rf"\b{key} =", TEMPLATE)} == unusual


def test_config_check_names_the_mistake(treeledger: CommandLine) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_text("[defaults]\nprofil = 'small'\n")
    printed = treeledger("config", "check", str(file), code=2)
    assert "has no key 'profil'; did you mean 'profile'?" in printed.err
    file.write_text("[defaults.reconciliation]\nhashers = ['sha265']\n")
    assert "did you mean 'sha256'?" in treeledger("config", "check", str(file), code=2).err
    assert "there is no file" in treeledger("config", "check", "nope", code=2).err


def test_config_show_says_where_each_value_comes_from(
    photos: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREELEDGER_FILE_WATCHER_DEBOUNCE", "2s")
    photos("ignore", "add", "*.raw", "--repo", "photos")
    rows = {(row["table"], row["key"]): row for row in photos("config", "--json").json}
    assert rows["defaults.file_watcher", "debounce"]["origin"] == "TREELEDGER_FILE_WATCHER_DEBOUNCE"
    assert rows["store", "url"]["origin"] == "TREELEDGER_STORE"
    own = {row["key"]: row["value"] for row in photos("config", "show", "--repo", "photos", "--json").json}
    assert own["patterns"] == '["*.raw"]'
    tables = [line for line in photos("config", "show").lines if line.startswith("[")]
    assert len(tables) == len(set(tables))


def test_a_file_of_the_working_folder_is_read_once_trusted_until_it_changes(treeledger: CommandLine) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_text('host = "nas"\n')
    assert "is not read" in treeledger("config", "check").err
    treeledger("config", "trust")
    rows = {row["key"]: row["value"] for row in treeledger("config", "show", "--json").json}
    assert rows["host"] == '"nas"'
    file.write_text('host = "other"\n')
    assert "is not read" in treeledger("config", "check").err


# --- plugins -------------------------------------------------------------------------------------


def test_plugins_list_tells_what_each_gives_and_what_is_broken(treeledger: CommandLine) -> None:
    (treeledger.home / "mine").mkdir()
    (treeledger.home / "mine/broken.py").write_text("import no_such_module\n")
    file = treeledger.home / "plugins.toml"
    file.write_text('plugin_dirs = ["mine"]\n[plugins.blake3]\nenabled = false\n')
    listed = treeledger("--config", str(file), "plugins", "--json").json
    plugins = {one["name"]: one for one in listed}
    assert plugins["sha256"]["hooks"] == ["hashers"]
    assert plugins["blake3"]["enabled"] is False
    assert "no_such_module" in plugins["broken"]["error"]
    assert "failed" in treeledger("--config", str(file), "plugins").text


def test_plugins_are_switched_off_and_on_in_the_file(treeledger: CommandLine) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_text("# mine\n")
    at = ("--config", str(file), "plugins")
    said = treeledger(*at, "disable", "blake3").text
    assert said == f"blake3: off from the engine's next start, by {file}\n"
    [told] = treeledger(*at, "enable", "blake3", "--json").json
    assert (told["name"], told["enabled"], told["enabled_next"]) == ("blake3", False, True)
    assert file.read_text().startswith("# mine\n")
    assert "holds this ledger" in treeledger(*at, "disable", "sqlite", code=2).err
    assert "did you mean 'blake3'?" in treeledger(*at, "disable", "blake", code=2).err
    assert "treeledger init" in treeledger("plugins", "disable", "blake3", code=2).err
    file.write_text("[plugins.phone]\nuse = 'webhook'\nurl = 'http://127.0.0.1:9/'\n")
    assert "an instance of webhook" in treeledger(*at, "disable", "phone", code=2).err
    file.chmod(0o400)
    printed = treeledger(*at, "disable", "blake3", code=1)
    assert "paste this into it" in printed.err
    assert printed.text == "[plugins.blake3]\nenabled = false\n"


def test_of_two_broken_plugins_each_can_be_switched_off(treeledger: CommandLine) -> None:
    for name in ("one", "two"):
        (treeledger.home / f"{name}.py").write_text("import no_such_module\n")
    file = treeledger.home / "plugins.toml"
    file.write_text("[plugins.one]\nfile = 'one.py'\n[plugins.two]\nfile = 'two.py'\n")
    at = ("--config", str(file), "plugins")
    assert "does not start yet: plugin 'two'" in treeledger(*at, "disable", "one").err
    assert treeledger(*at, "disable", "two").err == ""
    assert "cannot be switched on: plugin 'two'" in treeledger(*at, "enable", "two", code=2).err
    treeledger("--config", str(file), "config", "check")


# --- migrate, store ------------------------------------------------------------------------------


def test_migrate_works_on_a_ledger_that_is_not_there_yet(treeledger: CommandLine) -> None:
    assert {one["state"] for one in treeledger("migrate", "--json").json} == {"missing"}
    assert not treeledger.ledger.exists()
    assert {one["state"] for one in treeledger("migrate", "up", "--json").json} == {"applied"}
    assert "is up to date" in treeledger("migrate", "up").err


def test_a_ledger_of_a_newer_program_is_told_and_left_alone(photos: CommandLine) -> None:
    sql(photos, "INSERT INTO schema_migrations VALUES (9999, 'later', 0)")
    assert photos("migrate", "status", "--json").json[-1]["state"] == "of a newer treeledger"
    for command in (("migrate", "up"), ("files",), ("store", "check")):
        assert "newer treeledger" in photos(*command, code=4).err
    assert "newer treeledger" in photos("doctor", code=1).text


def test_store_check_reads_every_record_and_finds_what_does_not_agree(photos: CommandLine) -> None:
    (facts,) = photos("store", "--json").json
    assert (facts["files"], facts["faults"]) == (3, [])
    sql(photos, "UPDATE repositories SET files = 4")
    printed = photos("store", "check", "--quiet", code=1)
    assert printed.text == "photos: files is 4, but its records come to 3\n"


def test_a_backup_is_a_ledger_of_its_own(photos: CommandLine) -> None:
    photos("store", "backup", "copy.db")
    copy = f"sqlite:{photos.home / 'copy.db'}"
    before, after = photos("files", "--json").json, photos("--store", copy, "files", "--json").json
    assert before == after
    cursor = photos("changes", "-n", "1", "--json").json[0]["cursor"]
    assert "start afresh" in photos("--store", copy, "changes", "--since", cursor, code=1).err
    assert "exists already" in photos("store", "backup", "copy.db", code=2).err
    assert "there is no folder" in photos("store", "backup", "none/copy.db", code=2).err


def test_a_copy_takes_the_place_of_the_ledger(photos: CommandLine, postgres_url: str) -> None:
    source, back = f"sqlite:{photos.ledger}", f"sqlite:{photos.home / 'back.db'}"
    before = photos("files", "--json").json
    (said,) = photos("store", "copy", source, postgres_url, "--json").json
    assert (said["from"], said["tables"]["file_records"], said["copied"]) == (source, 3, said["rows"])
    printed = photos("store", "copy", postgres_url, back)
    assert f"both are equal: {said['digest']}" in printed.text
    assert f"from now on use --store {back}" in printed.err
    assert photos("store", "copy", postgres_url, back, "-q").text == ""
    for store in (postgres_url, back):
        assert photos("--store", store, "files", "--json").json == before
        (counts,) = photos("--store", store, "scan", str(photos.folder)).lines
        assert "added=0 updated=0 moved=0 removed=0 hashed=0" in counts


def test_a_copy_that_cannot_be_made_says_what_to_do(photos: CommandLine, tmp_path: Path) -> None:
    source, half = f"sqlite:{photos.ledger}", f"sqlite:{tmp_path / 'half.db'}"
    said = photos("store", "copy", f"sqlite:{tmp_path / 'none.db'}", half, code=2).err
    assert "there is no ledger at" in said
    assert "are the same ledger" in photos("store", "copy", source, source, code=2).err
    assert "a store is sqlite:PATH or postgresql://" in photos("store", "copy", source, "half.db", code=2).err
    photos("--store", half, "repo", "add", str(tmp_path))
    said = photos("store", "copy", source, half, code=2).err
    assert "no copy of this ledger as it is now" in said
    assert "Name a file that does not exist, or an empty database" in said


def test_half_a_copy_is_told_and_left_alone(photos: CommandLine) -> None:
    sql(photos, "INSERT INTO schema_migrations VALUES (0, 'epoch', 0)")
    assert photos("migrate", "status", "--json").json[0]["state"] == "half a copy"
    for command in (("migrate", "up"), ("files",), ("scan",)):
        assert "Copy it to its end with `treeledger store copy FROM TO`" in photos(*command, code=4).err
    assert "half a copy" in photos("doctor", code=1).text


# --- import --------------------------------------------------------------------------------------


def _forget_hashes(treeledger: CommandLine, paths: str) -> None:
    sql(
        treeledger,
        "UPDATE file_records SET hash_state = 'pending', content_hash = NULL, hash_algorithm = NULL"
        " WHERE file_path GLOB ?",
        paths,
    )


def _counts(text: str) -> dict[str, int]:
    return {name: int(count) for name, count in (word.split("=") for word in text.split())}


def test_import_seeds_what_was_not_read_yet_and_has_it_verified(photos: CommandLine) -> None:
    names = ["./2024/a.jpg", "2024/05/b.jpg", "notes.txt"]
    listed = subprocess.run(["sha256sum", *names], cwd=photos.folder, capture_output=True, check=True).stdout
    file = photos.home / "sums"
    file.write_bytes(listed + b"0" * 64 + b"  gone.jpg\n" + b"no sum\n")
    _forget_hashes(photos, "2024/*")
    printed = photos("import", "sha256sum", "sums")
    assert _counts(printed.text) == {"seeded": 2, "known": 1, "differing": 0, "unknown": 1}
    assert "1 line is no sum, and passed over" in printed.err
    record = photos("files", "2024/a.jpg", "--json").json[0]
    assert (record["hash"], record["hash_state"]) == (sha256(b"one").hexdigest(), "verify")
    assert [entry["kind"] for entry in photos("changes", "-n", "2", "--json").json] == ["hashed", "hashed"]
    assert _counts(photos("import", "sha256sum", "sums").text)["known"] == 3


def test_import_overwrites_no_hash(photos: CommandLine) -> None:
    (photos.home / "sums").write_text(f"SHA256 (notes.txt) = {'0' * 64}\n")
    before = photos("files", "--json").json
    printed = photos("import", "sha256sum", "sums")
    assert _counts(printed.text) == {"seeded": 0, "known": 0, "differing": 1, "unknown": 0}
    assert "differs: photos: notes.txt is" in printed.err
    assert photos("files", "--json").json == before


def test_import_finds_the_repository_by_the_paths(
    photos: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = photos.home / "other"
    other.mkdir()
    (other / "c.jpg").write_text("three")
    photos("scan", str(other))
    _forget_hashes(photos, "*")
    paths = [photos.folder / "notes.txt", other / "c.jpg", Path("/elsewhere/d.jpg")]
    texts = (b"two", b"three", b"x")
    sums = "".join(f"{sha256(text).hexdigest()}  {path}\n" for text, path in zip(texts, paths, strict=True))

    def feed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    feed(sums)
    assert photos("import", "sha256sum", "-", "--json").json[0].items() >= {"seeded": 2, "unknown": 1}.items()
    relative = f"{sha256(b'one').hexdigest()}  a.jpg\n"
    feed(relative)
    assert "--repo" in photos("import", "sha256sum", "-", code=2).err
    feed(relative)
    base = str(photos.folder / "2024")
    assert _counts(photos("import", "sha256sum", "-", "--base", base).text)["seeded"] == 1
    feed(relative)
    assert _counts(photos("import", "sha256sum", "-", "--repo", "photos").text)["unknown"] == 1


def test_import_leaves_a_repository_as_clean_as_it_was(photos: CommandLine) -> None:
    (photos.home / "sums").write_text(f"{'0' * 64}  notes.txt\n")
    photos("import", "sha256sum", "sums")
    with closing(sqlite3.connect(photos.ledger)) as connection:
        assert connection.execute("SELECT clean, owner FROM repositories").fetchall() == [(1, None)]


def test_import_refuses_what_it_cannot_stand_for(photos: CommandLine) -> None:
    (photos.home / "sums").write_text(f"{'0' * 64}  notes.txt\n")
    file = photos.home / "plugins.toml"
    file.write_text('[defaults.reconciliation]\nhashers = ["blake3"]\n')
    printed = photos("--config", str(file), "import", "sha256sum", "sums", code=2)
    assert "photos knows content by blake3" in printed.err
    assert "cannot be read" in photos("import", "sha256sum", "nope", code=2).err


# --- jobs ----------------------------------------------------------------------------------------


def in_ledger(treeledger: CommandLine, body: Callable[[Ledger], Any]) -> None:
    async def run() -> None:
        async with Ledger.open(store=f"sqlite:{treeledger.ledger}") as ledger:
            await body(ledger)

    anyio.run(run)


@pytest.fixture
def busy(photos: CommandLine) -> CommandLine:
    """A ledger with one dead job, `a`, and one that waits, `b`."""

    async def plan(ledger: Ledger) -> None:
        store = ledger.store
        jobs = [NewJob("a", {"path": "x"}, priority=1), NewJob("b", {})]
        await store.plan_jobs("phone", await store.head(), jobs, after=None)
        (job,) = await store.claim_jobs("phone", "me", limit=1, seconds=60)
        await store.fail_job(job, "no answer\nat all", retry_in=None)

    in_ledger(photos, plan)
    return photos


def test_jobs_are_listed_the_dead_first(busy: CommandLine) -> None:
    dead, waiting = busy("jobs", "--json").json
    assert (dead["key"], dead["state"], dead["last_error"]) == ("a", "dead", "no answer\nat all")
    assert (waiting["key"], waiting["state"]) == ("b", "waiting")
    assert "no answer" in busy("jobs", "list").text
    assert busy("jobs", "list", "--action", "other").out == b""
    assert '{"path": "x"}' in busy("jobs", "show", str(dead["id"])).text
    assert "there is no job 77" in busy("jobs", "show", "77", code=2).err


def test_dead_jobs_are_tried_again_or_dropped(busy: CommandLine) -> None:
    assert busy("jobs", "retry", "--json").json == [{"asked": 1, "done": 1}]
    assert {job["state"] for job in busy("jobs", "--json").json} == {"waiting"}
    assert "no dead jobs" in busy("jobs", "retry").err
    waiting = [str(job["id"]) for job in busy("jobs", "--json").json]
    assert busy("jobs", "clear", *waiting).text == "2 dropped\n"
    assert busy("jobs", "clear", waiting[0], code=1).text.startswith("0 dropped")


# --- doctor --------------------------------------------------------------------------------------


def test_doctor_finds_a_healthy_ledger_well(photos: CommandLine) -> None:
    checks = {check["name"]: check for check in photos("doctor", "--json").json}
    assert {name for name, check in checks.items() if check["state"] == "fail"} == set()
    assert {"configuration", "plugins", "store", "schema", "clock", "open files", "socket"} <= checks.keys()
    assert "3 files" in checks["repository photos"]["message"]
    assert "about 3 needed" in checks["inotify watches"]["message"]


def test_doctor_fails_with_advice_for_what_is_broken(photos: CommandLine) -> None:
    photos.folder.rename(photos.home / "elsewhere")
    lines = photos("doctor", "--quiet", code=1).lines
    assert any(line.startswith("fail  repository photos: ") for line in lines)
    assert not any(line.startswith("ok") for line in lines)
    photos.folder.mkdir()
    assert "is empty, 3 files are on record" in photos("doctor", code=1).text


def test_doctor_looks_on_where_nothing_can_be_opened(treeledger: CommandLine) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_text("[oops\n")
    assert "fail  configuration" in treeledger("--config", str(file), "doctor", code=1).text
    file.write_text('[plugins.mine]\nfile = "mine.py"\n')
    (treeledger.home / "mine.py").write_text("raise OSError('no')\n")
    assert "fail  plugin: plugin 'mine'" in treeledger("--config", str(file), "doctor", code=1).text
    assert "fail  store" in treeledger("--store", "sqlite:/", "doctor", code=1).text


def test_doctor_makes_no_ledger(treeledger: CommandLine) -> None:
    assert "is new" in treeledger("doctor").text
    assert not treeledger.ledger.exists()


def test_no_command_but_those_of_the_engine_waits_for_its_lock(photos: CommandLine) -> None:
    shutil.copy(photos.folder / "notes.txt", photos.folder / "again.txt")
    (photos.home / "sums").write_text(f"{'0' * 64}  notes.txt\n")

    async def while_held(ledger: Ledger) -> None:
        owner = await ledger.store.lock_engine(ledger.host, "watch")
        try:
            await anyio.to_thread.run_sync(run_all)
        finally:
            await ledger.store.unlock_engine(owner)

    def run_all() -> None:
        for command in ("files", "changes", "operations", "problems", "ignore", "store", "doctor", "jobs"):
            photos(command)
        assert f"process {os.getpid()}" in photos("import", "sha256sum", "sums", code=1).err

    in_ledger(photos, while_held)
