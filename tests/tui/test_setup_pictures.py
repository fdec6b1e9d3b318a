"""How the pages of ignore rules and of plugins look, at three sizes and in two themes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from rich.cells import cell_len
from stage import SIZES, Stage, check_picture, stage
from test_pictures import assert_readable
from textual.screen import ModalScreen
from values import repository, status

from treeledger import wire
from treeledger.answers import PathRule, RepositoryRule, Setting
from treeledger.tui.model import Looked
from treeledger.tui.theme import THEMES
from treeledger.tui.widgets.editor import Editor
from treeledger.wire_ignore import IgnorePatterns, IgnorePreview, RuleEffect

pytestmark = pytest.mark.anyio
RULES = [
    (".*", "built-in"),
    ("*.tmp", "built-in"),
    ("@eaDir/", "preset synology"),
    ("*.lrdata/", "ignore.patterns"),
    ("!.nomedia", "ignore.patterns"),
    ("*.xmp", "ignore.patterns"),
    ("/export/[bold]*\x1b", ".treeledgerignore:3"),
]
PLUGINS = [
    ("blake3", "treeledger 0.1.0", ["hashers"], True, True, None),
    ("camera", "/etc/treeledger/plugins/camera.py", [], True, True, "camera.py: line 3: no module [exif]"),
    ("gitignore", "treeledger 0.1.0", ["ignore_filters"], True, True, None),
    ("sqlite", "treeledger 0.1.0", ["stores"], True, True, None),
    ("watchdog", "treeledger 0.1.0", ["event_sources"], True, False, None),
    ("webhook", "treeledger 0.1.0", ["actions", "api_routes", "attention"], True, True, None),
    ("zfs", "treeledger-zfs 2.1", [], False, False, None),
]
SETTINGS = [
    ("plugins.phone", "use", '"webhook"'),
    ("plugins.phone", "url", '"https://example.org/********"'),
    ("plugins.phone", "token", "********"),
]


class Canned:
    """An engine's answers that never change."""

    async def ignore_patterns(self, repository: str | None = None) -> IgnorePatterns:
        patterns = ["*.lrdata/", "!.nomedia"] if repository is None else ["*.xmp"]
        where = "/etc/treeledger/plugins.toml"
        return IgnorePatterns(repository=repository, where=where, patterns=patterns)

    async def ignore_rules(self, repository: str) -> AsyncIterator[RepositoryRule]:
        for rule, source in RULES:
            ignored = not rule.startswith("!")
            yield RepositoryRule(repository=repository, rule=rule, source=source, ignored=ignored)

    async def ignore_check(self, repository: str, paths: Sequence[str]) -> list[PathRule]:
        rule = {"ignored": True, "rule": "*.xmp", "source": "ignore.patterns"}
        return [PathRule(repository=repository, path=paths[0], **rule)]

    async def preview_ignore(
        self, repository: str, patterns: Sequence[str], *, of: str = "repository", after: str | None = None
    ) -> IgnorePreview:
        photos = [f"2025/11/IMG_{number}.CR3" for number in (4391, 4417, 4420)]
        return IgnorePreview(
            hides=[
                RuleEffect(
                    rule="*.CR3", source="ignore.patterns", files=1204, bytes=3_100_000_000, examples=photos
                ),
                RuleEffect(
                    rule="/inbox/", source="ignore.patterns", files=7, bytes=9_000, examples=["inbox/a b"]
                ),
            ],
            reveals=[
                RuleEffect(
                    rule="*.xmp", source="ignore.patterns", files=96_004, bytes=480e6, examples=photos[:1]
                )
            ],
            records=402_118,
            files=498_122,
            next=None,
        )

    async def plugins(self) -> AsyncIterator[wire.Plugin]:
        for name, origin, hooks, enabled, following, error in PLUGINS:
            yield wire.Plugin(
                name=name, origin=origin, hooks=hooks, enabled=enabled, enabled_next=following, error=error
            )

    async def config(self) -> AsyncIterator[Setting]:
        for table, key, value in SETTINGS:
            yield Setting(table=table, key=key, value=value, origin="/etc/treeledger/plugins.toml")


async def check(shown: Stage, name: str, size: tuple[int, int]) -> None:
    await shown.settle()
    check_picture(f"{name}-{size[0]}x{size[1]}", shown.text)
    assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
    if not isinstance(shown.app.screen, ModalScreen):  # what lies below one is dimmed
        assert_readable(shown)


@pytest.mark.parametrize(("theme", "size"), [(theme.name, size) for theme in THEMES for size in SIZES])
async def test_rules_and_plugins_look_as_they_were_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size, client=Canned()) as shown:
        shown.app.theme = theme
        await shown.tell(Looked(status(), [repository()], [], 0))
        await shown.press("5")
        await shown.until("Enter edits")
        await shown.until(r"treeledgerignore")
        await check(shown, "ignore", size)
        await shown.press("enter")
        shown.app.screen.query_one(Editor).insert("*.CR3\n/inbox/")
        await shown.until("all looked at")
        await check(shown, "ignore-edited", size)
        await shown.press("ctrl+s")
        await shown.until(r"\+ \*\.CR3")
        await check(shown, "ignore-question", size)
        await shown.press("escape", "escape", "6")
        await shown.until("camera")
        await shown.press("down")
        await shown.until(r"failed +camera\.py")
        await check(shown, "plugins", size)
        await shown.press("end", "up")
        await shown.until("url")
        await check(shown, "plugins-options", size)
