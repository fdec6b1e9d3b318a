"""Which route answers a method of a path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from treeledger.api.routing import Refusal, Route

NAME: Final = re.compile(r"{(\w+)(:int)?}")
LARGEST_NUMBER: Final = 10**18 - 1
_TEXT: Final = "[^/]+"
_NUMBER: Final = "[0-9]{1,18}"


class Found(NamedTuple):
    """A route, and what the names of its path stand for."""

    route: Route
    path: Mapping[str, str]


class Table:
    """The routes by path. Paths without names are looked up first."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: dict[re.Pattern[str], dict[str, Route]] = {}
        for route in routes:
            if NAME.search(route.path):
                self._patterns.setdefault(_pattern(route.path), {})[route.method] = route
            else:
                self._plain.setdefault(route.path, {})[route.method] = route

    def find(self, method: str, path: str) -> Found:
        """Raises Refusal if there is no such path, or it is for other methods."""
        methods, values = self._methods(path)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is for {allowed} only", {"Allow": allowed})
        return Found(route, values)

    def _methods(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        if path in self._plain:
            return self._plain[path], {}
        for pattern, methods in self._patterns.items():
            found = pattern.fullmatch(path)
            if found is not None:
                return methods, found.groupdict()
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")


def _pattern(path: str) -> re.Pattern[str]:
    plain, *names = NAME.split(path)
    text = re.escape(plain)
    for name, kind, plain in zip(names[::3], names[1::3], names[2::3], strict=True):
        text += f"(?P<{name}>{_NUMBER if kind else _TEXT}){re.escape(plain)}"
    return re.compile(text)
