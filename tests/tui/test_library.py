"""What is private in the libraries that draw, and yet used here: no more than is listed, and it is there."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest
from stage import stage
from textual.css.stylesheet import Stylesheet

import treeledger.tui

LIBRARIES = ("textual", "textual_serve")
USED = {
    "Dashboard": {"_css_update_count"},  # the styles that a screen was drawn with
    "TerminalDriver": {"_debug"},  # what the parser of keys is made with
    "Window": {  # how a process is started, which no shell shall do, and ended
        "_build_environment",
        "_download_manager",
        "_open_app_process",
        "_process",
        "_stdin",
        "_task",
    },
}


def classes() -> Iterator[type]:
    """All of the dashboard."""
    for module in pkgutil.walk_packages(treeledger.tui.__path__, "treeledger.tui."):
        for one in vars(import_module(module.name)).values():
            if isinstance(one, type) and one.__module__ == module.name:
                yield one


@cache
def bodies(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module as they are written."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@cache
def names(one: type, *, read: bool) -> frozenset[str]:
    """The private names that a class defines and sets in itself; with `read` also those that it reads."""
    found: set[str] = set()
    body = bodies(one.__module__)[one.__name__]
    for node in body.body:
        match node:
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                found.add(name)
    for inner in ast.walk(body):
        match inner:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ctx) if read or isinstance(ctx, ast.Store):
                found.add(name)
    return frozenset(name for name in found if name.startswith("_") and not name.startswith("__"))


def test_nothing_private_is_used_or_taken_but_what_is_listed() -> None:
    found = {}
    for one in classes():
        theirs = [base for base in one.__mro__ if base.__module__.partition(".")[0] in LIBRARIES]
        if private := names(one, read=True) & {name for base in theirs for name in names(base, read=False)}:
            found[one.__name__] = private
    assert found == USED


@pytest.mark.anyio
async def test_a_screen_that_is_opened_first_has_no_style_sheet_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed = []
    async with stage() as shown:
        monkeypatch.setattr(Stylesheet, "reparse", lambda sheet: parsed.append(shown.app.screen))
        for key, title in (("2", "Operations"), ("4", "Attention"), ("1", "Repositories")):
            await shown.press(key)
            await shown.until(f"─ {title}")
    assert not parsed
