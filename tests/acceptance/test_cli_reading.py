"""The commands that read the ledger: files, changes, operations, problems, explain, ignore."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest
from command_line import CommandLine
from executable import WITHIN

from treeledger.errors import StoreUnavailable
from treeledger.journal import Reader, Since
from treeledger.model import Cursor, JournalEntry
from treeledger.protocols import Store

ODD_NAMES = [b"new\nline", b"re\rturn", b"back\\slash", b"in\xffvalid", b"caf\xc3\xa9", b" space "]
READING = [
    ("files",),
    ("files", "--duplicates"),
    ("files", "--at", "1h"),
    ("operations",),
    ("changes",),
    ("problems",),
    ("jobs",),
    ("deletions",),
    ("ignore",),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_an_empty_ledger_is_said_to_be_empty_on_stderr_alone(
    treeledger: CommandLine, command: tuple[str, ...]
) -> None:
    printed = treeledger(*command)
    assert (printed.out, printed.err.startswith("no ")) == (b"", True)
    assert treeledger(*command, "--quiet").err == ""
    assert treeledger(*command, "--json") == (0, b"", "")


# --- files ---------------------------------------------------------------------------------------


def test_files_as_json_carry_what_scripts_need(photos: CommandLine) -> None:
    record = photos("files", "notes.txt", "--json").json[0]
    file = (photos.folder / "notes.txt").stat()
    wanted = {
        "id": record["id"],
        "repository": "photos",
        "path": "notes.txt",
        "size": 3,
        "mtime_ns": file.st_mtime_ns,
        "hash": sha256(b"two").hexdigest(),
        "hash_state": "done",
        "state": "present",
    }
    assert record.items() >= wanted.items()


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        ((), ["2024/05/b.jpg", "2024/a.jpg", "notes.txt"]),
        (("*.jpg",), ["2024/05/b.jpg", "2024/a.jpg"]),
        (("2024/*.jpg",), ["2024/a.jpg"]),
        (("2024/",), ["2024/05/b.jpg", "2024/a.jpg"]),
        (("2024/05/", "*.txt"), ["2024/05/b.jpg", "notes.txt"]),
        (("2025/",), []),
    ],
)
def test_files_are_chosen_by_patterns(photos: CommandLine, globs: tuple[str, ...], found: list[str]) -> None:
    assert [record["path"] for record in photos("files", *globs, "--json").json] == found


def test_an_absolute_path_on_disk_means_what_lies_there(photos: CommandLine) -> None:
    assert photos("files", f"{photos.folder}/2024/*", "-0").out == b"2024/a.jpg\0"


def test_sums_of_one_repository_are_checked_in_its_root(photos: CommandLine) -> None:
    for name in ODD_NAMES:
        photos.write(name, repr(name))
    photos("scan", "photos")
    listed = photos("files", "--format", "sha256sum").out
    assert listed.count(b"\n") == 3 + len(ODD_NAMES)
    check = ["sha256sum", "--check", "--strict", "--quiet"]
    subprocess.run(check, cwd=photos.folder, input=listed, check=True)


def test_sums_of_several_repositories_are_checked_anywhere(photos: CommandLine) -> None:
    other = photos.home / "other"
    other.mkdir()
    (other / "notes.txt").write_text("three")
    photos("scan", str(other))
    listed = photos("files", "--format", "sha256sum").out
    assert listed.count(b"\n") == 4
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet"], cwd="/", input=listed, check=True)
    names = [line.split("  ")[-1].strip() for line in photos("files", "notes.txt").lines]
    assert names == ["other: notes.txt", "photos: notes.txt"]


def test_paths_ended_by_nul_are_the_bytes_on_disk(photos: CommandLine) -> None:
    for name in ODD_NAMES:
        photos.write(b"odd/" + name)
    photos("scan", "photos")
    paths = photos("files", "odd/", "-0").out.split(b"\0")[:-1]
    assert sorted(paths) == sorted(b"odd/" + name for name in ODD_NAMES)


def test_csv_says_what_json_says(photos: CommandLine) -> None:
    photos.write('a,b "c"\nd.txt')
    photos("scan", "photos")
    rows = list(csv.DictReader(io.StringIO(photos("files", "--format", "csv").text)))
    records = photos("files", "--json").json
    assert rows == [{name: str(record[name]) for name in rows[0]} for record in records]


def test_text_shows_no_control_characters(photos: CommandLine) -> None:
    photos.write("evil\x1b[31m\n.txt")
    photos("scan", "photos")
    printed = photos("files", "evil*").out
    assert b"\x1b" not in printed
    assert printed.count(b"\n") == 1


def test_duplicates_stand_together(photos: CommandLine) -> None:
    photos.write("a.txt", "two")
    photos.write("unique.txt", "three")
    photos("scan", "photos")
    hashes = [record["hash"] for record in photos("files", "--duplicates", "--json").json]
    assert len(hashes) == 4
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]
    assert "4 files with 2 contents; 6 B more than once" in photos("files", "--duplicates").err


def test_files_can_be_listed_as_they_were(photos: CommandLine) -> None:
    then = photos("changes", "--json").json[-1]["at"]
    photos.write("notes.txt", "longer now")
    (photos.folder / "2024/a.jpg").unlink()
    photos("scan", "photos")
    now = {record["path"]: record["size"] for record in photos("files", "--json").json}
    before = {record["path"]: record["size"] for record in photos("files", "--at", then, "--json").json}
    assert now == {"2024/05/b.jpg": 3, "notes.txt": 10}
    assert before == {"2024/05/b.jpg": 3, "2024/a.jpg": 3, "notes.txt": 3}
    assert photos("files", "--state", "deleted", "-0").out == b"2024/a.jpg\0"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--at", "yesterdayish"), "--at: 'yesterdayish' is no time"),
        (("--json", "-0"), "exclude each other"),
        (("--format", "csv", "-0"), "exclude each other"),
        (("--duplicates", "--at", "1h"), "--duplicates"),
        (("--repo", "nope"), "there is no repository 'nope'"),
        (("--state", "gone"), "gone"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    photos: CommandLine, arguments: tuple[str, ...], says: str
) -> None:
    printed = photos("files", *arguments, code=2)
    assert (printed.out, says in printed.err) == (b"", True)


# --- operations, problems ------------------------------------------------------------------------


def test_operations_tell_what_ran_newest_first(photos: CommandLine) -> None:
    photos.write("more.txt")
    photos("scan", "photos")
    newest, first = photos("operations", "--json").json
    assert (first["files_added"], newest["files_added"], newest["files_unchanged"]) == (3, 1, 3)
    assert (newest["repository"], newest["type"], newest["status"]) == ("photos", "manual", "completed")
    assert photos("ops", "-n", "1", "--json").json == [newest]
    assert "+1" in photos("operations").lines[1]


def test_a_fifo_is_a_note_and_no_problem(photos: CommandLine) -> None:
    os.mkfifo(photos.folder / "pipe")
    photos("scan", "photos")
    assert photos("problems", "--json").json == []
    (note,) = photos("problems", "--notes", "--json").json
    assert (note["path"], note["code"], note["is_note"]) == ("pipe", "not_regular", True)
    assert note["first_seen"] <= note["last_seen"]


# --- changes -------------------------------------------------------------------------------------


def test_changes_are_read_on_from_a_number_a_cursor_or_a_time(photos: CommandLine) -> None:
    every = photos("changes", "--json").json
    assert [entry["n"] for entry in every] == [1, 2, 3]
    for since in ("1", every[0]["cursor"]):
        assert photos("changes", "--since", since, "--json").json == every[1:]
    for since in ("0", "1h", every[0]["at"]):
        assert photos("changes", "--since", since, "--json").json == every
    assert photos("changes", "--since", "0", "-n", "2", "--json").json == every[:2]
    assert photos("changes", "-n", "1", "--json").json == every[2:]
    assert photos("changes", "--since", "3").out == b""


@pytest.mark.parametrize("since", ["4", "otherepoch:1", "otherepoch:99"])
def test_a_cursor_of_no_use_says_start_afresh(photos: CommandLine, since: str) -> None:
    head = photos("changes", "-n", "1", "--json").json[0]["cursor"]
    printed = photos("changes", "--since", since, code=1)
    assert printed.err.startswith("treeledger: start afresh: ")
    assert f"--since {head}" in printed.err


def test_a_cursor_that_is_none_is_refused(photos: CommandLine) -> None:
    assert "is neither" in photos("changes", "--since", "soon", code=2).err


def test_following_ends_in_order_at_an_interrupt(photos: CommandLine) -> None:
    command = [sys.executable, "-m", "treeledger", "changes", "--follow", "-n", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert '"n": 3,' in follower.stdout.readline()
        photos.write("new.txt")
        photos("scan", "photos")
        assert '"path": "new.txt"' in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        assert follower.communicate(timeout=WITHIN) == ("", "")
    assert follower.returncode == 0


class _Journal:
    """A journal that is away now and then; of entries only the number matters."""

    def __init__(self) -> None:
        self.head_n = 3
        self.waits = 0
        self.failures = 0

    async def head(self) -> Cursor:
        return Cursor("e", self.head_n)

    async def wait(self, after: int, seconds: float) -> None:
        self.waits += 1
        if self.waits % 2:
            raise StoreUnavailable("away")
        self.head_n += 2
        self.failures = 2

    async def changes(self, after: int, *, limit: int, **_: object) -> Sequence[JournalEntry]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        numbers = range(after + 1, self.head_n + 1)[:limit]
        return [JournalEntry(n, *[None] * 12) for n in numbers]  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_following_outlasts_a_store_that_is_away() -> None:
    journal = _Journal()
    reader = Reader(cast(Store, journal), Cursor("e", 3), None, patience=None)
    seen: list[int] = []
    async for entries in reader.follow():
        seen += [entry.n for entry in entries]
        if len(seen) >= 4:
            break
    assert seen == [4, 5, 6, 7]


@pytest.mark.anyio
async def test_without_following_a_store_that_is_away_is_an_error() -> None:
    journal = _Journal()
    journal.failures = 1
    reader = Reader(cast(Store, journal), Cursor("e", 3), None, patience=0.0)
    with pytest.raises(StoreUnavailable):
        await anext(reader.pages(Since(0), None))


# --- explain -------------------------------------------------------------------------------------


def test_explain_says_in_which_way_a_file_is_not_as_recorded(photos: CommandLine) -> None:
    def explained(path: str) -> str:
        return photos("explain", f"photos/{path}").text

    assert "size, times, inode and mode are as recorded" in explained("notes.txt")
    (photos.folder / "notes.txt").chmod(0o600)
    assert "not as recorded: ctime_ns, mode; as after a chmod" in explained("notes.txt")
    photos.write("2024/a.jpg", "longer")
    assert "the content was changed" in explained("2024/a.jpg")
    (photos.folder / "2024/05/b.jpg").unlink()
    assert "it is no longer there" in explained("2024/05/b.jpg")
    photos.write("new.txt")
    assert "no record of it yet" in explained("new.txt")
    assert "nothing is there" in explained("never.txt")
    assert "a directory" in explained("2024")
    assert "the rule .* of built-in" in explained(".hidden/x")
    assert "cannot be looked at" not in explained("notes.txt")
    photos("scan", "photos")
    assert "deleted at" in explained("2024/05/b.jpg")


def test_explain_opens_no_fifo_and_follows_no_link(photos: CommandLine) -> None:
    os.mkfifo(photos.folder / "pipe")
    os.symlink("/etc/passwd", photos.folder / "link")
    assert "a FIFO is not read" in photos("explain", "photos/pipe").text
    assert "a symlink is not followed" in photos("explain", "photos/link").text


def test_explain_tells_the_same_facts_as_json(photos: CommandLine) -> None:
    (photos.folder / "notes.txt").chmod(0o600)
    (facts,) = photos("explain", "photos:notes.txt", "--json").json
    assert (facts["repository"], facts["path"], facts["exists"]) == ("photos", "notes.txt", True)
    assert facts["record"]["hash"] == sha256(b"two").hexdigest()
    assert set(facts["differing"]) == {"ctime_ns", "mode"}
    assert [change["kind"] for change in facts["changes"]] == ["added"]


def test_explain_works_while_the_root_is_away(photos: CommandLine) -> None:
    photos.folder.rename(photos.home / "elsewhere")
    printed = photos("explain", "photos:notes.txt").text
    assert "cannot be looked at" in printed
    assert "present since" in printed


def test_explain_finds_a_repository_through_a_linked_folder(photos: CommandLine) -> None:
    os.symlink(photos.folder, photos.home / "shortcut")
    assert "notes.txt in the repository photos" in photos("explain", "shortcut/notes.txt").text


def test_a_path_of_no_repository_is_refused(photos: CommandLine) -> None:
    assert "is in no repository" in photos("explain", "/etc/passwd", code=2).err


# --- ignore --------------------------------------------------------------------------------------


def test_ignore_check_answers_and_exits_as_git_does(photos: CommandLine) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git")
    rules = "*.log\n!keep.log\nbuild/\n/top.txt\n"
    photos("ignore", "check", "photos/notes.txt", code=1)
    photos.write("sub/.treeledgerignore", rules)
    twin = photos.home / "twin"
    (twin / "sub").mkdir(parents=True)
    (twin / "sub/.gitignore").write_text(rules)
    subprocess.run([git, "init", "--quiet"], cwd=twin, check=True)
    for name in ("a.log", "build/x/y", "build/", "top.txt", "deep/top.txt", "plain"):
        command = [git, "-c", "core.excludesFile=", "check-ignore", "-v", f"sub/{name}"]
        told = subprocess.run(command, cwd=twin, capture_output=True, text=True, check=False)
        ours = photos("ignore", "check", f"photos/sub/{name}", code=told.returncode)
        assert ours.text == told.stdout.replace(".gitignore", ".treeledgerignore").replace("\t", "\tphotos/")
    assert "is in no repository" in photos("ignore", "check", "/etc/passwd", code=128).err


def test_ignore_check_tells_more_when_asked(photos: CommandLine) -> None:
    photos("ignore", "add", "*.raw", "!keep.raw", "--repo", "photos")
    paths = ("photos/a.raw", "photos/keep.raw", "photos/b")
    told = photos("ignore", "check", *paths, "-v").lines
    assert told == [
        "ignore.patterns:*.raw\tphotos/a.raw",
        "ignore.patterns:!keep.raw\tphotos/keep.raw",
        ":\tphotos/b",
    ]
    verdicts = photos("ignore", "check", *paths, "--json").json
    assert [(one["ignored"], one["rule"]) for one in verdicts] == [
        (True, "*.raw"),
        (False, "!keep.raw"),
        (False, None),
    ]


def test_ignore_list_shows_each_rule_with_its_source(photos: CommandLine) -> None:
    photos.write(".treeledgerignore", "*.raw\n")
    rules = [(one["rule"], one["source"]) for one in photos("ignore", "--json").json]
    assert (".*", "built-in") in rules
    assert rules[-1] == ("*.raw", ".treeledgerignore:1")
    photos.folder.rename(photos.home / "elsewhere")
    assert "is not there" in photos("ignore", "list", code=5).err


def test_patterns_of_a_repository_that_is_not_declared_are_kept_in_the_store(photos: CommandLine) -> None:
    photos("ignore", "add", "*.jpg", "--repo", "photos")
    photos("scan", "photos")
    assert [record["path"] for record in photos("files", "--json").json] == ["notes.txt"]
    photos("ignore", "rm", "*.jpg", "--repo", "photos")
    photos("scan", "photos")
    assert len(photos("files", "--json").json) == 3
    assert "has no pattern '*.jpg'" in photos("ignore", "remove", "*.jpg", "--repo", "photos", code=2).err
    assert "is not closed" in photos("ignore", "add", "a[", "--repo", "photos", code=2).err


def test_patterns_of_a_declared_repository_change_in_the_file_with_its_comments_kept(
    photos: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = photos.home / "plugins.toml"
    file.write_text(f'# mine\n[[repositories]]\nname = "photos" # here\nroot = "{photos.folder}"\n')
    monkeypatch.setenv("TREELEDGER_CONFIG", str(file))
    photos("ignore", "add", "*.raw", "--repo", "photos")
    photos("ignore", "add", "*.lrdata/")
    text = file.read_text()
    assert "# mine" in text
    assert "# here" in text
    photos("config", "check")
    rules = [one["rule"] for one in photos("ignore", "list", "--json").json]
    assert rules[-2:] == ["*.lrdata/", "*.raw"]


def test_where_the_file_cannot_be_written_what_to_paste_is_printed(
    photos: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    file = photos.home / "plugins.toml"
    file.write_text("# mine\n")
    monkeypatch.setattr("treeledger.config.edit.replace_text", refuse)
    printed = photos("--config", str(file), "ignore", "add", "*.raw", code=1)
    assert printed.text == '[defaults.ignore]\npatterns = ["*.raw"]\n'
    assert "cannot be written (Permission denied)" in printed.err


def test_without_a_file_rules_for_all_repositories_have_no_place(photos: CommandLine) -> None:
    assert "treeledger init" in photos("ignore", "add", "*.raw", code=2).err


# --- repositories ------------------------------------------------------------------------------------


def test_a_repository_is_found_by_its_name_beside_a_folder_of_that_name(
    photos: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = photos.home / "elsewhere"
    (elsewhere / "photos").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert photos("repo", "pause", "photos").text.startswith("paused photos;")
    assert photos("repo", "resume", "photos").text == "resumed photos\n"
    assert len(photos("changes", "--repo", "photos").lines) == len(photos("changes").lines)
    assert "is in no repository" in photos("repo", "pause", "./photos", code=2).err


def test_a_machine_under_another_name_is_told_what_the_ledger_knows_it_by(photos: CommandLine) -> None:
    file = photos.home / "plugins.toml"
    file.write_text('host = "f3a9c1"\n')
    host = photos("status", "--json").json[0]["host"]
    elsewhere = photos("--config", str(file), "status").text
    assert f"{photos.folder} on {host}" in elsewhere
    refused = photos("--config", str(file), "scan", code=2).err
    assert "f3a9c1" in refused
    assert host in refused
    assert 'host = "NAME"' in refused
    file.write_text(f'host = "f3a9c1"\n[[repositories]]\nname = "photos"\nroot = "{photos.folder}"\n')
    taken = photos("--config", str(file), "scan", code=2).err
    assert f'host = "{host}"' in taken
