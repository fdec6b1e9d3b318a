"""Which store the ledger lives in: the flag, the environment, plugins.toml, else the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from treeledger.config.configuration import Configuration
from treeledger.config.discovery import state_folder
from treeledger.config.environment import STORE, STORE_FILE
from treeledger.config.secrets import resolve_secret
from treeledger.errors import ConfigurationError
from treeledger.protocols import StoreOptions


def store_url(configuration: Configuration, flag: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The store's URL as it was written, which may be a reference to a secret, and its origin."""
    if flag:
        return flag, "--store"
    if environ.get(STORE):
        return environ[STORE], STORE
    if environ.get(STORE_FILE):
        return f"file:{Path(environ[STORE_FILE]).absolute()}", STORE_FILE
    if configuration.store.url:
        return configuration.store.url, configuration.label
    return f"sqlite:{state_folder() / 'ledger.db'}", "default"


def store_options(configuration: Configuration, flag: str | None, environ: Mapping[str, str]) -> StoreOptions:
    """What a store plugin is given, its secrets resolved. Raises ConfigurationError.

    `[store] password` goes with a URL that names a server and has no password of its own.
    """
    written, origin = store_url(configuration, flag, environ)
    url = resolve_secret(written, environ).strip()
    if ":" not in url:
        raise ConfigurationError(f"{origin}: a store is sqlite:PATH or postgresql://USER@HOST/DATABASE")
    wanted = configuration.store.password if _takes_password(url) else None
    options = {"auto_migrate": configuration.store.auto_migrate}
    return StoreOptions(url, resolve_secret(wanted, environ) if wanted else None, options)


def _takes_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).netloc) and urlsplit(url).password is None
    except ValueError:
        return False
