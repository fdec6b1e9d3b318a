"""Limits of the process: what runs out is said, and nothing is taken for gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from matrix import fault

LIMITED = """
import resource, sys
from treeledger.cli.main import main
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["treeledger", *sys.argv[2:]]
sys.exit(main())
"""


def run(home: Path, descriptors: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(home), "TREELEDGER_CONFIG": "", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(descriptors), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@fault(
    "the process may open so few files that it runs out of descriptors",
    "the error or problem says so, nothing is taken for gone, and it heals",
)
def test_out_of_descriptors(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for n in range(40):
        folder = root.joinpath(*(f"d{m}" for m in range(n % 12)))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{n}").write_text(str(n))
    assert run(tmp_path, 1024, "scan", str(root)).returncode == 0
    failed = 0
    for descriptors in (10, 16, 22, 34):
        done = run(tmp_path, descriptors, "scan", "--rehash", str(root))
        assert "Traceback" not in done.stderr, done.stderr
        assert "removed=0" in done.stdout or done.returncode != 0
        if done.returncode:
            failed += 1
            assert done.stderr.strip(), f"a silent failure with {descriptors} descriptors"
    assert failed
    done = run(tmp_path, 1024, "scan", str(root))
    assert (done.returncode, "unchanged" in done.stderr) == (0, False), done.stderr
    assert "added=0 updated=0 moved=0 removed=0" in done.stdout
    listed = run(tmp_path, 1024, "files", "--json").stdout.splitlines()
    assert [json.loads(line)["hash_state"] for line in listed] == ["done"] * 40
