"""docs/api.md is true: its examples run against a daemon, and it lists every route there is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Final

import pytest
from daemons import daemon
from executable import WITHIN

from treeledger.api.catalog import built_in
from treeledger.api.openapi import openapi_route

PAGE: Final = Path(__file__).parents[2] / "docs" / "api.md"
TEXT: Final = PAGE.read_text()
BLOCKS: Final = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
_LASTING: Final = re.compile(r"--max-time \d+")
# Where a person gives a reader of events half a second to be there, it is waited for.
_SLEEP: Final = r"""
is_there() { ask /metrics 2> /dev/null | grep -q '^treeledger_api_readers{stream="events"} 1'; }
sleep() { until is_there; do command sleep 0.05; done; }
"""


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


def printed(script: str, environ: dict[str, str], pattern: re.Pattern[str]) -> str:
    """All that a script prints; of a stream, which ends only after some time, as much as is wanted."""
    is_stream = bool(_LASTING.search(script))
    command = ["bash", "-c", _LASTING.sub(f"--max-time {WITHIN:g}", script)]
    with subprocess.Popen(
        command, env=environ, stdout=PIPE, stderr=STDOUT, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        text = ""
        for line in run.stdout:
            text += line
            if is_stream and pattern.fullmatch(text.strip()):
                os.killpg(run.pid, signal.SIGKILL)
                break
    return text


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_print_what_the_page_shows(environ: dict[str, str]) -> None:
    said = [_SLEEP]
    for command, shown in commands():
        if command.startswith("ask()"):
            said.append(command)
            continue
        pattern = re.compile(re.escape(shown.strip()).replace(r"\.\.\.", ".*"), re.DOTALL)
        text = printed("\n".join([*said, command]), environ, pattern)
        assert pattern.fullmatch(text.strip()), f"{command}\n{text}"


def test_the_page_lists_exactly_the_routes_there_are_with_the_token_that_each_takes() -> None:
    routes = built_in()
    there_are = {(one.method, one.path, one.right.value) for one in (*routes, openapi_route(routes))}
    listed = set(re.findall(r"^\| `([A-Z]+) ([^`?]+)` \| (\w+) \|", TEXT, re.MULTILINE))
    assert listed == {(method, re.sub(r":int}", "}", path), right) for method, path, right in there_are}
