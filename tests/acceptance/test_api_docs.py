"""docs/api.md is true: its examples run against a daemon, and it lists every route there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from daemons import daemon

from treeledger.api.catalog import built_in
from treeledger.api.openapi import openapi_route

PAGE: Final = Path(__file__).parents[2] / "docs" / "api.md"
TEXT: Final = PAGE.read_text()
BLOCKS: Final = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """That of a shell on a machine whose daemon watches the repository `photos`."""
    for path, text in (("2024/a.jpg", "one"), ("2024/05/b.jpg", "one"), ("notes.txt", "two")):
        file = tmp_path / "photos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    places = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    with daemon(tmp_path, XDG_RUNTIME_DIR=places["XDG_RUNTIME_DIR"]):
        yield {**os.environ, **places}


def commands() -> list[tuple[str, str]]:
    """Each command of the page with what it prints, as it is shown."""
    return [
        (command.removeprefix("$ "), printed)
        for block in BLOCKS
        for command, printed in re.findall(r"^(\$ .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_print_what_the_page_shows(environ: dict[str, str]) -> None:
    said = []
    for command, shown in commands():
        if command.startswith("ask()"):
            said.append(command)
            continue
        script = "\n".join([*said, command])
        run = subprocess.run(
            ["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        pattern = re.escape(shown.strip()).replace(r"\.\.\.", ".*")
        assert re.fullmatch(pattern, run.stdout.strip(), re.DOTALL), f"{command}\n{run.stdout}{run.stderr}"


def test_the_page_lists_exactly_the_routes_there_are_with_the_token_that_each_takes() -> None:
    routes = built_in()
    there_are = {(one.method, one.path, one.right.value) for one in (*routes, openapi_route(routes))}
    listed = set(re.findall(r"^\| `([A-Z]+) ([^`?]+)` \| (\w+) \|", TEXT, re.MULTILINE))
    assert listed == {(method, re.sub(r":int}", "}", path), right) for method, path, right in there_are}
