"""Which routes a plugin may add."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from treeledger.api.routing import Route
from treeledger.api.table import NAME

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PART: Final = r"(?:[\w.~-]+|{\w+(?::int)?})"


def wrong_with(route: Route, plugin: str, taken: Sequence[Route]) -> str | None:
    """Why a route cannot be taken into the table, None if it can. `taken`: the plugin's routes before it."""
    below = f"/api/plugins/{plugin}/"
    if route.method not in _METHODS:
        return f"but methods are {', '.join(_METHODS)}"
    if not route.path.startswith(below):
        return f"which is not below {below}"
    if not re.fullmatch(rf"{_PART}(?:/{_PART})*", route.path.removeprefix(below), re.ASCII):
        return "whose path is none; names stand in braces, {name} or {name:int}, between slashes"
    if any(_shape(route) == _shape(other) for other in taken):
        return "a second time"
    return None


def _shape(route: Route) -> tuple[str, str]:
    return route.method, NAME.sub("{}", route.path)
