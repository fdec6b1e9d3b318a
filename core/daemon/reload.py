"""Reading plugins.toml again while all goes on: what changed is taken up, a wrong file is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from treeledger.config.configuration import Configuration, load
from treeledger.config.discovery import find
from treeledger.errors import ConfigurationError, TreeledgerError
from treeledger.ledger import Ledger

log = logging.getLogger(__name__)


def needs_restart(before: Configuration, after: Configuration) -> list[str]:
    """What differs between two configurations, and is not taken up before a restart, as the file names it."""
    held = (
        ("host", before.host, after.host),
        ("plugin_dirs", before.plugin_dirs, after.plugin_dirs),
        ("[api]", before.api, after.api),
        ("[store] url", before.store.url, after.store.url),
        ("[store] password", before.store.password, after.store.password),
        ("[store] auto_migrate", before.store.auto_migrate, after.store.auto_migrate),
        ("[log] file", before.log_file, after.log_file),
    )
    old, new = before.plugins.raw(), after.plugins.raw()
    tables = [
        f"[plugins.{name}]" for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)
    ]
    return [name for name, was, now in held if was != now] + tables


class Reload:
    """Has a running ledger read its configuration again, one reading at a time."""

    def __init__(
        self,
        ledger: Ledger,
        flag: str | None,
        environ: Mapping[str, str],
        taken: Callable[[Configuration], None],
    ) -> None:
        """`flag` is the value of `--config`. `taken` is called with a configuration that holds from now on;
        it may raise ConfigurationError to have it refused."""
        self._ledger = ledger
        self._flag = Path(flag) if flag is not None else None
        self._environ = environ
        self._taken = taken
        self._started_with = ledger.configuration
        self._reading = anyio.Lock()

    async def __call__(self) -> None:
        """Raises TreeledgerError, with what is wrong; then all goes on as before."""
        async with self._reading:
            try:
                await self._reload()
            except TreeledgerError as error:
                log.error("the configuration is refused, and all goes on as before: %s", error)
                raise

    async def _reload(self) -> None:
        before = self._ledger.configuration
        configuration = await anyio.to_thread.run_sync(self._read)
        self._taken(configuration)
        try:
            await self._ledger.reconfigure(configuration)
        except TreeledgerError:
            self._taken(before)
            raise
        log.info("%s was read again", configuration.label)
        if left := needs_restart(self._started_with, configuration):
            log.warning("%s: %s changed, which takes a restart", configuration.label, ", ".join(left))

    def _read(self) -> Configuration:
        """Of the place where it was found before. Raises ConfigurationError."""
        found = find(self._flag, self._environ, Path.cwd())
        configuration = load(found.path, self._environ)
        before = self._ledger.configuration.path
        if before is not None and configuration.path != before:
            raise ConfigurationError(found.hint or f"{before} is no longer there")
        return configuration
