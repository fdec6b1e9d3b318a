"""Secrets: references that are resolved where they are used, and masks for what is shown.

A secret is written `env:NAME`, `file:PATH` or `credential:NAME` (systemd's `$CREDENTIALS_DIRECTORY`);
anything else is the secret itself.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from treeledger.config.files import read_regular
from treeledger.errors import ConfigurationError

log = logging.getLogger(__name__)

MASK: Final = "********"
_REFERENCE: Final = re.compile(r"(env|file|credential):.+")
_LONGEST: Final = 2**16  # bytes of a secret's file
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OF_CONTAINERS: Final = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where containers find their secrets: readable by all, in a world that is theirs alone."""

_SECRET_PARTS: Final = re.compile(
    "passw|passphrase|secret|token|credential|authori[sz]ation|bearer|cookie|signature"
    "|(api|private|access|auth|account)key"
)
_SECRET_WORDS: Final = frozenset(("pass", "pw", "pwd", "pin", "dsn", "sig", "auth", "headers"))
_NO_LETTER: Final = re.compile(r"[^a-z0-9]+")

# A password may hold anything; digits up to the next slash are a port.
_URL_PASSWORD: Final = re.compile(
    r"(?P<start>[a-z][a-z0-9+.-]*://[^/?#\s:@]*:)(?!\d+(?:[/?#\s]|$))\S*(?=@)", re.IGNORECASE
)
_HTTP_USER: Final = re.compile(r"(?P<start>https?://)[^/?#\s:@]+(?=@)", re.IGNORECASE)
_QUERY: Final = re.compile(r"(?P<start>[?&;](?P<key>[^=&;?\s]+)=)[^&;#\s]+")
_ASSIGNED: Final = re.compile(
    r"(?P<start>\b(?:ssl)?passw(?:or)?d\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE
)
_HEADER: Final = re.compile(
    r"(?P<start>\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token))\s*:\s*)\S.*",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"(?P<start>https?://[^/?#\s]*).+", re.IGNORECASE | re.DOTALL)


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def resolve_secret(text: str, environ: Mapping[str, str] | None = None) -> str:
    """The secret a reference stands for. Raises ConfigurationError without telling what it holds."""
    environ = os.environ if environ is None else environ
    if not is_reference(text):
        return text
    kind, _, name = text.partition(":")
    if kind == "env":
        if name not in environ:
            raise ConfigurationError(f"{text}: the environment has no variable {name}")
        return environ[name]
    return _read_secret(text, _credential(text, name, environ) if kind == "credential" else Path(name))


def _credential(text: str, name: str, environ: Mapping[str, str]) -> Path:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ConfigurationError(f"{text}: CREDENTIALS_DIRECTORY is not set; does systemd pass credentials?")
    if "/" in name or name == "..":
        raise ConfigurationError(f"{text}: a credential is a name without slashes")
    return Path(folder, name)


def _read_secret(text: str, path: Path) -> str:
    path = Path(os.path.expanduser(path))
    if not path.is_absolute():
        raise ConfigurationError(f"{text}: write an absolute path")
    try:
        content, status = read_regular(path, _LONGEST)
        _check_rights(text, path, status.st_mode)
        return content.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{text}: cannot read the secret: {reason}") from None


def _check_rights(text: str, path: Path, mode: int) -> None:
    """Raises ConfigurationError if others may write a secret's file; that they may read it is said."""
    if mode & _OTHERS_MAY_WRITE:
        raise ConfigurationError(
            f"{text}: others can write this file (mode {stat.S_IMODE(mode):04o}); not read. "
            f"If it holds what it should: chmod go-w {path}"
        )
    if mode & stat.S_IROTH and not any(path.is_relative_to(folder) for folder in _OF_CONTAINERS):
        log.warning("%s: everybody on this machine can read this secret; chmod o-r %s", text, path)


def is_secret_key(key: str) -> bool:
    """Whether what stands under a key, header or query parameter of this name is a secret."""
    lower = key.lower()
    words = _NO_LETTER.split(lower)
    return _SECRET_PARTS.search("".join(words)) is not None or not _SECRET_WORDS.isdisjoint(words)


def mask(text: str) -> str:
    """A text without the secrets that can be told by their place in it, for logs and screens.

    Passwords of URLs and connection strings, the user of an HTTP URL, secret parameters of a query, and
    headers that authorize.
    """
    for pattern in (_URL_PASSWORD, _HTTP_USER, _ASSIGNED, _HEADER):
        text = pattern.sub(rf"\g<start>{MASK}", text)
    return _QUERY.sub(lambda found: found["start"] + MASK if is_secret_key(found["key"]) else found[0], text)


def shown_value(key: str, value: object, hidden: bool = False) -> str:
    """A value as TOML spells it, its secrets masked; a reference to a secret is shown as it is.

    `hidden`: it stands below a key whose values are secrets. Of an HTTP address only the host is shown.
    """
    hidden = hidden or is_secret_key(key)
    if isinstance(value, Mapping):
        parts = [f"{name} = {shown_value(name, part, hidden)}" for name, part in value.items()]
        return "{ " + ", ".join(parts) + " }" if parts else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown_value(key, part, hidden) for part in value) + "]"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if hidden and not (isinstance(value, str) and is_reference(value)):
        return MASK
    if isinstance(value, str):
        return json.dumps(mask(_ADDRESS.sub(rf"\g<start>/{MASK}", value)), ensure_ascii=False)
    return str(value)
