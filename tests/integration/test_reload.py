"""A configuration is taken up while all goes on: only who differs is kept anew; a wrong one is refused."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from support import until, until_status

from treeledger.config.configuration import Configuration, load
from treeledger.daemon.reload import Reload, needs_restart
from treeledger.engine.engine import Engine
from treeledger.engine.keeper import Keeper
from treeledger.errors import ConfigurationError, TreeledgerError
from treeledger.ledger import Ledger
from treeledger.model import OperationType

pytestmark = pytest.mark.anyio


class Setup:
    """Two declared repositories, `a` and `b`, under watch."""

    def __init__(self, folder: Path, ledger: Ledger, engine: Engine) -> None:
        self.folder = folder
        self.ledger = ledger
        self.engine = engine
        self.taken: list[Configuration] = []
        file = ledger.configuration.path
        assert file is not None
        self.reload = Reload(ledger, str(file), os.environ, self.taken.append)

    async def keeper(self, name: str) -> Keeper:
        return self.engine.keepers[(await self.ledger.repository(name)).id]

    async def starts(self, name: str) -> int:
        """How often it was scanned for a start."""
        return len(
            [one for one in await self.ledger.sync_operations(name) if one.type is OperationType.STARTUP]
        )


def write(folder: Path, a: str = "", b: str = "", top: str = "") -> Path:
    """Declares them, with more keys of each, and more tables before."""
    file = folder / "plugins.toml"
    texts = [top]
    for name, more in (("a", a), ("b", b)):
        (folder / name).mkdir(exist_ok=True)
        texts.append(f'[[repositories]]\nname = "{name}"\nroot = "{folder / name}"\n{more}\n')
    file.write_text("\n".join(texts))
    file.chmod(0o600)
    return file


@pytest.fixture
async def setup(tmp_path: Path, store_url: str) -> AsyncIterator[Setup]:
    async with started(tmp_path, store_url) as setup:
        yield setup


@asynccontextmanager
async def started(folder: Path, store_url: str) -> AsyncIterator[Setup]:
    async with (
        Ledger.open(store=store_url, config=write(folder)) as ledger,
        ledger.started(command="daemon") as engine,
    ):
        setup = Setup(folder, ledger, engine)
        for name in ("a", "b"):
            await until_status(ledger, name, "watching")
        yield setup


async def test_who_does_not_differ_loses_no_watch(setup: Setup) -> None:
    before = await setup.keeper("a"), await setup.keeper("b")
    write(setup.folder, b='change_key = "strict"')
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(setup.reload)
        for n in range(20):
            (setup.folder / f"a/{n}").write_text("written while it is read again")
            await anyio.lowlevel.checkpoint()
    assert await setup.keeper("a") is before[0]
    assert await setup.keeper("b") is not before[1]
    assert (await setup.keeper("b")).settings.change_key == "strict"

    async def are_recorded() -> bool:
        return (await setup.ledger.repository("a")).files == 20

    async def is_scanned_again() -> bool:
        return await setup.starts("b") == 2

    await until(are_recorded, "20 files by their events")
    await until(is_scanned_again, "b scanned for another start")
    assert await setup.starts("a") == 1


async def test_what_holds_for_all_reaches_those_that_do_not_say_otherwise(setup: Setup) -> None:
    write(setup.folder, a='change_key = "strict"')
    await setup.reload()
    before = await setup.keeper("a"), await setup.keeper("b")
    write(setup.folder, a='change_key = "strict"', top='[defaults]\nchange_key = "size-mtime"\n')
    await setup.reload()
    assert await setup.keeper("a") is before[0]
    assert (await setup.keeper("b")).settings.change_key == "size-mtime"
    write(
        setup.folder,
        a='change_key = "strict"\nretention = "90d"',
        top='[defaults]\nchange_key = "size-mtime"\n',
    )
    await setup.reload()
    assert await setup.keeper("a") is before[0], "the default, written out"


@pytest.mark.parametrize(
    ("top", "b", "message"),
    [
        ("bogus = 1\n", "", "the top level has no key 'bogus'"),
        ("[defaults", "", "line 1"),
        ("", 'change_key = "strikt"', "did you mean 'strict'"),
        ("", 'walker = "runner"', "no plugin has it"),
        ('[plugins.phone]\nuse = "webhook"\n', "", "needs the key 'url'"),
        ('[attention]\nnotify = ["phone"]\n', "", "'phone' is told nothing by any plugin"),
        ("", 'ignore = { presets = ["synolgy"] }', "did you mean 'synology'"),
    ],
)
async def test_a_wrong_file_is_refused_and_all_goes_on_as_before(
    setup: Setup, top: str, b: str, message: str
) -> None:
    before = setup.ledger.configuration, await setup.keeper("a"), await setup.keeper("b")
    write(setup.folder, a='change_key = "strict"', b=b, top=top)
    with pytest.raises(ConfigurationError, match=message):
        await setup.reload()
    assert (setup.ledger.configuration, await setup.keeper("a"), await setup.keeper("b")) == before
    (setup.folder / "b/new").write_text("b")

    async def is_recorded() -> bool:
        return await setup.ledger.get_file_record("b", "new") is not None

    await until(is_recorded, "b/new")
    assert await setup.starts("b") == 1


async def test_repositories_that_the_store_refuses_leave_all_as_it_was(setup: Setup) -> None:
    before = await setup.keeper("a"), await setup.keeper("b")
    file = write(setup.folder, a='change_key = "strict"')
    inside = setup.folder / "b/inside"
    inside.mkdir()
    file.write_text(f'{file.read_text()}[[repositories]]\nname = "c"\nroot = "{inside}"\n')
    with pytest.raises(TreeledgerError, match="inside"):
        await setup.reload()
    assert (await setup.ledger.repository("a")).settings == {}
    assert (await setup.keeper("a"), await setup.keeper("b")) == before
    assert setup.taken[-1] is setup.ledger.configuration


async def test_one_that_leaves_the_file_is_paused_and_a_new_one_is_kept(setup: Setup) -> None:
    (setup.folder / "c").mkdir()
    file = write(setup.folder)
    file.write_text(file.read_text().replace('"b"', '"c"').replace('/b"', '/c"'))
    await setup.reload()
    await until_status(setup.ledger, "c", "watching")
    assert (await setup.ledger.repository("b")).paused
    assert len(setup.engine.keepers) == 2


async def test_what_another_host_declares_is_left_to_it(tmp_path: Path, store_url: str) -> None:
    for host in ("one", "two"):
        (tmp_path / host).mkdir()
        file = write(tmp_path / host, top=f'host = "{host}"')
        file.write_text(file.read_text().replace('name = "', f'name = "{host}-'))
        async with Ledger.open(store=store_url, config=file) as ledger:
            await ledger.sync_declared()
    async with Ledger.open(store=store_url, config=tmp_path / "one" / "plugins.toml") as ledger:
        await ledger.sync_declared()
        known = await ledger.repositories()
    assert [(one.name, one.declared, one.paused) for one in known] == [
        *(("one-a", True, False), ("one-b", True, False), ("two-a", True, False), ("two-b", True, False))
    ]


async def test_a_repository_of_another_host_is_not_taken_by_its_id(tmp_path: Path, store_url: str) -> None:
    own = 'id = "6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11"'
    for host in ("one", "two"):
        (tmp_path / host).mkdir()
        file = write(tmp_path / host, a=own, top=f'host = "{host}"')
        async with Ledger.open(store=store_url, config=file) as ledger:
            if host == "one":
                await ledger.sync_declared()
                continue
            with pytest.raises(ConfigurationError, match=r"'a' is that of a repository of the host one"):
                await ledger.sync_declared()
            known = await ledger.repositories()
    assert {one.root for one in known} == {str(tmp_path / "one" / name) for name in "ab"}


async def test_a_file_that_is_gone_is_no_empty_configuration(setup: Setup) -> None:
    write(setup.folder).unlink()
    with pytest.raises(ConfigurationError, match="there is no file"):
        await setup.reload()
    assert len(setup.engine.keepers) == 2


def test_what_takes_a_restart_is_named(tmp_path: Path) -> None:
    def configuration(top: str) -> Configuration:
        return load(write(tmp_path, top=top), {})

    before = configuration('[plugins.polling]\ninterval = "30s"\n')
    free = '[attention]\nremind = "2d"\n[log]\nlevel = "debug"\n[store]\njournal_retention = "9d"\n'
    after = configuration(f'{free}[plugins.polling]\ninterval = "30s"\n')
    assert needs_restart(before, after) == []
    after = configuration(
        'host = "nas"\n[store]\nurl = "sqlite:/x"\n[api]\nlisten = "127.0.0.1:1"\n[log]\nfile = "log"\n'
        "[plugins.sha256]\nenabled = true\n"
    )
    assert needs_restart(before, after) == [
        *("host", "[api]", "[store] url", "[log] file", "[plugins.polling]", "[plugins.sha256]")
    ]
