"""Dirty subtrees, which must be scanned, and problems, which people should see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from treeledger.errors import RepositoryNotFound
from treeledger.model import DirtyPath, KnownProblem, Problem, ProblemCode
from treeledger.names import within
from treeledger.plugins.sql.values import problem_from
from treeledger.plugins.sql.work import Part, Work, ask, each
from treeledger.protocols import ProblemPlace

_NOTES: Final = [code.value for code in ProblemCode if code.is_note]


class Marks(Part):
    async def mark_dirty(self, repository_id: UUID, prefixes: Sequence[tuple[str, str]]) -> None:
        if prefixes:
            await self.session.write(_mark(repository_id, prefixes))

    async def dirty(self, repository_id: UUID) -> list[DirtyPath]:
        return await self.session.read(_dirty(repository_id))

    async def clear_dirty(self, repository_id: UUID, seen: Sequence[DirtyPath]) -> None:
        if seen:
            await self.session.write(_clear(repository_id, seen))

    async def report_problems(
        self, repository_id: UUID, problems: Sequence[Problem], *, healthy: Sequence[str] = ()
    ) -> None:
        if problems or healthy:
            await self.session.write(_report(repository_id, problems, healthy))

    async def forget_problems(
        self, repository_id: UUID, prefix: str, before: datetime, unknown: Sequence[str]
    ) -> None:
        await self.session.write(_forget(repository_id, prefix, before, unknown))

    async def problems(
        self,
        repository_id: UUID | None,
        *,
        notes: bool,
        limit: int,
        after: ProblemPlace | None = None,
        code: ProblemCode | None = None,
    ) -> list[KnownProblem]:
        wanted: dict[str, Any] = {
            "repository_id": None if repository_id is None else str(repository_id),
            "without": [] if notes else _NOTES,
            "code": None if code is None else code.value,
            "limit": limit,
        }
        return await self.session.read(_problems(wanted, after))


def _mark(repository_id: UUID, prefixes: Sequence[tuple[str, str]]) -> Work[None]:
    """Taking the marks locks the repository, so that two who mark one prefix do it in turn."""
    reasons = dict(prefixes)
    repository = str(repository_id)
    rows = yield from ask("take_marks", id=repository, count=len(reasons))
    if not rows:
        raise RepositoryNotFound(f"no repository has the id {repository_id}")
    first = rows[0][0] - len(reasons) + 1
    marked = [
        (repository, mark, prefix, reason)
        for mark, (prefix, reason) in enumerate(reasons.items(), start=first)
    ]
    yield from each("unmark", ("repository_id", "prefix"), [(repository, prefix) for prefix in reasons])
    yield from each("mark", ("repository_id", "mark", "prefix", "reason"), marked)


def _dirty(repository_id: UUID) -> Work[list[DirtyPath]]:
    rows = yield from ask("dirty", repository_id=str(repository_id))
    return [DirtyPath._make(row) for row in rows]


def _clear(repository_id: UUID, seen: Sequence[DirtyPath]) -> Work[None]:
    marks = [(str(repository_id), dirty.mark) for dirty in seen]
    yield from each("clear_dirty", ("repository_id", "mark"), marks)


def _report(repository_id: UUID, problems: Sequence[Problem], healthy: Sequence[str]) -> Work[None]:
    repository = str(repository_id)
    yield from each("forget_path", ("repository_id", "path"), [(repository, path) for path in healthy])
    rows = [(repository, path, code.value, message) for path, code, message in problems]
    yield from each("report_problem", ("repository_id", "path", "code", "message"), rows)


def _forget(repository_id: UUID, prefix: str, before: datetime, unknown: Sequence[str]) -> Work[None]:
    repository = str(repository_id)
    rows = yield from ask("problems_before", repository_id=repository, before=before)
    solved = [
        (repository, path, code, before)
        for path, code in rows
        if within(prefix, path) and not any(within(hidden, path) for hidden in unknown)
    ]
    yield from each("forget_problem", ("repository_id", "path", "code", "before"), solved)


def _problems(wanted: dict[str, Any], after: ProblemPlace | None) -> Work[list[KnownProblem]]:
    if after is None:
        rows = yield from ask("problems", **wanted)
    else:
        place = {"after_repository": str(after.repository_id), "after_path": after.path}
        rows = yield from ask("problems_after", **wanted, **place, after_code=after.code)
    return [problem_from(row) for row in rows]
