"""What a page reads by itself is read again from an engine that is back, even if it is the same one."""

from __future__ import annotations

from typing import Any

import pytest
from stage import stage
from test_setup_pictures import Canned
from values import repository, status

from treeledger.errors import EngineAway
from treeledger.tui.model import Away, Looked

pytestmark = pytest.mark.anyio
HERE = Looked(status(), [repository()], [], 0)


class Wavering(Canned):
    """An engine that is away now and then."""

    is_away = False

    async def ignore_patterns(self, repository: str | None = None) -> Any:
        if self.is_away:
            raise EngineAway("no engine answers at the moment")
        return await super().ignore_patterns(repository)


async def test_why_rules_could_not_be_read_is_not_said_once_they_can() -> None:
    client = Wavering()
    async with stage(client=client) as shown:
        await shown.tell(HERE)
        await shown.press("5")
        await shown.until("Enter edits")
        client.is_away = True
        await shown.tell(Away("the line broke", 1))
        await shown.press("f5")
        await shown.until("no engine answers at the moment")
        client.is_away = False
        await shown.tell(HERE)
        await shown.until("Enter edits")
