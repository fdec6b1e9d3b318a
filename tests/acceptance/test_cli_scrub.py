"""`treeledger scrub` as a person has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from uuid import uuid4

import pytest
from command_line import CommandLine

from treeledger.cli.progress import ScrubBar
from treeledger.model import Counts, Repository

WRONG = "0" * 64


def unlike_the_record(photos: CommandLine, path: str) -> None:
    """As if the content had changed without a trace: the hash on record is of another one."""
    with closing(sqlite3.connect(photos.ledger)) as ledger, ledger:
        ledger.execute("UPDATE file_records SET content_hash = ? WHERE file_path = ?", (WRONG, path))


def test_a_scrub_says_what_it_does_and_what_it_found(photos: CommandLine) -> None:
    printed = photos("scrub")
    assert (
        "photos: scrubbing, oldest verified first: 1 h at most; --percent 100 reads everything" in printed.err
    )
    assert printed.text.startswith("photos: scrubbed=3 bytes=9 corrupted=0 modified=0 unreadable=0 duration=")
    part = photos("scrub", "photos", "--files", "2", "--rate", "10MB")
    assert "2 files at most, 10.0 MB a second" in part.err
    assert "budget of files is used up" in part.err
    (quiet,) = photos("scrub", str(photos.folder / "2024"), "--json", "--time", "1m").json
    assert (quiet["repository"], quiet["scrubbed"], quiet["ended"]) == ("photos", 2, None)
    assert [one["type"] for one in photos("operations", "-n", "3", "--json").json] == ["scrub"] * 3


def test_corruption_is_told_until_a_person_accepts_it(photos: CommandLine) -> None:
    unlike_the_record(photos, "notes.txt")
    printed = photos("scrub", code=3)
    assert "corrupted=1" in printed.text
    assert "treeledger problems" in printed.err
    problem = photos("problems").text
    assert f"treeledger scrub --accept {photos.folder}/notes.txt" in problem
    assert "on record" in photos("explain", "photos:notes.txt").text
    assert "problems with 1 file or folder" in photos("scan", code=3).err
    refused = photos("scrub", "--accept", str(photos.folder / "2024/a.jpg"), code=2)
    assert "not corrupted" in refused.err
    good = sha256(b"two").hexdigest()
    accepted = photos("scrub", "--accept", str(photos.folder / "notes.txt"))
    assert accepted.text == f"photos: notes.txt: accepted: {good} instead of {WRONG}\n"
    (entry,) = photos("changes", "-n", "1", "--json").json
    assert (entry["kind"], entry["hash_before"], entry["hash"]) == ("accepted", WRONG, good)
    photos("scrub")
    photos("scan")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--files", "0"), "nothing be read"),
        (("--percent", "nan"), "nothing be read"),
        (("--bytes", "much"), "--bytes: 'much' is not a size"),
        (("--time", "0s"), "nothing be read"),
        (("--rate", "0"), "nothing be read"),
        (("--older-than", "old"), "is not a duration"),
        (("--accept",), "name corrupted files"),
        (("--accept", "--files", "1", "photos"), "takes no limits"),
        (("nowhere/",), "is in no repository yet"),
    ],
)
def test_what_cannot_be_done_is_refused(photos: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    assert words in photos("scrub", *arguments, code=2).err


def test_the_bar_shows_files_bytes_rate_and_the_time_left(photos: CommandLine) -> None:
    bar = ScrubBar(Repository(uuid4(), "photos", "here", "/data", bytes=4_000_000), 2_000_000.0, None)
    words = bar._words(Counts(files_hashed=5, bytes_hashed=1_000_000), 2.0)
    assert words == "5 files  1.0 MB  500 kB/s  2.0 s left"
