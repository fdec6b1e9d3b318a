"""The event source `beat`: has the whole tree looked at every so often."""

from contextlib import asynccontextmanager

import anyio

from treeledger import impl
from treeledger.config.settings import Duration, Section
from treeledger.model import Observation
from treeledger.protocols import EventSource, SourceHealth, Watch


class Options(Section, frozen=True, kw_only=True):
    """The keys of [plugins.beat]."""

    every: Duration = Duration(60)


class Beat(EventSource):
    name = "beat"
    debounce = 0.0

    def __init__(self, every):
        self.every = every

    def suits(self, root, file_system_type):
        return 'it is taken only where it is named: source = "beat"'

    @asynccontextmanager
    async def watch(self, root, filters):
        watch = BeatWatch(self.every)
        try:
            yield watch
        finally:
            watch.ended.set()


class BeatWatch(Watch):
    def __init__(self, every):
        self.every = every
        self.ended = anyio.Event()

    async def observations(self):
        while not self.ended.is_set():
            with anyio.move_on_after(self.every):
                await self.ended.wait()
                return
            yield [Observation("", subtree=True, at_once=True)]

    def health(self):
        return SourceHealth()


@impl
def event_sources(tables):
    return [Beat(tables.options("beat", Options).every)]
