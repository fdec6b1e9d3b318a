"""`treeledger daemon` as a machine's owner has it: starts, answers, reloads, survives, tells, and stops."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from executable import grown
from managed import FAREWELL, House, Manager, until
from postgres_server import OwnServer
from receiver import Receiver, receiving


@pytest.fixture
def house(tmp_path: Path) -> House:
    """With the declared repositories `a` and `b`."""
    return House(tmp_path)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    try:
        yield manager
    finally:
        manager.close()


@pytest.fixture
def phone() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_it_greets_tells_its_manager_when_all_is_watched_and_ends_in_order(
    house: House, manager: Manager
) -> None:
    house.write("a/old")
    with house.daemon(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000") as daemon:
        ready = manager.until("READY")
        assert ready["STATUS"].startswith("2 repositories: ")
        assert "STATUS" in manager.heard[0]
        assert "EXTEND_TIMEOUT_USEC" in manager.heard[0]
        house.write("a/new")
        house.write("b/new")
        greeting = f"ledger: sqlite:{house.treeledger.ledger}\n"
        greeting += f"api: unix:{house.home}/state/treeledger/api.sock\nlog: standard error\n"
        assert greeting in daemon.running.text
        daemon.until_recorded("a", "new", "old")
        daemon.until_recorded("b", "new")
        assert [daemon.starts(name) for name in "ab"] == [1, 1]
        daemon.until_state("a", "watching")
        until(lambda: "2 watching" in manager.status, "what goes on told to the manager")
        manager.until("WATCHDOG", count=5)
        daemon.stop()
        manager.until("STOPPING")
        assert "STOPPING" in manager.heard[-1]
        assert FAREWELL in daemon.running.text
    assert not (house.home / "state/treeledger/api.sock").exists()


def test_sigterm_ends_it_within_five_seconds_while_it_reads(house: House) -> None:
    with (house.home / "a/huge").open("wb") as file:
        file.truncate(200 << 30)  # of holes
    with house.daemon() as daemon:
        daemon.until_state("b", "watching")
        daemon.until_recorded("a", "huge")
        house.write("b/last")
        daemon.stop()
    operations = house("operations", "--json").json
    assert {one["status"] for one in operations} <= {"completed", "failed"}
    (house.home / "a/huge").unlink()
    with house.daemon() as daemon:
        daemon.until_recorded("b", "last")
        until(lambda: "huge" not in daemon.paths("a"), "the file that is gone, gone from the ledger")


def test_sigterm_in_the_middle_of_a_scan_is_no_failure(house: House) -> None:
    grown(house.home / "a")
    with house.daemon() as daemon:
        until(lambda: daemon.starts("a") == 1, "the scan begun")
        daemon.stop()
        assert FAREWELL in daemon.running.text
        assert not re.search(" (WARNING|ERROR) ", daemon.running.text)
    with house.daemon() as daemon:
        until(lambda: daemon.files("a") == 6000, "all on record")
        daemon.stop()


def test_a_second_one_names_the_first_and_leaves_it_alone(house: House) -> None:
    house.configure("a", top='[log]\nfile = "treeledger.log"\n')
    log = house.home / "treeledger.log"
    with house.daemon() as daemon:
        daemon.until_ready()
        done = house("daemon", code=1)
        assert f"treeledger daemon (process {daemon.running.process.pid} on " in done.err
        assert done.out == b""
        assert FAREWELL not in log.read_text()
        house.write("a/new")
        daemon.until_recorded("a", "new")


def test_a_machine_under_another_name_is_told_why_nothing_is_watched(house: House) -> None:
    house.configure("a", top='host = "nas"\n')
    house("scan")
    house.configure(top='host = "f3a9c1"\n')
    with house.daemon() as daemon:
        daemon.running.until("WARNING this machine is called f3a9c1 here; .* are of nas; .*host = ")


def test_sighup_takes_up_what_changed_and_keeps_every_other_watch(house: House, manager: Manager) -> None:
    with house.daemon(NOTIFY_SOCKET=str(manager.path)) as daemon:
        manager.until("READY")
        for name in "ab":
            daemon.until_state(name, "watching")
        house.configure("a", "c")
        daemon.reload()
        for n in range(200):
            house.write(f"a/{n}", "written while it is read again")
        assert "MONOTONIC_USEC" in manager.until("RELOADING")
        assert "3 repositories" not in manager.until("READY", 2)["STATUS"]
        daemon.until_state("c", "watching")
        assert daemon.states()["b"] == "paused"
        house.write("c/new")
        daemon.until_recorded("a", *map(str, range(200)))
        daemon.until_recorded("c", "new")
        house.configure("a", "b", "c", c='change_key = "strict"\n')
        daemon.reload()
        manager.until("READY", 3)
        daemon.until_state("b", "watching")
        until(lambda: daemon.starts("c") == 2, "c, which differs, scanned again")
        assert [daemon.starts(name) for name in "ab"] == [1, 2]
        daemon.stop()


def test_a_wrong_file_is_refused_in_the_log_and_in_the_status_and_all_goes_on(
    house: House, manager: Manager
) -> None:
    with house.daemon(NOTIFY_SOCKET=str(manager.path)) as daemon:
        manager.until("READY")
        daemon.until_state("a", "watching")
        house.configure("a", top="[reconciliation]\n")
        daemon.reload()
        refused = manager.until("READY", 2)["STATUS"]
        for told in (refused, "\n".join(daemon.logged())):
            assert "plugins.toml: " in told
            assert "reconciliation" in told
        assert "all goes on as before" in "\n".join(daemon.logged())
        house.write("a/new")
        house.write("b/new")
        for name in "ab":
            daemon.until_recorded(name, "new")
            assert daemon.starts(name) == 1
        answer = daemon.ask("/api/config/reload", "POST")
        assert answer.status == 400
        assert "reconciliation" in answer.json["message"]
        house.configure("a")
        assert daemon.ask("/api/config/reload", "POST").status == 204
        daemon.until_state("b", "paused")
        daemon.stop()


def test_a_root_that_goes_touches_no_other_repository(house: House) -> None:
    house.write("a/one")
    with house.daemon() as daemon:
        daemon.until_recorded("a", "one")
        (house.home / "a").rename(house.home / "aside")
        daemon.until_state("a", "offline")
        assert daemon.paths("a") == ["one"]
        house.write("b/new")
        daemon.until_recorded("b", "new")
        assert daemon.starts("b") == 1
        assert house("scan", "a", code=5).err.count("Nothing was changed") == 1
        (house.home / "aside").rename(house.home / "a")
        house.write("a/two")
        house("scan", "a")
        daemon.until_recorded("a", "two")
        daemon.until_state("a", "watching")
        daemon.stop()


def test_a_postgresql_that_stops_and_starts_costs_only_time(tmp_path: Path, own_server: OwnServer) -> None:
    house = House(tmp_path, store=own_server.url("ledger"))
    house("migrate", "up")
    with house.daemon() as daemon:
        daemon.until_ready()
        house.write("a/before")
        daemon.until_recorded("a", "before")
        own_server.stop("immediate")
        house.write("a/meanwhile")
        (house.home / "a/before").unlink()
        until(lambda: daemon.ask("/readyz").status == 503, "not ready")
        assert daemon.ask("/healthz").status == 200
        assert daemon.ask("/api/files").status == 503
        own_server.start()
        daemon.until_recorded("a", "meanwhile")
        until(lambda: daemon.paths("a") == ["meanwhile"], "what went meanwhile gone")
        daemon.until_state("a", "watching")
        assert "Traceback" not in daemon.running.text
        daemon.stop()


def test_it_ends_in_time_though_postgresql_is_away_and_the_next_finds_everything(
    tmp_path: Path, own_server: OwnServer
) -> None:
    house = House(tmp_path, store=own_server.url("ledger"))
    house("migrate", "up")
    with house.daemon() as daemon:
        daemon.until_state("a", "watching")
        own_server.stop()
        house.write("a/meanwhile")
        until(lambda: daemon.ask("/readyz").status == 503, "not ready")
        house.configure("a")
        daemon.reload()
        daemon.until_logged("the configuration is refused, and all goes on as before: .* is away")
        daemon.stop()
        assert FAREWELL not in daemon.running.text
    own_server.start()
    with house.daemon() as daemon:
        daemon.until_recorded("a", "meanwhile")
        daemon.stop()


def test_a_kill_costs_only_time(house: House) -> None:
    with house.daemon() as daemon:
        daemon.until_state("a", "watching")
        house.write("a/new")
        daemon.running.signal(signal.SIGKILL)
        daemon.running.process.wait()
    with house.daemon() as daemon:
        daemon.until_recorded("a", "new")
        until(lambda: daemon.ask("/readyz").status == 200, "ready")
        daemon.stop()


def test_it_waits_for_a_postgresql_that_is_away_at_the_start(
    tmp_path: Path, own_server: OwnServer, manager: Manager
) -> None:
    house = House(tmp_path, store=own_server.url("ledger"))
    house("migrate", "up")
    own_server.stop()
    with house.daemon(waits=False, NOTIFY_SOCKET=str(manager.path)) as daemon:
        assert "away" in manager.until("EXTEND_TIMEOUT_USEC")["STATUS"]
        daemon.running.until("WARNING .* is away: .*I try again")
        own_server.start()
        manager.until("READY")
        daemon.stop()


LOG = """
[log]
file = "log/daemon.log"
format = "{format}"
level = "debug"
max_size = "20kB"
keep = 3
[api]
listen = "127.0.0.1:0"
token = "env:TOKEN"
[attention]
notify = ["phone"]
[plugins.phone]
use = "webhook"
url = "env:PHONE"
"""


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_log_is_a_private_file_that_is_rotated_and_holds_no_secret(house: House, format: str) -> None:
    house.configure("a", top=LOG.replace("{format}", format))
    url = "http://me:pa55word@127.0.0.1:1/s3cr3t-topic?key=s3cr3t"
    with house.daemon(TOKEN="s3cr3t-token-of-the-api", PHONE=url) as daemon:
        daemon.until_state("a", "watching")  # from then on each change is a line
        for n in range(300):
            house.write(f"a/{n:040}")
        daemon.until_recorded("a", *(f"{n:040}" for n in range(300)))
        daemon.until_logged("phone could not be told|phone.*cannot be reached")
        in_memory = "\n".join(daemon.logged())
        daemon.stop()
        assert "log: " in daemon.running.text
    files = sorted((house.home / "log").iterdir())
    assert len(files) > 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert max(file.stat().st_size for file in files) <= 20_000
    text = "".join(file.read_text() for file in files)
    assert FAREWELL in text
    assert not re.search("s3cr3t|pa55word", text + in_memory + daemon.running.text)
    if format == "json":
        assert {json.loads(line)["level"] for line in text.splitlines()} >= {"debug", "info"}


def noted(house: House) -> list[int]:
    """How often people were told of what waits, each, as the next daemon will know it."""
    with closing(sqlite3.connect(house.treeledger.ledger)) as ledger:
        return [told for (told,) in ledger.execute("SELECT told FROM attention WHERE key <> '' ORDER BY key")]


def test_what_waits_is_told_once_across_restarts_and_once_that_it_is_over(
    house: House, phone: Receiver
) -> None:
    top = '[attention]\nnotify = ["phone"]\n'
    top += f'[plugins.phone]\nuse = "webhook"\nurl = "{phone.url}"\nchanges = false\n'
    house.configure("a", top=top, a="max_delete = { files = 3, floor = 3 }\n")
    names = [str(n) for n in range(10)]
    for name in names:
        house.write(f"a/{name}")

    def told() -> list[tuple[str, bool]]:
        return [(one["kind"], one["over"]) for post in phone.deliveries for one in post.json["attention"]]

    with house.daemon() as daemon:
        daemon.until_recorded("a", *names)
        for name in names[1:]:
            (house.home / "a" / name).unlink()
        until(lambda: told() == [("held", False)], "told")
        until(lambda: noted(house) == [1], "noted as told")
        assert "treeledger deletions show" in phone.deliveries[0].json["attention"][0]["message"]
        daemon.stop()
    with house.daemon() as daemon:
        daemon.until_ready()
        daemon.until_state("a", "held")
        (hold,) = house("deletions", "list", "--json").json
        assert told() == [("held", False)]
        house("deletions", "approve", str(hold["id"]))
        until(lambda: told() == [("held", False), ("held", True)], "told that it is over")
        assert daemon.told("/api/attention")["items"] == []
        until(lambda: noted(house) == [], "noted as told that it is over")
        daemon.stop()
    with house.daemon() as daemon:
        daemon.until_ready()
        daemon.stop()
    assert len(told()) == 2


def test_the_journal_is_kept_as_long_as_is_configured(house: House) -> None:
    for n in range(5):
        house.write(f"a/{n}")
    house("scan", "a")
    assert len(house("changes", "--since", "0", "--json").json) == 5
    house.configure("a", top='[store]\njournal_retention = "10ms"\n')
    with house.daemon() as daemon:
        daemon.until_logged("the journal lets go of 5 entries")
        assert daemon.ask("/api/changes?since=0").status == 410
        daemon.stop()


def test_what_commands_do_it_takes_up(house: House) -> None:
    house.configure()
    (house.home / "own").mkdir()
    with house.daemon() as daemon:
        house("repo", "add", house.home / "own")
        daemon.until_state("own", "watching")
        assert f"engine: daemon, pid {daemon.running.process.pid}, since " in house("status").text
        house("repo", "pause", "own")
        daemon.until_state("own", "paused")
        house.write("own/meanwhile")
        house("repo", "resume", "own")
        daemon.until_recorded("own", "meanwhile")
        house("repo", "remove", "own")
        daemon.until_logged("own: stopped: it was removed")
        daemon.stop()


def test_a_pause_survives_restarts_also_of_what_the_file_declares(house: House) -> None:
    with house.daemon() as daemon:
        daemon.until_state("a", "watching")
        paused = daemon.ask("/api/sync/pause", "POST", {"repository": "a"})
        assert paused.json == {"repositories": ["a"]}
        daemon.until_logged("a: paused: go on with: treeledger repo resume a")
        assert daemon.ask("/readyz").json["repositories"].keys() == {"b"}
        assert daemon.ask("/api/config/reload", "POST").status == 204
        assert daemon.states()["a"] == "paused"
        daemon.stop()
    with house.daemon() as daemon:
        daemon.until_ready()
        assert daemon.states()["a"] == "paused"
        assert daemon.ask("/api/sync/resume", "POST").json == {"repositories": ["a"]}
        daemon.until_state("a", "watching")
        house.configure("a", "b", a="paused = true\n")
        assert daemon.ask("/api/config/reload", "POST").status == 204
        daemon.until_state("a", "paused")
        house.configure("a", "b", a="paused = false\n")
        assert daemon.ask("/api/config/reload", "POST").status == 204
        daemon.until_state("a", "watching")
        daemon.stop()
