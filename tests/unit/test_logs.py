"""The log: lines for people and machines, without secrets, in a file of the owner's that does not grow."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger.config.configuration import Configuration, parse
from treeledger.daemon.logs import Logs, Ring
from treeledger.errors import ConfigurationError

log = logging.getLogger("treeledger.test")


@pytest.fixture
def logs() -> Iterator[Logs]:
    logs = Logs()
    with logs.installed():
        yield logs


def configured(folder: Path, text: str = "") -> Configuration:
    return parse(f'[log]\nfile = "log/engine.log"\n{text}', folder / "plugins.toml", {})


def lines(folder: Path) -> list[str]:
    return (folder / "log/engine.log").read_text().splitlines()


def test_people_read_time_level_repository_and_message(logs: Logs, tmp_path: Path) -> None:
    logs.apply(configured(tmp_path))
    log.info("startup scan completed: scanned=%d", 7, extra={"repository": "photos"})
    log.warning("a name \n with a line's end \x1b[31m")
    first, second = lines(tmp_path)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    photos: startup scan completed: scanned=7", first
    )
    assert second.endswith(r"WARNING a name \x0a with a line's end \x1b[31m")


def test_machines_read_objects(logs: Logs, tmp_path: Path) -> None:
    logs.apply(configured(tmp_path, 'format = "json"\nlevel = "debug"'))
    log.debug("one\ntwo", extra={"repository": "photos"})
    try:
        raise ValueError("three")
    except ValueError:
        log.exception("failed")
    first, second = map(json.loads, lines(tmp_path))
    assert list(first) == ["ts", "level", "logger", "message", "repository", "exception"]
    assert (first["level"], first["logger"], first["message"]) == ("debug", "treeledger.test", "one\ntwo")
    assert (first["repository"], first["exception"]) == ("photos", None)
    assert second["exception"].endswith("ValueError: three")


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_secret_is_written_or_kept(logs: Logs, tmp_path: Path, format: str) -> None:
    logs.apply(configured(tmp_path, f'format = "{format}"'))
    url = "postgresql://me:pa55word@db/ledger?sslpassword=s3cr3t"
    log.warning("cannot reach %s", url)
    try:
        raise OSError(f"password=s3cr3t {url}")
    except OSError:
        log.exception("failed")
    ring = Ring.of_this_process()
    assert ring is not None
    everything = (tmp_path / "log/engine.log").read_text() + str(
        ring.page(least="debug", after=None, limit=99)
    )
    assert "cannot reach postgresql://me:" in everything
    assert not re.search("pa55word|s3cr3t", everything)


def test_the_file_is_the_owners_and_is_rotated(logs: Logs, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        logs.apply(configured(tmp_path, 'max_size = "10kB"\nkeep = 2'))
        for n in range(1000):
            log.warning("%d %s", n, "x" * 50)
    finally:
        os.umask(before)
    files = sorted((tmp_path / "log").iterdir())
    assert [file.name for file in files] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert max(file.stat().st_size for file in files) <= 10_000
    assert lines(tmp_path)[-1].endswith(f"999 {'x' * 50}")


def test_levels_are_heeded_and_what_the_command_line_says_wins(tmp_path: Path) -> None:
    for given, expected in ((None, 1), ("debug", 3), ("error", 0)):
        logs = Logs(given)
        with logs.installed():
            logs.apply(configured(tmp_path, 'level = "warning"'))
            for level in (logging.DEBUG, logging.INFO, logging.WARNING):
                log.log(level, "here")
        assert len(lines(tmp_path)) == expected
        (tmp_path / "log/engine.log").unlink()


def test_another_configuration_is_taken_up_into_the_same_file(logs: Logs, tmp_path: Path) -> None:
    logs.apply(configured(tmp_path))
    log.info("text")
    logs.apply(parse('[log]\nfile = "elsewhere"\nformat = "json"', tmp_path / "plugins.toml", {}))
    log.info("json")
    text, object = lines(tmp_path)
    assert (text.endswith("text"), json.loads(object)["message"]) == (True, "json")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_what_is_no_file_is_refused(logs: Logs, tmp_path: Path, kind: str) -> None:
    (tmp_path / "log").mkdir()
    path = tmp_path / "log/engine.log"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "other")
    with pytest.raises(ConfigurationError, match=r"\[log\] file = .*engine.log'"):
        logs.apply(configured(tmp_path))


def test_a_disk_that_is_full_is_said_once_and_stops_nothing(
    logs: Logs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.apply(configured(tmp_path))
    full = open("/dev/full", "w")  # noqa: SIM115 - the handler closes it
    output = logging.getLogger().handlers[-1]
    assert isinstance(output, logging.FileHandler)
    output.stream.close()
    output.stream = full
    for _ in range(3):
        log.info("one")
    assert capfd.readouterr().err.count("No space left on device") == 1


def test_the_last_records_are_in_memory_in_pages(logs: Logs, tmp_path: Path) -> None:
    logs.apply(configured(tmp_path, 'level = "debug"'))
    for n in range(3000):
        log.log(logging.INFO if n % 2 else logging.DEBUG, "%d", n)
    ring = Ring.of_this_process()
    assert ring is not None
    last = ring.page(least="debug", after=None, limit=5)
    assert [kept.line.message for kept in last] == ["2995", "2996", "2997", "2998", "2999"]
    assert ring.page(least="debug", after=last[-1].n, limit=5) == []
    following = ring.page(least="info", after=last[0].n, limit=1)
    assert [kept.line.message for kept in following] == ["2997"]
    assert len(ring.page(least="debug", after=0, limit=9999)) == 2000
    assert Ring().page(least="debug", after=None, limit=9) == []


def test_numbers_grow_from_one_run_to_the_next() -> None:
    first, second = (_numbered(Ring()) for _ in range(2))
    assert first <= second


def _numbered(ring: Ring) -> int:
    ring.handle(logging.makeLogRecord({"msg": "one"}))
    return ring.page(least="debug", after=None, limit=1)[0].n
