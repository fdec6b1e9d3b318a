"""The API, fuzzed from its own document: no request is a bug, and every answer is as the document says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from treeledger.api.catalog import built_in

SERVE: Final = Path(__file__).parents[1] / "serve.py"
TOKEN: Final = "0123456789abcdef-fuzz"
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
WITHIN: Final = 240.0  # seconds that it may take on a busy machine
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
    """Of an engine that watches some files. What a request could mean by `~` or `.` lies within them."""
    root = tmp_path / "photos"
    for number in range(30):
        file = root / f"{number % 3}/{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number % 10))
    environ = {**os.environ, "HOME": str(root / "0"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    settings = ["listen=127.0.0.1:0", f"token={TOKEN}"]
    arguments = [sys.executable, str(SERVE), str(tmp_path / "ledger.db"), str(root), *settings]
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            arguments,
            cwd=root / "1",
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as engine,
    ):
        assert engine.stdin is not None
        assert engine.stdout is not None
        try:
            _, address = json.loads(engine.stdout.readline())
            yield address
            assert engine.poll() is None, log.read_text()
            engine.stdin.close()
            assert engine.wait(30) == 0
        finally:
            engine.kill()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 60)
@pytest.mark.skipif(shutil.which("schemathesis") is None, reason="needs schemathesis")
def test_whatever_is_asked_is_answered_as_the_document_says(address: str, tmp_path: Path) -> None:
    endless = [
        part
        for one in built_in()
        if one.streams and one.answers is None
        for part in ("--exclude-path", one.path)
    ]
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    run = subprocess.run(
        [
            "schemathesis",
            "--config-file=schemathesis.toml",
            "run",
            f"{address}/api/openapi.json",
            f"--header=Authorization: Bearer {TOKEN}",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=10",
            "--seed=1",
            "--continue-on-failure",
            "--request-timeout=20",
            "--no-color",
            *endless,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
