"""Checks for `treeledger doctor`: what was looked at, whether it is well, and what to do if not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class CheckState(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `message` says what was found, `advice` what to do about it."""

    name: str
    state: CheckState
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What looks at something. If it raises, that is a failed check under its name."""

    name: str
    look: Callable[[], Iterable[Check]]


def run_probes(probes: Iterable[Probe]) -> list[Check]:
    """Every check of every probe, in their order."""
    checks: list[Check] = []
    for probe in probes:
        try:
            checks.extend(probe.look())
        except Exception as error:  # whatever is broken, the other probes still tell what they see
            checks.append(Check(probe.name, CheckState.FAIL, f"{type(error).__name__}: {error}"))
    return checks


def worst(checks: Sequence[Check]) -> CheckState:
    """The state of the whole: fail if one failed, else warn if one warns, else ok."""
    states = {check.state for check in checks}
    return next((state for state in (CheckState.FAIL, CheckState.WARN) if state in states), CheckState.OK)
