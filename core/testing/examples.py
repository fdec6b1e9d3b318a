"""How the suites let hypothesis try examples: as slowly as the machine has it, all on one ledger."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

# How long one takes to make, and how many do, tells of the machine and of chance.
OF_THE_MACHINE: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def examples(most: int) -> settings:
    """So many examples, which have the fixtures of their test in common."""
    shared = (*OF_THE_MACHINE, HealthCheck.function_scoped_fixture)
    return settings(max_examples=most, deadline=None, suppress_health_check=shared)
