"""What people get wrong: each gets one clear message, its exit code, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from executable import COMMAND, Executable, grown, until
from holding import held

from treeledger.__main__ import main as program
from treeledger.names import stored_from_bytes

USAGE, PARTLY, STORE, OFFLINE, INTERRUPTED = 2, 3, 4, 5, 130


@pytest.fixture
def treeledger(tmp_path: Path) -> Executable:
    return Executable(tmp_path)


@pytest.fixture
def photos(treeledger: Executable) -> Path:
    """A folder of two files, not known yet."""
    folder = treeledger.home / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_text("one")
    (folder / "b.jpg").write_text("two")
    return folder


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Executable:
    """A home with the repository `photos`, scanned; for what changes nothing."""
    treeledger = Executable(tmp_path_factory.mktemp("settled"))
    (treeledger.home / "photos/sub").mkdir(parents=True)
    (treeledger.home / "photos/a.jpg").write_text("one")
    treeledger("scan", "photos")
    return treeledger


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("wacth", "no command 'wacth'; did you mean 'watch'?"),
        ("repo lst", "no command 'lst'; did you mean 'list'?"),
        ("-- status", "no command '--'"),
        ("--stroe x status", "no option --stroe; did you mean --store?"),
        ("status --stroe x", "unrecognized arguments: --stroe x"),
        ("status --store", "--store: expected one argument"),
        ("repo add", "required: DIR"),
        ("files --state gone", "--state: there is no 'gone'; there are present, missing"),
        ("files --format cvs", "--format: there is no 'cvs'; did you mean 'csv'?"),
        ("files --json -0", "exclude each other"),
        ("files --at someday", "--at: 'someday'"),
        ("files --repo nope", "no repository 'nope'; known are: photos"),
        ("changes -n -3", "-n: write a number from 0 on"),
        ("operations -n -3", "-n: write a number from 1 on"),
        ("operations -n many", "invalid int value: 'many'"),
        ("changes --since someday", "--since: 'someday' is neither"),
        ("deletions approve 7", "no held deletion 7; see: treeledger deletions list"),
        ("repo remove nope", "no repository 'nope'; known are: photos"),
        ("scan nope", "no repository 'nope'; known are: photos. If you mean a folder, write ./nope"),
        ("repo add photos", "is the repository photos"),
        ("repo add photos/sub", "lies within the repository photos"),
        ("repo add photos --name a/b", "'a/b' is no name"),
        ("repo add photos --name .a", "'.a' is no name"),
        ("explain /etc/passwd", "/etc/passwd is in no repository; there are: photos"),
        ("--config nope.toml status", "--config: there is no file nope.toml"),
        ("--store mysql://x/y status", "no plugin has a store for mysql://x/y; write sqlite:PATH"),
        ("--store ledger.db status", "--store: a store is sqlite:PATH or postgresql://"),
    ],
)
def test_a_call_that_cannot_be_meant_is_told_why(settled: Executable, arguments: str, words: str) -> None:
    done = settled(*arguments.split(), code=USAGE)
    assert done.err.startswith("treeledger: ")
    assert words in done.err
    assert done.out == b""


@pytest.mark.parametrize("option", ["--store", "--config"])
def test_an_unset_variable_of_a_script_does_not_mean_the_default(settled: Executable, option: str) -> None:
    assert f"{option}: is empty" in settled(option, "", "status", code=USAGE).err


def test_global_options_stand_anywhere_and_the_last_counts(settled: Executable) -> None:
    other = settled.home / "other.db"
    for arguments in (
        ("--json", "--store", f"sqlite:{other}", "status"),
        ("status", f"--store=sqlite:{other}", "--json"),
        ("--store", "sqlite:/nowhere/else.db", "status", "--store", f"sqlite:{other}", "--json"),
    ):
        assert settled(*arguments).json == []
    assert [one["name"] for one in settled("status", "--json", "--").json] == ["photos"]


def test_behind_two_dashes_a_folder_may_look_like_an_option(treeledger: Executable) -> None:
    (treeledger.home / "-v").mkdir()
    assert treeledger("scan", "--", "-v").text.startswith("v: scanned=0")
    assert treeledger("status", "--json").json[0]["root"].endswith("/-v")


def test_a_pattern_that_is_never_closed_means_the_character(treeledger: Executable, photos: Path) -> None:
    (photos / "a[b.jpg").write_text("three")
    treeledger("scan", photos)
    assert treeledger("files", "a[*", "-0").out == b"a[b.jpg\0"
    assert treeledger("files", "[z-a]*").err == "no files\n"


@pytest.mark.parametrize("since", ["abcdef:0", "999"])
def test_a_foreign_cursor_is_told_to_start_afresh(settled: Executable, since: str) -> None:
    done = settled("changes", "--since", since, code=1)
    assert "start afresh" in done.err
    cursor = done.err.rpartition(" ")[2].strip()
    assert settled("changes", "--since", cursor).err == "no changes\n"


# --- folders -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["scan", "watch", "repo add"])
@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("./nope", "does not exist"),
        ("photos/a.jpg", "is not a directory"),
        ("photos/a.jpg/b", "does not exist"),
    ],
)
def test_a_folder_that_is_none_is_not_taken_under_care(
    treeledger: Executable, photos: Path, command: str, folder: str, words: str
) -> None:
    done = treeledger(*command.split(), folder, code=OFFLINE)
    assert f"{folder} {words}. Nothing was changed." in done.err
    assert treeledger("status", "--json").json == []


def test_an_unreadable_folder_is_offline(treeledger: Executable, photos: Path) -> None:
    photos.chmod(0)
    try:
        done = treeledger("scan", photos, code=OFFLINE, without_roots_rights=True)
    finally:
        photos.chmod(0o700)
    assert f"{photos} cannot be read (Permission denied). Nothing was changed." in done.err


def test_an_unreadable_part_keeps_its_records(treeledger: Executable, photos: Path) -> None:
    (photos / "sub").mkdir()
    (photos / "sub/c.jpg").write_text("three")
    treeledger("scan", photos)
    (photos / "b.jpg").chmod(0)
    (photos / "sub").chmod(0)
    (photos / "b.jpg").write_text("written anew")
    try:
        done = treeledger("scan", photos, code=PARTLY, without_roots_rights=True)
    finally:
        (photos / "sub").chmod(0o700)
    assert (
        "photos: 2 files or folders could not be read; records are kept. See: treeledger problems" in done.err
    )
    assert {one["path"] for one in treeledger("problems", "--json").json} == {"b.jpg", "sub"}
    assert treeledger("files", "-0").out == b"a.jpg\0b.jpg\0sub/c.jpg\0"


def test_what_still_cannot_be_read_is_told_by_each_scan(treeledger: Executable, photos: Path) -> None:
    (photos / "b.jpg").chmod(0)
    for _ in range(2):
        done = treeledger("scan", photos, code=PARTLY, without_roots_rights=True)
        assert "photos: 1 file or folder could not be read" in done.err


def test_a_root_that_went_away_changes_nothing_and_keeps_no_other_from_its_scan(
    treeledger: Executable, photos: Path
) -> None:
    (treeledger.home / "zoo").mkdir()
    treeledger("scan", photos, "zoo")
    photos.rename(treeledger.home / "elsewhere")
    done = treeledger("scan", code=OFFLINE)
    assert "photos is not there. Nothing was changed. Mount or restore it" in done.err
    assert "zoo: scanned=0" in done.text
    assert treeledger("files", "-0", "--repo", "photos").out == b"a.jpg\0b.jpg\0"


def test_an_emptied_root_is_held(treeledger: Executable, photos: Path) -> None:
    treeledger("scan", photos)
    for file in photos.iterdir():
        file.unlink()
    done = treeledger("scan", photos, code=PARTLY)
    assert "Nothing was deleted. If they are really gone, run: treeledger deletions approve 1" in done.err
    treeledger("deletions", "approve", "1")
    assert treeledger("files", "--state", "deleted", "-0").out == b"a.jpg\0b.jpg\0"


def test_an_empty_folder_is_a_repository_of_no_files(treeledger: Executable) -> None:
    (treeledger.home / "empty").mkdir()
    assert "empty: scanned=0 added=0" in treeledger("scan", "empty").text
    assert treeledger("files").err == "no files\n"


def test_a_folder_may_have_any_name_and_be_called_by_it(treeledger: Executable) -> None:
    for name in (b"new\nline", b"in\xffvalid", b".hidden", b"~tilde", b"esc\x1b[31m"):
        (treeledger.home / os.fsdecode(name)).mkdir()
        treeledger("scan", b"./" + name)
    statuses = treeledger("status", "--json").json
    names = {one["name"] for one in statuses}
    assert names == {"new_line", stored_from_bytes(b"in\xffvalid"), "hidden", "tilde", "esc_[31m"}
    printed = treeledger("status").out
    assert b"\x1b" not in printed
    assert len(printed.splitlines()) == 1 + len(names) + 2
    treeledger("scan", b"in\xffvalid")
    assert "known are: " in treeledger("scan", "nope", code=USAGE).err


# --- names of files ------------------------------------------------------------------------------

NAMES = [
    b"new\nline",
    b"re\rturn",
    b"tab\tstop",
    b"bell\x07\x1b]0;title\x07",
    b"back\\slash",
    b"in\xff\xfevalid",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b"\xf4\x8f\xbf\xbf",  # U+10FFFF, which stands for an invalid byte in the ledger
    b"\xe2\x80\xaegpj.exe",  # turns the text around
    b" ",
    b"-rf",
    b"*",
    b"\xf0\x9f\x98\x80" * 63,
    b"n" * 255,
    b"\xff" * 255,
]


def test_every_name_is_listed_as_it_is(treeledger: Executable, photos: Path) -> None:
    for name in NAMES:
        Path(os.fsdecode(os.path.join(bytes(photos), name))).write_bytes(name)
    deep = photos / "/".join(["d" * 255] * 3)
    deep.mkdir(parents=True)
    (deep / ("f" * 255)).write_text("deep")
    treeledger("scan", photos)
    wanted = {*NAMES, b"a.jpg", b"b.jpg", b"/".join([b"d" * 255] * 3 + [b"f" * 255])}
    assert set(treeledger("files", "-0").out.split(b"\0")[:-1]) == wanted
    records = treeledger("files", "--json").json
    assert {one["path"] for one in records} == {stored_from_bytes(name) for name in wanted}
    for arguments in (("files",), ("changes",), ("problems", "--notes"), ("explain", "photos:new\nline")):
        printed = treeledger(*arguments).out
        printed.decode("utf-8")
        assert not set(printed) & {*range(10), *range(11, 32), 127}, printed
    assert len(treeledger("files").out.splitlines()) == len(wanted)


def test_text_in_another_encoding_is_spelled_out_and_json_stays_utf_8(
    treeledger: Executable, photos: Path
) -> None:
    (photos / "caf\u00e9").write_text("three")
    treeledger("scan", photos)
    latin = {"PYTHONIOENCODING": "ascii"}
    assert rb"caf\xe9" in treeledger("files", environ=latin).out
    assert treeledger("status", environ=latin).code == 0
    assert "caf\u00e9" in [one["path"] for one in treeledger("changes", "--json", environ=latin).json]


# --- stores --------------------------------------------------------------------------------------

_NEWER: LiteralString = """INSERT INTO schema_migrations (version, name, applied_at)
    SELECT '9999', 'newer', max(applied_at) FROM schema_migrations"""


def test_a_ledger_that_is_no_database_is_left_alone(treeledger: Executable) -> None:
    file = treeledger.home / "letter.txt"
    file.write_text("Dear ledger,\n" * 1000)
    done = treeledger("--store", f"sqlite:{file}", "status", code=STORE)
    assert f"{file} is not a ledger" in done.err
    assert "--store" in done.err
    assert file.read_text() == "Dear ledger,\n" * 1000


def test_a_ledger_that_is_a_folder_is_refused(treeledger: Executable) -> None:
    folder = treeledger.home / "folder"
    folder.mkdir()
    for command in (["status"], ["scan", "."]):
        said = treeledger("--store", "sqlite:folder", *command, code=STORE).err
        assert f"{folder} is a folder, so it is no ledger. Nothing was changed. Name a file with" in said
    assert not any(folder.iterdir())


def test_a_ledger_that_is_a_fifo_is_refused_and_not_opened(treeledger: Executable) -> None:
    os.mkfifo(treeledger.home / "fifo")
    said = treeledger("--store", "sqlite:fifo", "status", code=STORE).err
    assert f"{treeledger.home / 'fifo'} is no regular file, so it is no ledger." in said


def test_a_ledger_in_a_folder_that_cannot_be_written_is_refused(treeledger: Executable) -> None:
    folder = treeledger.home / "folder"
    folder.mkdir(mode=0o500)
    done = treeledger("--store", "sqlite:folder/x.db", "status", code=STORE, without_roots_rights=True)
    assert f"{folder}/x.db cannot be made: Permission denied" in done.err


def test_a_ledger_of_a_newer_program_is_refused(treeledger: Executable, photos: Path) -> None:
    treeledger("scan", photos)
    with closing(sqlite3.connect(treeledger.ledger)) as connection, connection:
        connection.execute(_NEWER)
    for command in (["status"], ["scan", photos], ["migrate", "up"]):
        done = treeledger(*command, code=STORE)
        assert "was written by a newer treeledger (schema 9999). Nothing was changed." in done.err
        assert "--store" in done.err


def test_a_ledger_on_a_network_file_system_is_refused_and_not_made(treeledger: Executable) -> None:
    pretend = (
        "import sys, treeledger.plugins.sqlite.place as place\n"
        "place.is_network = lambda file_system_type: True\n"
        "from treeledger.cli.main import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend, "status"],
        env=treeledger.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (STORE, "")
    assert f"{treeledger.ledger} would be on a network file system" in done.stderr
    assert "Put the ledger on a local disk with --store sqlite:PATH, or use PostgreSQL" in done.stderr
    assert not list(treeledger.home.iterdir())


def test_a_server_that_does_not_answer_is_told_with_its_address(treeledger: Executable) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        url = f"postgresql://me:secret@127.0.0.1:{taken.getsockname()[1]}/ledger"
        done = treeledger("--store", url, "status", code=STORE)
    assert "is away" in done.err
    assert "Connection refused" in done.err
    assert "secret" not in done.err


def test_a_postgresql_ledger_of_another_version_is_refused(treeledger: Executable, postgres_url: str) -> None:
    treeledger("--store", postgres_url, "status")
    with psycopg.connect(postgres_url) as connection:
        connection.execute(_NEWER)
    done = treeledger("--store", postgres_url, "status", code=STORE)
    assert "was written by a newer treeledger (schema 9999). Nothing was changed." in done.err


# --- configuration and plugins -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[defaults", "Expected ']' at the end of a table declaration (at"),
        (
            "[defaults]\nreconcilation = {}",
            "[defaults] has no key 'reconcilation'; did you mean 'reconciliation'?",
        ),
        ("[defaults.reconciliation]\nbatch_size = 'many'", 'batch_size = "many": expected a whole number'),
        ("[defaults.reconciliation]\ninterval = 3", "interval = 3: write a duration with its unit"),
        ("[[repositories]]\nname = 'a'", "repository 'a' needs the key 'root'"),
        ("[store]\nurl = 'env:NOBODY_SET_THIS'", "NOBODY_SET_THIS"),
        ("plugin_dirs = ['nope']", "plugin_dirs: "),
        ("plugin_dirs = ['~nobody-of-this-name/x']", "plugin_dirs: "),
        (
            "[plugins.webhok]\nurl = 'http://x'",
            "[plugins.webhok] is no plugin's table; did you mean 'webhook'?",
        ),
        ("[plugins.webhook]\nurl = 'http://x'\ncolour = 1", "[plugins.webhook] has no key 'colour'"),
        ("[plugins.mine]\nfile = 'nope.py'", "nope.py: cannot be read: No such file"),
        ("[defaults]\nwalker = 'fast'", "walker = 'fast': no plugin has it"),
        ("\xff", "is not UTF-8 text"),
    ],
)
def test_a_broken_configuration_is_told_with_its_place(
    treeledger: Executable, photos: Path, text: str, words: str
) -> None:
    file = treeledger.home / "plugins.toml"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    for command in ("scan", "watch"):
        done = treeledger("--config", file, command, photos, code=USAGE)
        assert words in done.err
        assert str(treeledger.home) in done.err or "env:" in done.err or "walker" in done.err
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_configuration_that_others_can_write_is_refused(treeledger: Executable, mode: int) -> None:
    file = treeledger.home / "plugins.toml"
    file.touch()
    file.chmod(mode)
    done = treeledger("--config", file, "status", code=USAGE)
    assert "can be written by others" in done.err
    assert f"chmod go-w {file}" in done.err


def test_a_plugin_that_cannot_be_imported_stops_only_those_who_named_it(
    treeledger: Executable, photos: Path
) -> None:
    folder = treeledger.home / "mine"
    folder.mkdir(mode=0o700)
    (folder / "broken.py").write_text("import nothing_like_this\n")
    (folder / "broken.py").chmod(0o600)
    file = treeledger.home / "plugins.toml"
    file.write_text("[plugins.one]\nfile = 'mine/broken.py'\n")
    file.chmod(0o600)
    for command in (["scan", photos], ["watch", photos]):
        done = treeledger("--config", file, *command, code=USAGE)
        assert f"plugin 'one' ({folder}/broken.py): ModuleNotFoundError" in done.err
        assert f"{folder}/broken.py:1" in done.err
        assert "switch it off: enabled = false in [plugins.one]" in done.err
    treeledger("--config", file, "status")
    file.write_text("plugin_dirs = ['mine']\n")
    done = treeledger("--config", file, "scan", photos)
    assert "plugin 'broken'" in done.err
    assert "scanned=2" in done.text


def test_a_plugins_toml_of_the_working_folder_is_only_hinted_at(treeledger: Executable) -> None:
    (treeledger.home / "plugins.toml").write_text("[defaults")
    assert "is not read: look at it, then run: treeledger config trust" in treeledger("status").err


# --- pipes and terminals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "treeledger files --json | head -1; exit ${PIPESTATUS[0]}",
        "treeledger changes | true; exit ${PIPESTATUS[0]}",
        "treeledger --help | true; exit ${PIPESTATUS[0]}",
        "treeledger status >&-",
        "treeledger status --json >&-",
        "treeledger status >&- 2>&-",
    ],
)
def test_nobody_has_to_read_what_is_printed(settled: Executable, script: str) -> None:
    done = settled.shell(script)
    assert (done.code, done.err) == (0, "")


def test_an_error_keeps_its_exit_code_where_nobody_reads_it(settled: Executable) -> None:
    assert settled.shell("treeledger scan ./nope 2>&1 | true; exit ${PIPESTATUS[0]}").code == OFFLINE
    assert settled.shell("treeledger scan ./nope 2>&-").code == OFFLINE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_behind_the_output_is_a_failure(settled: Executable) -> None:
    done = settled.shell("treeledger status > /dev/full")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "No space left on device" in done.err


def test_without_a_terminal_there_are_plain_lines(settled: Executable) -> None:
    for arguments in (["scan", "photos"], ["status"], ["changes"], ["files"], ["operations"]):
        done = settled(*arguments)
        assert b"\x1b" not in done.out
        assert b"\r" not in done.out
        assert done.err == ""


def test_colour_is_for_terminals_unless_told_otherwise(settled: Executable) -> None:
    def coloured(**environ: str) -> bool:
        with settled.started("changes", **environ) as running:
            assert running.wait() == 0
            assert "a.jpg" in running.text
            return b"\x1b[" in running.raw

    assert coloured()
    assert not coloured(NO_COLOR="1")
    assert not coloured(TERM="dumb")


# --- interruptions -------------------------------------------------------------------------------


@pytest.fixture
def large(treeledger: Executable) -> Path:
    """A folder whose scan takes long enough to be interrupted, because a file in it does not end soon."""
    folder = treeledger.home / "large"
    for number in range(20):
        (folder / str(number)).mkdir(parents=True)
        for file in range(20):
            (folder / f"{number}/{file}").write_text(f"{number} {file}")
    with open(folder / "huge", "wb") as file:
        file.truncate(200 << 30)  # of holes: takes no room, but minutes to read
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_scan_is_closed_as_failed_and_the_next_is_fine(
    treeledger: Executable, large: Path, number: signal.Signals
) -> None:
    treeledger("status")
    with treeledger.started("scan", large) as running:
        until(lambda: b"19/19\0" in treeledger("files", "-0").out, "the small files recorded")
        running.signal(number, group=True)
        assert running.wait() == INTERRUPTED
        assert "interrupted; what was found so far is recorded" in running.text
    (operation,) = treeledger("operations", "--json").json
    assert operation["status"] == "failed"
    os.truncate(large / "huge", 5)
    assert "large: scanned=401" in treeledger("scan", large).text
    assert [one["status"] for one in treeledger("operations", "--json").json] == ["completed", "failed"]


def test_a_killed_scan_is_closed_as_failed_by_the_next(treeledger: Executable, large: Path) -> None:
    treeledger("status")
    with treeledger.started("scan", large) as running:
        until(lambda: b"19/19\0" in treeledger("files", "-0").out, "the small files recorded")
        running.signal(signal.SIGKILL)
        running.process.wait()
    os.truncate(large / "huge", 5)
    treeledger("scan", large)
    assert [one["status"] for one in treeledger("operations", "--json").json] == ["completed", "failed"]
    assert len(treeledger("files", "-0").out.split(b"\0")) == 402


@pytest.mark.skipif(sys.platform != "linux", reason="finds its processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_while_worker_processes_begin_is_quiet(
    treeledger: Executable, number: signal.Signals
) -> None:
    tree = grown(treeledger.home / "tree")
    scan = held(treeledger.home, tree / "7")
    with treeledger.started("--config", scan.config, "scan", tree) as running:
        until(running.children, "a worker process")
        running.signal(number, group=True)
        assert running.wait() == INTERRUPTED
        assert running.text.splitlines()[-1].startswith("treeledger: interrupted;")
    (operation,) = treeledger("operations", "--json").json
    assert (operation["status"], operation["error"]) == ("failed", "interrupted")


@pytest.mark.skipif(sys.platform != "linux", reason="finds its processes in /proc")
def test_a_worker_process_that_is_killed_costs_nothing_but_time(treeledger: Executable) -> None:
    tree = grown(treeledger.home / "tree")
    scan = held(treeledger.home, tree / "7")
    with treeledger.started("--config", scan.config, "scan", tree) as running:
        until(lambda: len(running.children()) > 1, "a worker process")
        os.kill(running.children()[-1], signal.SIGKILL)
        scan.let_go()
        assert running.wait() == 0
    assert len(treeledger("files", "-0").out.split(b"\0")) == 6001


def test_a_second_scan_says_who_holds_the_ledger(treeledger: Executable, large: Path) -> None:
    treeledger("status")
    with treeledger.started("scan", large) as running:
        until(lambda: b"19/19\0" in treeledger("files", "-0").out, "the small files recorded")
        done = treeledger("scan", large, code=1)
        assert f"treeledger scan (process {running.process.pid} on " in done.err
        assert "Nothing was changed." in done.err


def test_following_changes_ends_with_ctrl_c(settled: Executable) -> None:
    with settled.started("changes", "--follow", "--json", terminal=False) as running:
        running.until('"path": ?"a.jpg"')
        running.signal(signal.SIGINT)
        assert running.wait() == 0
        assert json.loads(running.text.splitlines()[0])["kind"] == "added"


def test_the_executable_beside_the_interpreter_is_this_one(settled: Executable) -> None:
    script = Path(sys.executable).with_name("treeledger")
    if not script.exists():
        pytest.skip(f"treeledger is not installed beside {sys.executable}")
    printed = [
        subprocess.run([*command, "--version"], env=settled.environ(), capture_output=True, check=True).stdout
        for command in ([script], COMMAND)
    ]
    assert printed[0] == printed[1]


def test_where_it_does_not_run_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert program() == 1
    assert "Windows is not supported, and nothing was done. Try it in WSL 2" in capsys.readouterr().err
