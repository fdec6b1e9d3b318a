"""Ignore patterns as JSON: where they are written, how they are to change, and what that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from treeledger import wire
from treeledger.api.routing import MOST, Form

if TYPE_CHECKING:
    from treeledger.ignore_patterns import PatternHome
    from treeledger.ignore_preview import Effect, Preview

Patterns = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)]
Of = Literal["repository", "defaults"]


class IgnorePatterns(wire.Form, frozen=True, kw_only=True):
    """The patterns of a repository, or of all (null), and the place where they are written."""

    repository: str | None
    where: str
    patterns: list[str]

    @classmethod
    def of(cls, home: PatternHome, repository: str | None) -> IgnorePatterns:
        return cls(repository=repository, where=home.label, patterns=list(home.patterns))


class PatternsChange(Form, frozen=True, kw_only=True):
    """`patterns` in the place of `before`: those that were read. Without a `repository` those of all."""

    repository: str | None = None
    before: tuple[str, ...]
    patterns: Patterns


class PatternsTrial(Form, frozen=True, kw_only=True):
    """What would change in a repository if it, or `[defaults]`, had these patterns. `after` is the `next` of
    the portion before."""

    repository: str
    of: Of = "repository"
    patterns: Patterns
    after: str | None = None


class RuleEffect(wire.Form, frozen=True, kw_only=True):
    """Files that one rule hides, how many bytes they have, and the first few of them."""

    rule: str
    source: str
    files: int
    bytes: int
    examples: list[str]

    @classmethod
    def of(cls, effect: Effect) -> RuleEffect:
        return cls(
            rule=effect.rule,
            source=effect.source,
            files=effect.files,
            bytes=effect.bytes,
            examples=effect.examples,
        )


class IgnorePreview(wire.Form, frozen=True, kw_only=True):
    """A portion of what other patterns would change.

    `hides` by the rules that would ignore, `reveals` by those that ignore now; `records` of the ledger and
    `files` of the disk were judged. `next` asks for the portion after it, null at the end.
    """

    hides: list[RuleEffect]
    reveals: list[RuleEffect]
    records: int
    files: int
    next: str | None

    @classmethod
    def of(cls, found: Preview, next: str | None) -> IgnorePreview:
        return cls(
            hides=[RuleEffect.of(one) for one in found.hides.values()],
            reveals=[RuleEffect.of(one) for one in found.reveals.values()],
            records=found.records,
            files=found.files,
            next=next,
        )
