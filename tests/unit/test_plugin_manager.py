"""Plugins: found without being imported, loaded as needed, and a bad one is named."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from treeledger.config.configuration import Configuration, load
from treeledger.config.settings import RepositorySettings, Section
from treeledger.doctor import Check, CheckState, Probe, run_probes, worst
from treeledger.errors import ConfigurationError, PluginError
from treeledger.panels import panels_of
from treeledger.plugin_files import load_plugin_file
from treeledger.plugin_manager import PluginManager, PluginStatus
from treeledger.protocols import PartRef, StoreOptions

NOW = datetime(2026, 11, 20, 14, 2, 31, tzinfo=UTC)
HEADER = "from treeledger.hookspecs import impl\nfrom treeledger.protocols import PartRef\n"
HASHER = HEADER + "@impl\ndef hashers(tables):\n    return {'%s': PartRef(__file__, 'New', {})}\n"
SOURCE = (
    HEADER
    + """
class Source:
    debounce = 1.0
    def __init__(self, name): self.name = name
    def suits(self, root, file_system_type): return None
    def watch(self, root, filters): raise NotImplementedError

@impl%s
def event_sources(tables):
    return [Source('%s')]
"""
)
ACTION = (
    HEADER
    + """
from treeledger.config.settings import Section

class Options(Section, frozen=True, kw_only=True):
    url: str

class Action:
    def __init__(self, name, url): self.name, self.url = name, url
    def plan(self, entries): return []
    async def run(self, job): pass

@impl
def actions(tables):
    return [Action(name, options.url) for name, options in tables.instances('hook', Options)]
"""
)
RECEIVER = (
    HEADER
    + """
from treeledger.config.settings import Section

class Options(Section, frozen=True, kw_only=True):
    to: str

class Mailer:
    def __init__(self, name): self.name = name
    async def send(self, notices): pass

@impl
def attention(tables):
    return [Mailer(name) for name, options in tables.instances('mailer', Options)]
"""
)


class Folder:
    """A plugins.toml with the plugins beside it; entry points are those a test installs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "plugins").mkdir(mode=0o755)

    def plugin(self, name: str, source: str) -> Path:
        file = self.path / "plugins" / f"{name}.py"
        file.write_text(source)
        file.chmod(0o644)
        return file

    def configuration(self, text: str = "") -> Configuration:
        file = self.path / "plugins.toml"
        file.write_text('plugin_dirs = ["plugins"]\n' + text)
        file.chmod(0o644)
        return load(file, {})

    def manager(self, text: str = "") -> PluginManager:
        return PluginManager(self.configuration(text))

    def loaded(self, text: str = "") -> PluginManager:
        manager = self.manager(text)
        manager.load()
        return manager

    def install(self, *names: str, group: str = "treeledger") -> None:
        """Makes plugins beside the file the entry points of a distribution called `parts`."""
        library = self.path / "library"
        info = library / "parts-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1.2\n")
        lines = [f"{name} = parts_{name}\n" for name in names]
        (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(lines))
        for name in names:
            (self.path / "plugins" / f"{name}.py").rename(library / f"parts_{name}.py")
        sys.path.insert(0, str(library))
        found = importlib.metadata.PathDistribution(info)
        self._entry_points = importlib.metadata.EntryPoints(found.entry_points)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    folder._entry_points = importlib.metadata.EntryPoints(())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda *, group: folder._entry_points.select(group=group)
    )
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith(("treeledger_plugin_", "parts_")):
            del sys.modules[name]


def status(manager: PluginManager, name: str) -> PluginStatus:
    return next(plugin for plugin in manager.plugins() if plugin.name == name)


# --- finding and loading -------------------------------------------------------------------------


def test_finding_plugins_imports_none_and_loading_imports_only_what_is_named(folder: Folder) -> None:
    folder.plugin("first", HASHER % "first")
    folder.plugin("second", HASHER % "second")
    folder.install("first", "second")
    manager = folder.manager()
    assert [plugin.name for plugin in manager.plugins()] == ["first", "second"]
    manager.load({"second"})
    assert "parts_first" not in sys.modules
    assert list(manager.hashers()) == ["second"]
    assert status(manager, "second") == PluginStatus("second", "parts 1.2", ("hashers",), True, None)
    assert status(manager, "first").hooks == ()


def test_plugins_enter_from_installed_packages_folders_and_tables(folder: Folder) -> None:
    folder.plugin("a", HASHER % "a")
    folder.install("a")
    folder.plugin("b", HASHER % "b")
    elsewhere = folder.path / "c.py"
    elsewhere.write_text(HASHER % "c")
    elsewhere.chmod(0o644)
    manager = folder.loaded('[plugins.notes]\nfile = "c.py"\n')
    assert list(manager.hashers()) == ["a", "b", "c"]
    assert status(manager, "notes").origin == str(elsewhere)


def test_a_plugin_that_is_switched_off_is_not_imported(folder: Folder) -> None:
    folder.plugin("broken", "raise RuntimeError")
    manager = folder.loaded("[plugins.broken]\nenabled = false\n")
    assert status(manager, "broken") == PluginStatus(
        "broken", str(folder.path / "plugins/broken.py"), (), False, None
    )


def test_two_plugins_of_one_name_are_refused(folder: Folder) -> None:
    folder.plugin("same", "")
    other = folder.path / "other.py"
    other.write_text("")
    with pytest.raises(PluginError, match="two plugins are called 'same'"):
        folder.loaded('[plugins.same]\nfile = "other.py"\n')


def test_a_plugin_folder_that_is_missing_or_that_others_can_write_is_refused(folder: Folder) -> None:
    (folder.path / "plugins").chmod(0o777)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        folder.loaded()
    (folder.path / "plugins").rmdir()
    with pytest.raises(ConfigurationError, match=r"plugin_dirs: .*No such file"):
        folder.loaded()


def test_a_file_is_loaded_once_and_its_bytecode_cache_is_not_used(folder: Folder) -> None:
    file = folder.plugin("once", "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n")
    module = load_plugin_file(file)
    assert load_plugin_file(file) is module
    assert module.__file__ == str(file)
    assert not (file.parent / "__pycache__").exists()


# --- failing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import nothing_of_this_name",
            "No module named 'nothing_of_this_name', .*bad.py:1",
        ),
        ("x = 1\ndef broken(:\n", "SyntaxError: .*bad.py:2"),
        ("\n\nraise ValueError('no disk')", "ValueError: no disk, .*bad.py:3"),
        ("import sys\nsys.exit('install it')", "SystemExit: install it, .*bad.py:2"),
        (HEADER + "@impl\ndef hashes(tables): pass\n", "unknown hook 'hashes'"),
        (HEADER + "@impl\ndef hashers(table): pass\n", "Argument.*table"),
    ],
)
def test_a_plugin_that_fails_to_load_is_named_and_the_rest_runs_on(
    folder: Folder, source: str, message: str
) -> None:
    folder.plugin("bad", source)
    folder.plugin("good", HASHER % "good")
    manager = folder.loaded()
    assert list(manager.hashers()) == ["good"]
    error = status(manager, "bad").error or ""
    assert error.startswith(f"plugin 'bad' ({folder.path}/plugins/bad.py): ")
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise AssertionError(error)
    with pytest.raises(PluginError, match=f"(?s)plugin 'bad' .*{message}"):
        folder.loaded("[plugins.bad]\n")


def test_a_plugin_that_the_configuration_names_must_load(folder: Folder) -> None:
    folder.plugin("xxh3", "raise ValueError('no')")
    folder.loaded()
    with pytest.raises(PluginError, match="'xxh3'"):
        folder.loaded('[defaults.reconciliation]\nhashers = ["xxh3"]\n')


def test_a_plugin_file_that_others_can_write_is_not_run(folder: Folder) -> None:
    folder.plugin("open", "raise SystemExit('run')").chmod(0o666)
    assert "chmod go-w" in (status(folder.loaded(), "open").error or "")
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        folder.loaded("[plugins.open]\n")


@pytest.mark.parametrize(
    ("hook", "answer", "message"),
    [
        ("hashers", "['sha1']", "hashers gave a list, not a mapping of names to PartRef"),
        ("hashers", "{'x': len}", "hashers gave 'x': a builtin_function_or_method"),
        ("event_sources", "[3]", r"event_sources gave an int, which is no EventSource \(it lacks name"),
        ("event_sources", "3", "event_sources gave an int, not a list of EventSource"),
        ("actions", "[object]", "actions gave the class object, which is no Action"),
    ],
)
def test_a_wrong_answer_is_named(folder: Folder, hook: str, answer: str, message: str) -> None:
    folder.plugin("odd", HEADER + f"@impl\ndef {hook}(tables): return {answer}\n")
    with pytest.raises(PluginError, match=f"plugin 'odd' .*: {message}"):
        getattr(folder.loaded("[plugins.odd]\n"), hook)()
    manager = folder.loaded()
    assert not getattr(manager, hook)()
    assert status(manager, "odd").error


def test_a_hook_that_raises_is_named_with_its_line(folder: Folder) -> None:
    folder.plugin("odd", HEADER + "@impl\ndef hashers(tables):\n    return 1 / 0\n")
    manager = folder.loaded()
    assert manager.hashers() == {}
    assert "ZeroDivisionError: division by zero, " in (status(manager, "odd").error or "")
    assert (status(manager, "odd").error or "").endswith("odd.py:5")


def test_two_plugins_cannot_give_one_name(folder: Folder) -> None:
    folder.plugin("a", HASHER % "crc")
    folder.plugin("b", HASHER % "crc")
    with pytest.raises(PluginError, match="both plugin 'a' and plugin 'b' give 'crc'"):
        folder.loaded().hashers()


# --- parts ---------------------------------------------------------------------------------------


def test_sources_are_tried_in_registration_order_save_those_that_ask_for_another(folder: Folder) -> None:
    folder.plugin("a", SOURCE % ("(trylast=True)", "last"))
    folder.plugin("b", SOURCE % ("", "second"))
    folder.plugin("c", SOURCE % ("(tryfirst=True)", "first"))
    folder.plugin("d", SOURCE % ("", "third"))
    sources = folder.loaded().event_sources()
    assert [source.name for source in sources] == ["first", "second", "third", "last"]


def test_an_action_runs_once_for_each_table_that_is_its_own_or_uses_it(folder: Folder) -> None:
    folder.plugin("hook", ACTION)
    assert folder.loaded().actions() == []
    manager = folder.loaded(
        '[plugins.phone]\nuse = "hook"\nurl = "p"\nrepositories = ["photos"]\nbackfill = true\n'
        '[plugins.hook]\nurl = "h"\n[plugins.off]\nuse = "hook"\nurl = "o"\nenabled = false\n'
    )
    assert [action.name for action in manager.actions()] == ["phone", "hook"]
    manager.check([])


def test_a_wrong_option_is_a_configuration_error_that_names_the_table(folder: Folder) -> None:
    folder.plugin("hook", ACTION)
    with pytest.raises(ConfigurationError, match=r"\[plugins.hook\] has no key 'ulr'; did you mean"):
        folder.loaded('[plugins.hook]\nulr = "h"\n').actions()
    with pytest.raises(ConfigurationError, match=r"\[plugins.phone\] needs the key 'url'"):
        folder.loaded('[plugins.phone]\nuse = "hook"\n').actions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[plugins.hok]\nurl = 'x'", r"\[plugins.hok\] is no plugin's table; did you mean 'hook'"),
        ("[plugins.phone]\nuse = 'hok'", r"\[plugins.phone\] uses 'hok', no plugin; did you mean 'hook'"),
        ("[plugins.phone]\nuse = 'plain'", "uses 'plain', which has no instances"),
        ("[plugins.plain]\nsize = 3", "has the key 'size', but the plugin takes no options"),
        ("[defaults]\nwalker = 'runner'", "walker = 'runner': no plugin has it"),
        (
            "[defaults.reconciliation]\nhashers = ['sha25']",
            "'sha25': no plugin has it; did you mean 'sha256'",
        ),
        ("[defaults.file_watcher]\nsource = 'inotify'", "source = 'inotify': no plugin has it"),
    ],
)
def test_what_no_plugin_reads_or_has_is_an_error(folder: Folder, text: str, message: str) -> None:
    walker = "@impl\ndef walkers(tables): return {'walker': PartRef('a', 'b', {})}\n"
    folder.plugin("hook", ACTION)
    folder.plugin("plain", HASHER % "sha256" + walker)
    right = folder.configuration('[plugins.plain]\n[plugins.hook]\nurl = "x"\n')
    manager = PluginManager(right)
    manager.load()
    manager.check([right.settings_for()])
    wrong = folder.configuration(text)
    manager = PluginManager(wrong)
    manager.load()
    with pytest.raises(ConfigurationError, match=message):
        manager.check([wrong.settings_for()])


def test_whom_attention_notifies_must_be_a_receiver(folder: Folder) -> None:
    text = '[plugins.phone]\nuse = "mailer"\nto = "me"\n[attention]\nnotify = ["%s"]\n'
    folder.plugin("mailer", RECEIVER)
    known = folder.loaded(text % "phone")
    known.check([])
    assert list(known.receivers()) == ["phone"]
    with pytest.raises(ConfigurationError, match=r"\[attention\] notify: .*'phon'.*did you mean 'phone'"):
        folder.loaded(text % "phon").check([])


def test_ignore_filters_see_the_settings_of_the_repository(folder: Folder) -> None:
    folder.plugin(
        "rules",
        HEADER
        + "@impl\ndef ignore_filters(settings):\n"
        + "    return [PartRef('m', 'F', {'p': settings.ignore.patterns})]\n",
    )
    (part,) = folder.loaded().ignore_filters(RepositorySettings(shown_as="x"))
    assert part == PartRef("m", "F", {"p": ()})


def test_a_listener_that_fails_does_not_stop_the_next(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.plugin("a", HEADER + "@impl\ndef recorded(entries): raise OSError('full')\n")
    folder.plugin("aa", HEADER + "@impl\ndef recorded(entries): raise SystemExit(1)\n")
    folder.plugin("b", HEADER + "seen = []\n@impl\ndef recorded(entries): seen.append(entries)\n")
    assert not folder.manager().listens
    manager = folder.loaded()
    assert manager.listens
    for _ in range(2):
        manager.recorded(None, [])  # type: ignore[arg-type]
    assert load_plugin_file(folder.path / "plugins/b.py").seen == [[], []]
    assert "plugin 'a'" in caplog.text


ROUTES = (
    HEADER
    + """
from treeledger.api.routing import Route

async def handler(service, asked): pass

@impl
def api_routes(tables):
    return [Route('GET', path, 'what it does', handler) for path in %s]
"""
)


def test_a_route_that_is_not_a_plugins_to_add_is_reported_and_the_others_are_taken(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.plugin("lamp", ROUTES % ["/api/plugins/lamp/a", "/api/status", "/api/plugins/lamp/a"])
    folder.plugin("bell", ROUTES % ["/api/plugins/lamp/b", "/api/plugins/bell/b"])
    taken = folder.loaded().api_routes()
    assert [route.path for route in taken] == ["/api/plugins/bell/b", "/api/plugins/lamp/a"]
    told = [record.message for record in caplog.records]
    assert len(told) == 3
    assert all(": api_routes gave GET /api/" in message for message in told)
    assert ["'bell'" in message for message in told] == [True, False, False]
    assert "a second time; left out" in told[2]


PANEL = (
    HEADER
    + """
from treeledger.config.settings import Section
from treeledger.protocols import Panel, Piece

class Options(Section, frozen=True, kw_only=True):
    word: str = "nothing"

class One(Panel):
    name, title = '%s', 'One'
    def __init__(self, word): self.word = word
    async def read(self, client): return None
    def draw(self, data, width, height, now): return [(Piece(self.word),)]

@impl
def panels(tables):
    return [One(tables.options('%s', Options).word)]
"""
)
BROKEN = HEADER + "@impl\ndef panels(tables):\n    return 1 / 0\n"


def test_panels_come_from_files_and_from_a_group_that_no_engine_loads(folder: Folder) -> None:
    folder.plugin("clock", PANEL % ("clock", "clock"))
    folder.install("clock", group="treeledger.tui")
    folder.plugin("file", PANEL % ("file", "file"))
    configuration = folder.configuration("[plugins.clock]\nword = 'now'\n")
    engine = PluginManager(configuration)
    engine.load()
    assert [panel.name for panel in engine.panels()] == ["file"]
    assert "parts_clock" not in sys.modules
    engine.check([])
    found = panels_of(configuration)
    assert [panel.name for panel in found] == ["clock", "file"]
    assert [panel.draw(None, 20, 5, NOW)[0][0].text for panel in found] == ["now", "nothing"]


def test_a_panel_that_cannot_be_had_says_why_in_its_place_even_if_its_table_stands_there(
    folder: Folder,
) -> None:
    folder.plugin("bad", BROKEN)
    folder.plugin("good", PANEL % ("good", "good"))
    good, bad = panels_of(folder.configuration("[plugins.bad]\n"))
    assert (good.name, bad.name) == ("good", "bad")
    lines = bad.draw(None, 40, 10, NOW)
    assert "ZeroDivisionError" in "".join(piece.text for line in lines for piece in line)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("keys = [('t', 'Try')]", "keys"),
        ("from treeledger.protocols import PanelKey\n    keys = [PanelKey('two words', 'Try', len)]", "keys"),
        ("every = 'often'", "every"),
        ("name = 7", "name"),
    ],
)
def test_a_panel_that_says_wrong_things_of_itself_is_named(folder: Folder, what: str, wrong: str) -> None:
    source = (PANEL % ("one", "one")).replace("    def __init__", f"    {what}\n    def __init__")
    folder.plugin("one", source)
    [panel] = panels_of(folder.configuration())
    assert f"has a wrong {wrong}" in panel.draw(None, 80, 5, NOW)[0][0].text


def test_a_plugin_whose_panels_are_none_is_named_when_the_configuration_is_checked(folder: Folder) -> None:
    folder.plugin("odd", HEADER + "@impl\ndef panels(tables): return [3]\n")
    with pytest.raises(PluginError, match=r"'odd' .*: panels gave an int, which is no Panel"):
        folder.loaded("[plugins.odd]\n").check([])


# --- stores --------------------------------------------------------------------------------------

STORE = (
    HEADER
    + """
from treeledger.protocols import Store
names = [name for name in vars(Store) if not name.startswith('_')]
Fake = type('Fake', (), dict.fromkeys(names, len))

@impl
def stores(options):
    if options.url.startswith('%s:'):
        made = Fake()
        made.url = options.url
        return made
"""
)


def test_a_store_is_made_without_importing_other_plugins(folder: Folder) -> None:
    folder.plugin("postgres", STORE % "postgresql")
    folder.plugin("other", "raise ValueError")
    manager = folder.manager()
    assert manager.store_for(StoreOptions("postgresql://db/x")).url == "postgresql://db/x"
    assert status(manager, "other").error is None


def test_a_store_of_another_name_is_found_and_an_unknown_url_is_an_error(folder: Folder) -> None:
    folder.plugin("duck", STORE % "db")
    manager = folder.manager()
    assert manager.store_for(StoreOptions("db:x")).url == "db:x"
    with pytest.raises(ConfigurationError, match=r"no plugin has a store for x://u:\*{8}@h"):
        manager.store_for(StoreOptions("x://u:secret@h"))


def test_a_store_that_cannot_be_imported_is_an_error_that_names_it(folder: Folder) -> None:
    folder.plugin("postgres", "import no_such_driver")
    with pytest.raises(PluginError, match=r"'postgres'.*no_such_driver"):
        folder.manager().store_for(StoreOptions("postgresql://db/x"))


# --- checks --------------------------------------------------------------------------------------


def test_a_probe_that_raises_is_a_failed_check_and_the_others_still_look(folder: Folder) -> None:
    def broken() -> list[Check]:
        raise OSError("no inotify")

    good = Check("store", CheckState.OK, "opens")
    checks = run_probes([Probe("watches", broken), Probe("store", lambda: [good])])
    assert checks == [Check("watches", CheckState.FAIL, "OSError: no inotify"), good]
    assert worst(checks) == CheckState.FAIL
    assert worst([good]) == worst([]) == CheckState.OK


def test_plugins_bring_checks_of_their_own(folder: Folder) -> None:
    folder.plugin(
        "nfs",
        HEADER
        + "from treeledger.doctor import Check, CheckState\n"
        + "@impl\ndef doctor_checks(): return [Check('nfs', CheckState.WARN, 'slow', 'poll')]\n",
    )
    assert folder.loaded().doctor_checks() == [Check("nfs", CheckState.WARN, "slow", "poll")]


def test_plugin_options_are_typed(folder: Folder) -> None:
    class Options(Section, frozen=True, kw_only=True):
        size: int = 3

    tables = folder.configuration("[plugins.a]\nsize = 5\nfile = 'x.py'\n").plugins
    assert tables.options("a", Options).size == 5
    assert tables.options("b", Options).size == 3
    assert tables.instance("a").file == "x.py"
