"""A service manager is told what goes on, in datagrams as sd_notify(3) describes them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger.daemon.notify import Notifier


class Manager:
    """A manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> dict[str, str]:
        lines = self.socket.recv(65536).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "socket") if request.param == "path" else f"@treeledger-{os.getpid()}")
    with manager.socket:
        yield manager


def test_states_are_told_one_datagram_each(manager: Manager) -> None:
    notifier = Notifier.taken_from(manager.environ)
    notifier.starting("opening\nthe ledger", 15)
    assert manager.heard() == {"EXTEND_TIMEOUT_USEC": "15000000", "STATUS": "opening the ledger"}
    notifier.ready("2 watching")
    assert manager.heard() == {"READY": "1", "STATUS": "2 watching"}
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    reloading = manager.heard()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.alive()
    assert manager.heard() == {"WATCHDOG": "1"}
    notifier.stopping()
    assert manager.heard()["STOPPING"] == "1"


def test_it_is_taken_from_the_environment_so_that_children_do_not_speak_for_us(manager: Manager) -> None:
    environ = {**manager.environ, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notifier.taken_from(environ).watchdog == 30.0
    assert environ == {}


@pytest.mark.parametrize(
    "given", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_without_a_watchdog_none_is_fed(given: dict[str, str]) -> None:
    assert Notifier.taken_from(dict(given)).watchdog is None


def test_without_a_manager_nothing_is_said() -> None:
    Notifier.taken_from({}).ready("2 watching")


def test_a_manager_that_has_gone_or_does_not_read_holds_up_nothing(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "socket"))
    notifier = Notifier.taken_from(manager.environ)
    for _ in range(10_000):
        notifier.status("busy " * 50)
    manager.socket.close()
    notifier.alive()
