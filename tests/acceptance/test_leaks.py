"""What is printed: no secret, whatever goes wrong, and no control character, whatever files are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from executable import Done, Executable, until
from receiver import Receiver, receiving

CANARY = "kanarienvogel4711"
CONFIGURATION = """
[store]
password = "CANARY"

[plugins.phone]
use = "webhook"
url = "http://me:CANARY@ADDRESS/CANARY?token=CANARY&x=CANARY"
secret = "CANARY"
headers = { X-Api-Key = "CANARY", Authorization = "Bearer CANARY", X-Plain = "CANARY" }

[plugins.away]
use = "webhook"
url = "env:AWAY_URL"
secret = "file:SECRET"

[plugins.own]
file = "own.py"
api_key = "CANARY"
dsn = "postgresql://me:CANARY@db/x"
accounts = [{ password = "CANARY" }]
"""
PLUGIN = """
from treeledger.config.settings import Section
from treeledger.hookspecs import impl

class Options(Section, frozen=True, kw_only=True):
    api_key: str
    dsn: str
    accounts: list[dict[str, str]]

@impl
def walkers(tables):
    tables.options("own", Options)
    return {}

@impl
def doctor_checks(tables):
    raise RuntimeError("cannot log in to https://me:CANARY@db/x?api_key=CANARY with password='CANARY'")
"""
COMMANDS = (
    "config show", "config show ", "config check", "plugins", "plugins ", "doctor", "doctor ", "status",
    "repo", "changes", "jobs", "jobs show 1", "jobs show 2", "jobs show 1 ", "store check",
    "explain photos:a",
    "scan",
)  # fmt: skip
AS_JSON = frozenset(("config show ", "plugins ", "doctor ", "jobs show 1 ", "status", "changes"))
NAMES = (
    b"new\nline", b"\x1b[31mred", b"bell\a", b"back\b\b\b", b"\r12:00:00 ERROR forged", b"\xc2\x9b31mC1",
    b"\xe2\x80\xaetxt.exe", b"\xff\xfe", b"\x7fdel", b"tab\there",
)  # fmt: skip
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def home(tmp_path: Path) -> Executable:
    return Executable(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def any_code(treeledger: Executable, *arguments: str | bytes | Path, **environ: str) -> Done:
    """Runs a command that may fail."""
    for code in (0, 1, 2, 3, 4, 5):
        try:
            return treeledger(*arguments, code=code, environ=environ)
        except AssertionError as error:
            if "Traceback" in str(error):
                raise
            wrong = error
    raise wrong


@pytest.mark.slow
def test_no_output_of_any_command_shows_a_secret(home: Executable, receiver: Receiver) -> None:
    (home.home / "photos").mkdir()
    (home.home / "photos/a").write_text("a")
    secret = home.home / "secret"
    secret.write_text(CANARY)
    secret.chmod(0o600)
    text = CONFIGURATION.replace("ADDRESS", receiver.url.removeprefix("http://"))
    text = text.replace("SECRET", str(secret)).replace("CANARY", CANARY)
    own = PLUGIN.replace("CANARY", CANARY)
    for name, content in (("plugins.toml", text), ("own.py", own)):
        (home.home / name).write_text(content)
        (home.home / name).chmod(0o600)
    environ = {
        "TREELEDGER_CONFIG": str(home.home / "plugins.toml"),
        "AWAY_URL": f"http://me:{CANARY}@127.0.0.1:1/{CANARY}?token={CANARY}",
    }
    receiver.answers.extend([(404, {"X": CANARY}), (302, {"Location": f"http://x/{CANARY}"})] * 3)
    with home.started("-v", "watch", home.home / "photos", **environ) as watching:
        watching.until(r"watching, |is degraded")
        (home.home / "photos/b").write_text("b")

        def are_tried() -> bool:
            jobs = home("jobs", "--json", environ=environ).json
            return {job["action"] for job in jobs if job["last_error"] is not None} == {"phone", "away"}

        until(are_tried, "both webhooks tried")
    outputs = [watching.text]
    assert receiver.deliveries[0].headers["x-api-key"] == CANARY
    for command in COMMANDS:
        form = "--json" if command in AS_JSON else "-v"
        done = any_code(home, *command.split(), form, **environ)
        outputs += [done.text, done.err]
    assert [one for one in outputs if CANARY in one] == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:CANARY@127.0.0.1:1/x",
        "postgresql://me:CANARY%zz@127.0.0.1:1/x",
        "postgresql://me:CANARY/with/slash@127.0.0.1:1/x",
        "postgresql://me:12/CANARY@127.0.0.1:1/x",
        "postgresql://127.0.0.1:1/x?password=CANARY&no_such=1",
        "postgresql://127.0.0.1:CANARY/x",
        "mysql://me:CANARY@h/x",
        "env:STORE_URL",
    ],
)
def test_no_error_about_the_store_shows_its_password(home: Executable, url: str) -> None:
    environ = {"STORE_URL": f"postgresql://me:{CANARY}@127.0.0.1:1/x"}
    done = any_code(home, "status", "-v", "--store", url.replace("CANARY", CANARY), **environ)
    assert CANARY not in done.text + done.err


def test_no_name_reaches_the_terminal_raw(home: Executable) -> None:
    root = bytes(home.home / "photos")
    for name in NAMES:
        for path in (root + b"/" + name, root + b"/folder" + name + b"/" + name):
            path_of = path.rpartition(b"/")[0]
            Path(path_of.decode("utf-8", "surrogateescape")).mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(name)
    (home.home / "photos/.treeledgerignore").write_bytes(b"a\x1b[31m\\\n[\x9b\n*.bak\x07\\\n")
    hostile = root + b"/" + NAMES[1] + b" repo"
    Path(hostile.decode()).mkdir()
    outputs = []
    with home.started("-v", "watch", home.home / "photos", terminal=False) as watching:
        watching.until(r"watching, |is degraded")
        for name in NAMES:
            with open(root + b"/again" + name, "wb") as file:
                file.write(name)
        watching.until("again")
    outputs.append(watching.raw.decode())
    for arguments in (
        ["files"], ["changes"], ["problems", "--notes"], ["status"], ["repo"], ["doctor"], ["operations"],
        ["explain", root + b"/" + NAMES[1]], ["explain", root + b"/" + NAMES[0]], ["explain", b"/no\x1b[31m"],
        ["ignore", "list"], ["ignore", "check", "-v", root + b"/" + NAMES[2]],
        ["scan", root + b"/" + NAMES[3]],
        ["scan", b"/no/such/\x1b[31m"], ["files", b"*\x1b[31m*"], ["repo", "remove", "\x1b[31m"],
        ["--config", b"/no/\x1b[31m", "status"], ["--store", b"sqlite:/\x1b[31m/x", "status"], ["\x1b[31m"],
        ["-v", "scan", "--rehash", home.home / "photos"], ["import", "sha256sum", b"/no\x1b[31m"],
        ["init", b"/no/\x1b[31m"], ["store", "backup", b"/no/\x1b[31m/x"], ["config", "check", b"\x1b[31m"],
    ):  # fmt: skip
        done = any_code(home, *arguments)
        outputs += [done.text, done.err]
    for command in ("files", "changes", "problems", "explain photos:again\x9b"):
        outputs.append(any_code(home, *command.split(), "--json").text)
    found = [CONTROL.findall(one) for one in outputs]
    assert [one for one, controls in zip(outputs, found, strict=True) if controls] == []
    assert not any(re.search("^12:00:00 ERROR forged", one, re.MULTILINE) for one in outputs)
