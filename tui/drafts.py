"""Ignore patterns as they are typed: one draft for each place where they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from treeledger.names import shown
from treeledger.wire_ignore import IgnorePatterns

Home = str | None
"""Whose patterns: of the repository of this name, or of all."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Patterns as a person edits them: those that were read from `where`, and the text that is typed."""

    where: str
    before: tuple[str, ...]
    text: str

    @classmethod
    def of(cls, where: str, patterns: Sequence[str]) -> Draft:
        return cls(where, tuple(patterns), "".join(f"{one}\n" for one in patterns))

    @property
    def patterns(self) -> tuple[str, ...]:
        """A line each; empty ones are none."""
        return tuple(line for line in self.text.split("\n") if line.strip())

    @property
    def is_changed(self) -> bool:
        return self.patterns != tuple(one for one in self.before if one.strip())

    @property
    def is_plain(self) -> bool:
        """Whether what is read can be edited as it is shown."""
        return all(shown(one) == one for one in self.before)

    def read_again(self, where: str, patterns: Sequence[str]) -> Draft:
        """After these were read; what a person has typed meanwhile stays."""
        if not self.is_changed:
            return Draft.of(where, patterns)
        return replace(self, where=where, before=tuple(patterns))


class Drafts:
    """What a person has typed so far, kept until it is written."""

    def __init__(self) -> None:
        self._by_home: dict[Home, Draft] = {}

    def get(self, home: Home) -> Draft | None:
        """None where nothing was read yet, or there is no place for them."""
        return self._by_home.get(home)

    def is_changed(self, home: Home) -> bool:
        draft = self.get(home)
        return draft is not None and draft.is_changed

    def typed(self, home: Home, text: str) -> None:
        """Notes what the editor holds."""
        draft = self.get(home)
        if draft is not None and draft.is_plain:
            self._by_home[home] = replace(draft, text=text)

    def read(self, home: Home, patterns: IgnorePatterns) -> None:
        """Notes what is written; what a person has typed stays."""
        known = self.get(home) or Draft.of(patterns.where, ())
        self._by_home[home] = known.read_again(patterns.where, patterns.patterns)

    def written(self, home: Home, patterns: IgnorePatterns) -> None:
        """Begins anew with what is written now."""
        self._by_home[home] = Draft.of(patterns.where, patterns.patterns)

    def undo(self, home: Home) -> None:
        draft = self.get(home)
        if draft is not None:
            self._by_home[home] = Draft.of(draft.where, draft.before)

    def drop(self, home: Home) -> None:
        self._by_home.pop(home, None)

    def unsaved(self) -> str:
        """What is lost with them, for people; "" if nothing is."""
        whose = [home or "all repositories" for home in self._by_home if self.is_changed(home)]
        if not whose:
            return ""
        return f"Patterns that are typed but not written are lost: those of {shown(', '.join(whose))}."
