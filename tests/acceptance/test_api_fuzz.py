"""The API, fuzzed from its own document: no request is a bug, and every answer is as the document says.

TREELEDGER_FUZZ is how many random requests each route is sent; `make stress` sends more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest
from daemons import daemon

from treeledger.api.catalog import built_in
from treeledger.api.routes_work import WORK_ROUTES
from treeledger.api.routing import Route
from treeledger.api.table import NAME

TOKEN: Final = "0123456789abcdef-fuzz"
SETTINGS: Final = f'[api]\nlisten = "127.0.0.1:0"\ntoken = "{TOKEN}"\n'
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
EXAMPLES: Final = int(os.environ.get("TREELEDGER_FUZZ", "25"))
WITHIN: Final = 600.0 + 10 * EXAMPLES  # seconds that it may take on a busy machine
ANSWER: Final = 60  # seconds until a request counts as never answered
CONFIGURATION: Final = """\
[dictionaries]
names = { values = ["photos"] }
nobody = { values = ["nobody"] }
ids = { values = [1, 2, 3] }
paths = { values = ["0/0.jpg", "0", "0/", "../0", "*.jpg"] }

[parameters]
"path.name" = { dictionary = "names", probability = 0.5 }
"path.id" = { dictionary = "ids", probability = 0.5 }
"query.repository" = { dictionary = "names", probability = 0.5 }
"query.path" = { dictionary = "paths", probability = 0.5 }
"query.prefix" = { dictionary = "paths", probability = 0.5 }
"body.repository" = { dictionary = "names", probability = 0.5 }

[[operations]]
include-name = "DELETE /api/repositories/{name}"
parameters = { "path.name" = { dictionary = "nobody" } }
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a daemon that watches some files."""
    for number in range(30):
        file = tmp_path / f"photos/{number % 3}/{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number % 10))
    with daemon(tmp_path, SETTINGS) as running:
        (address,) = re.findall("^api: (http.*)$", running.text, re.MULTILINE)
        yield address


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 60)
def test_whatever_is_asked_is_answered_as_the_document_says(address: str, tmp_path: Path) -> None:
    endless = {one.path for one in built_in() if one.streams and one.answers is None}
    asked = fuzz(
        address, tmp_path, f"--max-examples={EXAMPLES}", *(f"--exclude-path={path}" for path in endless)
    )
    assert asked >= {shown(one) for one in built_in() if one.path not in endless}


@pytest.mark.slow
def test_work_is_told_as_events_whatever_is_asked_for(address: str, tmp_path: Path) -> None:
    asked = fuzz(
        address, tmp_path, "--max-examples=5", "--include-tag=work", "--header=Accept: text/event-stream"
    )
    assert asked == {shown(one) for one in WORK_ROUTES}


def fuzz(address: str, folder: Path, *arguments: str) -> set[str]:
    """Fails unless all goes well; the methods and paths that were asked."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    run = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "--config-file=schemathesis.toml",
            "run",
            f"{address}/api/openapi.json",
            f"--header=Authorization: Bearer {TOKEN}",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            "--seed=1",
            "--continue-on-failure",
            f"--request-timeout={ANSWER}",
            "--suppress-health-check=too_slow",  # which is about this machine, and what else it does
            "--no-color",
            "--report-junit-path=report.xml",
            *arguments,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    report = ElementTree.parse(folder / "report.xml")
    return {str(case.get("name")) for case in report.iter("testcase") if case.find("skipped") is None}


def shown(route: Route) -> str:
    """A method and its path as the document has them."""
    path = NAME.sub(r"{\1}", route.path)
    return f"{route.method} {path}"
