"""What the engine is asked about ignore rules: those that hold, and previews, portion by portion."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import anyio

from treeledger import wire
from treeledger.client import Client
from treeledger.errors import RootOffline, UsageError
from treeledger.tui.ignore_texts import Found, Rule, with_origins
from treeledger.wire_ignore import IgnorePatterns

_PATIENCE: Final = 60.0  # seconds that a preview looks for more


class Known(NamedTuple):
    """Of one repository: its patterns, those of all, and the rules that hold.

    Where there is no place for those of all, or the root is not there, `no_place` and `no_rules` say why.
    """

    own: IgnorePatterns
    for_all: IgnorePatterns | None
    rules: tuple[Rule, ...]
    no_place: str = ""
    no_rules: str = ""


async def known(client: Client, name: str) -> Known:
    """What there is to know of a repository. Raises TreeledgerError."""
    own = await client.ignore_patterns(name)
    for_all, no_place, no_rules = None, "", ""
    try:
        for_all = await client.ignore_patterns()
    except UsageError as error:
        no_place = str(error)
    try:
        rules = [one async for one in client.ignore_rules(name)]
    except RootOffline as error:
        rules, no_rules = [], f"{name}: {error}"
    of_all = () if for_all is None else for_all.patterns
    return Known(own, for_all, with_origins(rules, of_all, own.patterns, name), no_place, no_rules)


async def previewed(
    client: Client, repositories: Sequence[wire.Repository], patterns: Sequence[str], *, for_all: bool
) -> AsyncGenerator[Found, None]:
    """What was found so far, after each portion; at last what is over.

    `for_all`: if all repositories had these patterns, of which some are judged. One that is offline is told,
    and the others go on. Raises TreeledgerError.
    """
    found = Found(expected=sum(one.files for one in repositories))
    end = anyio.current_time() + _PATIENCE
    for one in repositories:
        after: str | None = None
        while not found.is_cut:
            try:
                portion = await client.preview_ignore(
                    one.name, patterns, of="defaults" if for_all else "repository", after=after
                )
            except RootOffline as error:
                found = replace(found, trouble=f"{one.name}: {error}")
                break
            found = found.added(portion, one.name if for_all else "")
            yield found
            if (after := portion.next) is None:
                break
            found = replace(found, is_cut=anyio.current_time() > end)
    yield replace(found, is_over=True)
