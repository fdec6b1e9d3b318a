"""Previews of ignore patterns: asked for portion by portion, added up, and left after a while."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final

import anyio

from treeledger import wire
from treeledger.client import Client
from treeledger.errors import RootOffline
from treeledger.tui.ignore_texts import Found

_PATIENCE: Final = 60.0  # seconds that a preview looks for more


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
