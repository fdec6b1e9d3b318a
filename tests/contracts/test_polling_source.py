"""The `polling` source keeps the contract, and rests between scans."""

from __future__ import annotations

import anyio
import pytest

from treeledger.config.tables import PluginTables
from treeledger.errors import ConfigurationError
from treeledger.model import Observation
from treeledger.plugins.polling import PollingSource, event_sources
from treeledger.protocols import EventSource
from treeledger.testing.sources import PATIENCE, EventSourceContract


class TestPollingSource(EventSourceContract):
    hears_paths = False

    @pytest.fixture
    def source(self) -> EventSource:
        return PollingSource(interval=0.01)

    async def test_everything_is_reported_again_and_again(self, source: EventSource) -> None:
        async with source.watch("/data", ()) as watch:
            stream = watch.observations()
            with anyio.fail_after(PATIENCE):
                for _ in range(3):
                    assert list(await anext(stream)) == [Observation("", subtree=True, at_once=True)]
                    watch.scanned(0.0)

    async def test_it_asks_for_no_second_scan_before_the_first_has_ended(self, source: EventSource) -> None:
        has_ended = False

        async def scan() -> None:
            nonlocal has_ended
            await anyio.sleep(0.2)
            has_ended = True
            watch.scanned(0.0)

        async with source.watch("/data", ()) as watch:
            stream = watch.observations()
            with anyio.fail_after(PATIENCE):
                await anext(stream)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(scan)
                    await anext(stream)
                    assert has_ended

    async def test_after_a_scan_it_rests_ten_times_as_long(self, source: EventSource) -> None:
        async with source.watch("/data", ()) as watch:
            stream = watch.observations()
            begin = anyio.current_time()
            watch.scanned(0.03)
            with anyio.fail_after(PATIENCE):
                await anext(stream)
            assert anyio.current_time() - begin >= 0.3

    async def test_it_waits_for_the_interval_first(self) -> None:
        async with PollingSource(interval=0.2).watch("/data", ()) as watch:
            begin = anyio.current_time()
            with anyio.fail_after(PATIENCE):
                await anext(watch.observations())
            assert anyio.current_time() - begin >= 0.2

    @pytest.mark.parametrize("type", ["nfs", "fuse.sshfs", "ext4", ""])
    def test_it_suits_every_root(self, source: EventSource, type: str) -> None:
        assert source.suits("/data", type) is None


def test_the_interval_is_an_option() -> None:
    (source,) = event_sources(PluginTables({"polling": {"interval": "10m"}}))
    assert isinstance(source, PollingSource)
    assert source.name == "polling"
    assert source.interval == 600


def test_an_interval_that_would_never_rest_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="one second"):
        event_sources(PluginTables({"polling": {"interval": "0s"}}))
