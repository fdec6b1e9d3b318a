"""Secrets: references that are resolved where they are used, and masks for what is shown.

A secret is written `env:NAME`, `file:PATH` or `credential:NAME` (systemd's `$CREDENTIALS_DIRECTORY`);
anything else is the secret itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from treeledger.errors import ConfigurationError

MASK: Final = "********"
_REFERENCE: Final = re.compile(r"(env|file|credential):.+")
_SECRET_KEY: Final = re.compile(r"passw|secret|token|credential|authorization|api_?key", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(?P<start>[a-z][a-z0-9+.-]*://[^/?#\s]*?:)[^/?#\s]*(?=@)", re.IGNORECASE)
_QUERY_PASSWORD: Final = re.compile(r"(?P<start>[?&](?:password|token|sslpassword)=)[^&\s]*", re.IGNORECASE)


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
    path = path.expanduser()
    if not path.is_absolute():
        raise ConfigurationError(f"{text}: write an absolute path")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{text}: cannot read the secret: {reason}") from None


def mask_url(url: str) -> str:
    """A URL without its password, for logs and screens."""
    return _QUERY_PASSWORD.sub(rf"\g<start>{MASK}", _URL_PASSWORD.sub(rf"\g<start>{MASK}", url))


def shown_value(key: str, value: object) -> str:
    """A value as TOML spells it, its secrets masked; a reference to a secret is shown as it is."""
    if isinstance(value, str):
        hidden = bool(_SECRET_KEY.search(key)) and not is_reference(value)
        return MASK if hidden else json.dumps(mask_url(value), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {shown_value(name, part)}" for name, part in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown_value(key, part) for part in value) + "]"
    return "none" if value is None else str(value)
