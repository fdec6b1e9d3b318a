"""Stopping: whatever signal comes, and whenever, it ends in order, in less than five seconds."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from matrix import fault
from support import WITHIN, assert_sound, assert_true
from victim import APPLY, CLAIM, DELETE, READ, WALK, Ended, Stage, Victim, after, before, stages

pytestmark = pytest.mark.anyio

CHECK = "treeledger.ledger:Ledger.check"
ADD = "treeledger.engine.recorder:Recorder.add"
SURVEY = "treeledger.engine.workers:Workers.survey"
INTERRUPTED = 130
FAREWELL = "stopped; everything settled is written\n"
HINT = "interrupted; what was found so far is recorded. Scan again for the rest"


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    made = Victim(tmp_path, f"sqlite:{tmp_path / 'state' / 'ledger.db'}")
    made.root.mkdir()
    made.grow()
    return made


def signalled(*some: Stage) -> pytest.MarkDecorator:
    """Each stage with one of the signals, in turn."""
    pairs = list(zip(some, cycle(("SIGINT", "SIGTERM", "SIGHUP"))))
    names = [f"{number} {stage.when} {stage.where.rpartition('.')[2]}" for stage, number in pairs]
    return pytest.mark.parametrize(("stage", "number"), pairs, ids=names)


async def ended_in_order(victim: Victim, ended: Ended, *, clean: bool | None = None) -> None:
    """Fails unless nothing was left, and the next scan brings everything up to date."""
    assert ended.seconds < 5
    assert "KeyboardInterrupt" not in ended.said
    async with victim.opened() as tree:
        await assert_sound(tree.ledger, tree.repository)
        if clean is not None:
            assert (await tree.ledger.repository(tree.repository.id)).clean is clean
        await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, victim.root)


@fault(
    "a scan is told to stop by SIGTERM, at any stage",
    "exit code 130 in five seconds, one plain line, no operation left running, the next scan goes on",
)
@stages(
    before(CHECK),
    after("sql:claim"),
    after("sql:begin_operation"),
    before(READ),
    after("sql:insert_entries"),
    after(APPLY),
    before("sql:finish_operation"),
    before("sql:release"),
)
async def test_scan(victim: Victim, stage: Stage) -> None:
    ended = victim.run(stage, "SIGTERM", "scan", victim.root)
    assert (ended.code, ended.said) == (INTERRUPTED, f"treeledger: {HINT}\n")
    await ended_in_order(victim, ended)


@fault(
    "a scan is told to stop by Ctrl-C, or its terminal is closed",
    "it ends as by SIGTERM, not clean: the next start of an engine scans",
)
@pytest.mark.parametrize("number", ["SIGINT", "SIGHUP"])
async def test_scan_from_a_terminal(victim: Victim, number: str) -> None:
    ended = victim.run(before(WALK), number, "scan", victim.root)
    assert (ended.code, ended.said) == (INTERRUPTED, f"treeledger: {HINT}\n")
    await ended_in_order(victim, ended, clean=False)


@fault(
    "a first scan is told to stop while processes survey the tree",
    "it ends in five seconds; what they found and was committed is right, and the next scan goes on",
)
@signalled(before(SURVEY, 2), before(ADD), after(ADD), before("sql:finish_operation"))
async def test_scan_in_processes(victim: Victim, stage: Stage, number: str) -> None:
    victim.grow(3000)
    ended = victim.run(stage, number, "scan", victim.root)
    assert (ended.code, ended.said) == (INTERRUPTED, f"treeledger: {HINT}\n")
    await ended_in_order(victim, ended)


@fault(
    "watch is told to stop while it starts, by Ctrl-C, SIGTERM or a closed terminal",
    "exit code 0 in five seconds, no operation left running, not clean: the next start scans",
)
@signalled(before(CHECK), after(CLAIM), after("sql:begin_operation"), after(APPLY))
async def test_watch_while_it_starts(victim: Victim, stage: Stage, number: str) -> None:
    ended = victim.run(stage, number, "watch", victim.root)
    assert ended.code == 0
    is_new = stage.where == CHECK
    assert ended.said.endswith(FAREWELL)
    await ended_in_order(victim, ended, clean=is_new)


@fault(
    "watch is told to stop in the middle of a burst",
    "exit code 0 in five seconds; what was not looked at is marked and found, no operation left running",
)
@signalled(
    before("treeledger.engine.hearing:Hearing._take"),
    after("sql:begin_operation"),
    before(READ),
    after("sql:insert_entries"),
    before(DELETE),
    before("sql:finish_operation"),
)
async def test_watch(victim: Victim, stage: Stage, number: str) -> None:
    with victim.live(stage, number) as running:
        victim.write("new", "new")
        (victim.root / "d0/e/f0").unlink()
    assert running.ended.code == 0
    assert running.ended.said.endswith(FAREWELL)
    await ended_in_order(victim, running.ended)


@fault("watch is told to stop when all is settled", "exit code 0 in five seconds, clean")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_settled(victim: Victim, number: str) -> None:
    made = victim.home / "made"
    made.write_text("new")
    with victim.live(after("treeledger.engine.burst:Burst.end", 1), number):
        made.rename(victim.root / "new")  # at once, with all that is in it
    async with victim.opened() as tree:
        assert (await tree.ledger.repository(tree.repository.id)).clean
        await assert_true(tree.ledger, tree.repository, victim.root)


@fault("SIGTERM twice, and then a terminal that closes", "the first counts, it ends in order all the same")
async def test_twice(victim: Victim) -> None:
    with victim.started(before("sql:release"), "stop", "watch", victim.root) as running:
        running.until("watching, ")
        running.process.terminate()
        running.until_reached()
        running.process.terminate()
        running.process.send_signal(signal.SIGHUP)
        running.process.send_signal(signal.SIGCONT)
    assert running.ended.code == 0
    assert running.ended.said.endswith(FAREWELL)
    await ended_in_order(victim, running.ended, clean=True)


@fault("a second Ctrl-C while it ends", "it may end at once: no traceback, and nothing is lost")
async def test_ctrl_c_twice(victim: Victim) -> None:
    with victim.started(before("sql:release"), "stop", "watch", victim.root) as running:
        running.until("watching, ")
        running.process.send_signal(signal.SIGINT)
        running.until_reached()
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGCONT)
    assert running.ended.code == 0
    await ended_in_order(victim, running.ended)


def ignoring(number: signal.Signals) -> Callable[[], None]:
    return lambda: signal.signal(number, signal.SIG_IGN) and None


@fault("SIGTERM in the background of a script, where Ctrl-C is ignored", "the scan ends in order")
async def test_background(victim: Victim) -> None:
    ended = victim.run(before(WALK), "SIGTERM", "scan", victim.root, begin=ignoring(signal.SIGINT))
    assert ended.code == INTERRUPTED
    await ended_in_order(victim, ended)


@fault("the terminal closes under nohup", "the scan goes on")
async def test_nohup(victim: Victim) -> None:
    ended = victim.run(before(WALK), "SIGHUP", "scan", victim.root, begin=ignoring(signal.SIGHUP))
    assert ended.code == 0
    await ended_in_order(victim, ended, clean=True)


@fault("the terminal of a watch is closed", "it ends in order and leaves nothing behind")
async def test_terminal(victim: Victim) -> None:
    assert close_terminal(victim) == 0
    await ended_in_order(victim, Ended(0, "", 0.0), clean=True)


def close_terminal(victim: Victim) -> int:
    """The exit code of a watch whose terminal is closed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, str(victim.root)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=victim.environ,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while b"watching, " not in said:
        said += os.read(ours, 65536)
    os.close(ours)
    return process.wait(WITHIN)


_ON_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from treeledger.cli.main import main
sys.argv = ["treeledger", "watch", sys.argv[1]]
sys.exit(main())
"""
