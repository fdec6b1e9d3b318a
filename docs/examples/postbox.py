"""The receiver `postbox`: a line in a file for each thing that waits for a person.

[attention]
notify = ["postbox"]

[plugins.postbox]
file = "postbox.py"
path = "~/treeledger.txt"
"""

from pathlib import Path

import anyio

from treeledger import impl
from treeledger.config.settings import Section
from treeledger.names import shown


class Options(Section, frozen=True, kw_only=True):
    """The keys of a table of `postbox`, beside those that every plugin's table has."""

    path: str


class Postbox:
    def __init__(self, name, path):
        self.name = name
        self.path = Path(path).expanduser()

    async def send(self, notices):
        await anyio.to_thread.run_sync(self.write, [line(notice) for notice in notices])

    def write(self, lines):
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def line(notice):
    word = "over" if notice.is_over else "again" if notice.waiting.told else "new"
    return f"{word}: {shown(notice.waiting.message)}"


@impl
def attention(tables):
    return [Postbox(name, options.path) for name, options in tables.instances("postbox", Options)]
