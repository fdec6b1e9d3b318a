"""Errors of tasks that ran together: the one to act on, as itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from treeledger.errors import LeaseLost, RootOffline, StoreError


@contextmanager
def ungrouped() -> Iterator[None]:
    """Raises the first error of a task group in place of the group."""
    try:
        yield
    except ExceptionGroup as group:
        raise first_error(group) from None


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to act on of several that ended together: a known one before an unknown one."""
    leaves = _leaves(group)
    known = [leaf for leaf in leaves if isinstance(leaf, RootOffline | LeaseLost | StoreError)]
    return (known or leaves)[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
