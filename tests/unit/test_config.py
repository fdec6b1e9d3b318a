"""Configuration: what is accepted, what wins, what is said about a mistake, and who is trusted."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from treeledger.config import discovery, edit, settings
from treeledger.config.configuration import Configuration, load, parse
from treeledger.config.environment import unread_variables
from treeledger.config.layers import PROFILES, leaves, nested
from treeledger.config.secrets import MASK, is_reference, mask, resolve_secret
from treeledger.config.show import repository_rows, rows
from treeledger.config.stores import store_options, store_url
from treeledger.config.template import TEMPLATE
from treeledger.errors import ConfigurationError, Unwritable
from treeledger.units import parse_duration, write_duration

TOP = Path(__file__).parents[2]
EXAMPLE = """
[store]
url = "postgresql://treeledger@db/treeledger"
password = "env:LEDGER"
retention = "30d"

[defaults]
profile = "large"
max_delete = { files = 500, window = "10m" }

[defaults.reconciliation]
batch_size = 70

[defaults.ignore]
presets = ["synology"]
patterns = ["*.lrdata/", "!.nomedia"]

[[repositories]]
name = "photos"  # the family's
root = "/data/photos"
ignore = { patterns = ["inbox/"] }
max_delete = { percent = 20 }

[[repositories]]
id = "6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11"
name = "documents"
root = "/data/documents"
reconciliation = { schedule = "30 3 * * 0" }

[plugins.phone]
use = "webhook"
url = "https://user:pass@example.org/hook"
token = "very secret"
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))


def read(text: str, environ: dict[str, str] | None = None) -> Configuration:
    return parse(text, Path("plugins.toml"), environ or {})


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


# --- what wins -----------------------------------------------------------------------------------


def test_everything_has_a_default() -> None:
    assert read("").settings_for() == settings.RepositorySettings()


def test_a_repository_lies_above_the_environment_above_the_file_above_its_profile() -> None:
    configuration = read(EXAMPLE, {"TREELEDGER_RECONCILIATION_MAX_CONCURRENCY": "3"})
    found = configuration.settings_for({"reconciliation": {"hash_timeout": "1h"}}).reconciliation
    assert found.interval == 48 * 3600  # profile
    assert found.batch_size == 70  # file over profile (50)
    assert found.max_concurrency == 3  # environment over profile (2)
    assert found.hash_timeout == 3600  # repository
    assert found.calculate_hashes  # hashes stay on in large repositories
    over = configuration.settings_for({"reconciliation": {"max_concurrency": 7}})
    assert over.reconciliation.max_concurrency == 7


def test_tables_merge_key_by_key_and_ignore_rules_of_a_repository_are_added() -> None:
    configuration = read(EXAMPLE)
    photos = configuration.settings_for(configuration.repositories[0].settings)
    assert photos.max_delete == settings.MaxDelete(files=500, percent=20.0, window=settings.Duration(600))
    assert photos.ignore.patterns == ("*.lrdata/", "!.nomedia", "inbox/")
    assert photos.ignore.presets == ("synology",)


def test_an_added_pattern_that_is_there_already_still_matches_last() -> None:
    configuration = read('[defaults.ignore]\npatterns = ["a", "!a"]')
    found = configuration.settings_for({"ignore": {"patterns": ["a"]}})
    assert found.ignore.patterns == ("a", "!a", "a")


def test_a_schedule_is_not_beaten_by_an_interval_from_below() -> None:
    configuration = read('[defaults.reconciliation]\ninterval = "12h"')
    found = configuration.settings_for({"reconciliation": {"schedule": "30 3 * * 0"}}).reconciliation
    assert (found.schedule, found.interval) == ("30 3 * * 0", None)


def test_off_takes_back_what_lies_below_but_a_file_may_be_called_so() -> None:
    text = '[defaults.reconciliation]\nquiet_hours = "18:00-23:30"\n'
    own = {"reconciliation": {"schedule": "off", "quiet_hours": "none"}, "marker": "none"}
    found = read(text).settings_for(own)
    assert (found.reconciliation.schedule, found.reconciliation.quiet_hours) == (None, None)
    assert found.marker == "none"


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_repository_s_own_profile_replaces_that_of_the_defaults(name: str) -> None:
    configuration = read('[defaults]\nprofile = "large"\n[defaults.reconciliation]\nbatch_size = 70')
    found = dict(leaves_of(configuration.settings_for({"profile": name})))
    for path, value in leaves(PROFILES[name]):
        assert found[path] == (parse_duration(value) if isinstance(value, str) else value)
    if name != "large":
        assert found["reconciliation", "max_concurrency"] != 2


def leaves_of(section: Any, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key in section.__struct_fields__:
        value = getattr(section, key)
        inner = leaves_of(value, (*above, key)) if isinstance(value, settings.Section) else None
        found += [((*above, key), value)] if inner is None else inner
    return found


def test_the_names_that_are_allowed_are_the_names_there_are() -> None:
    from treeledger.plugins.gitignore.presets import PRESETS

    assert set(get_args(settings.Profile)) == set(PROFILES)
    assert set(get_args(settings.Preset)) == set(PRESETS)


def test_retention_of_the_store_holds_where_the_defaults_say_nothing() -> None:
    assert read(EXAMPLE).settings_for().retention == 30 * 86400
    forever = '[store]\nretention = "30d"\n[defaults]\nretention = "forever"'
    assert read(forever).settings_for().retention is None


def test_full_scan_interval_is_another_name_of_interval() -> None:
    text = '[defaults.reconciliation]\nfull_scan_interval = "30m"'
    assert read(text).settings_for().reconciliation.interval == 1800
    with pytest.raises(ConfigurationError, match="its alias"):
        read(text + '\ninterval = "1h"')


@given(
    st.recursive(
        st.integers(), lambda below: st.dictionaries(st.text(max_size=3), below, min_size=1), max_leaves=9
    ).filter(lambda value: isinstance(value, dict))
)
def test_taking_tables_apart_and_nesting_them_again_changes_nothing(table: Any) -> None:
    assert nested(leaves(table)) == table


# --- the environment -----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["TREELEDGER_", ""])
def test_the_variables_that_the_field_knows_are_read_with_and_without_the_prefix(prefix: str) -> None:
    environ = {
        "RECONCILIATION_INTERVAL": "24h",
        "FILE_WATCHER_DEBOUNCE": "500ms",
        "RECONCILIATION_BATCH_SIZE": "11",
        "RECONCILIATION_MAX_CONCURRENCY": "12",
        "RECONCILIATION_CALCULATE_HASHES": "no",
    }
    found = read("", {prefix + name: value for name, value in environ.items()}).settings_for()
    assert found.file_watcher.debounce == 0.5
    assert found.reconciliation == settings.ReconciliationSettings(
        interval=settings.Duration(86400), batch_size=11, max_concurrency=12, calculate_hashes=False
    )


def test_the_prefixed_variable_wins_and_an_empty_one_is_unset() -> None:
    both = {"TREELEDGER_RECONCILIATION_BATCH_SIZE": "1", "RECONCILIATION_BATCH_SIZE": "2"}
    assert read("", both).settings_for().reconciliation.batch_size == 1
    both["TREELEDGER_RECONCILIATION_BATCH_SIZE"] = ""
    assert read("", both).settings_for().reconciliation.batch_size == 2


def test_lists_are_separated_by_commas_and_top_level_keys_have_variables_too() -> None:
    environ = {"TREELEDGER_IGNORE_PATTERNS": "*.a, !b ,", "TREELEDGER_CHANGE_KEY": "strict", "WALKER": "x"}
    found = read("", environ).settings_for()
    assert found.ignore.patterns == ("*.a", "!b")
    assert found.change_key == "strict"
    assert found.walker == "walker"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TREELEDGER_RECONCILIATION_INTERVAL", "24x"),
        ("RECONCILIATION_BATCH_SIZE", "many"),
        ("TREELEDGER_MAX_DELETE_PERCENT", "101"),
        ("TREELEDGER_RECONCILIATION_CALCULATE_HASHES", "maybe"),
    ],
)
def test_a_bad_variable_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} = '{value}': "):
        read("", {name: value})


def test_a_variable_that_looks_like_ours_is_pointed_out() -> None:
    environ = {"TREELEDGER_RECONCILATION_INTERVAL": "1h", "TREELEDGER_TOKEN": "x"}
    (sentence,) = unread_variables(environ)
    assert sentence.endswith("did you mean TREELEDGER_RECONCILIATION_INTERVAL?")


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[defaults.reconciliation]\nscedule = ''",
            "plugins.toml: [defaults.reconciliation] has no key 'scedule'; did you mean 'schedule'?",
        ),
        ("[stor]", "plugins.toml: the top level has no key 'stor'; did you mean 'store'?"),
        ("[surprise]", "the top level has no key 'surprise'; there are api, attention, defaults, host, "),
        (
            '[[repositories]]\nname = "a"\nroot = "/a"\nchange_kee = 1',
            "repository 'a' has no key 'change_kee'",
        ),
        (
            '[[repositories]]\nname = "a"\nroot = "/a"\nreconciliation = { batch = 1 }',
            "plugins.toml: repository 'a', [reconciliation] has no key 'batch'; did you mean 'batch_size'?",
        ),
        ('[[repositories]]\nroot = "/a"', "repository number 1 needs the key 'name'"),
        ('[[repositories]]\nname = "a/b"\nroot = "/a"', "has no slash"),
        ('[[repositories]]\nname = "a"\nroot = "a"', 'root = "a": must be an absolute path'),
        ('[[repositories]]\nname = "a"\nroot = "/a"\nid = "7"', 'id = "7": is no UUID'),
        ("[defaults.reconciliation]\nbatch_size = 'x'", "expected a whole number, got a text"),
        ("[defaults.reconciliation]\nbatch_size = 0", "batch_size = 0: expected a whole number, at least 1"),
        ("[defaults.max_delete]\npercent = 500", "percent = 500: expected a number, at most 100"),
        ("[defaults]\nprofile = 'larg'", "there is no 'larg'; did you mean 'large'?"),
        ("[defaults]\nchange_key = 'x'", "there are auto, no-ctime, size-mtime, strict"),
        ("[defaults.ignore]\npresets = ['synolgy']", "did you mean 'synology'?"),
        ("[defaults.ignore]\npatterns = ['a', 5]", "entry 2: expected a text"),
        ("[defaults.ignore]\npatterns = 'a'", "expected a list, got a text"),
        ("[defaults]\nignore = 5", "[defaults.ignore] must be a table"),
        ("[defaults.file_watcher]\ndebounce = 500", "write a duration with its unit"),
        ("[defaults.file_watcher]\ndebounce = '5'", "is not a duration"),
        ("[defaults.filter]\nmin_size = '5 MBit'", "is not a size"),
        ("[defaults.reconciliation]\ninterval = '0s'", "one second at least"),
        (
            "[defaults.reconciliation]\nschedule = '61 2 * * *'",
            "no cron expression (Bad minute): five fields",
        ),
        ("[defaults.reconciliation]\nschedule = '@daily'", "five fields"),
        ("[defaults.reconciliation]\nschedule = '* * * * * *'", "five fields"),
        ("[plugins.x]\nenabled = 3", "[plugins.x] enabled = 3: expected true or false"),
        ("[plugins.x]\nuse = 'y'\nfile = 'z.py'", "has both 'file' and 'use'"),
        ("a = 1\nb = = 2", "(at line 2, column 5)"),
        ("a = 1\nb =", "at the end, line 2"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read(text)


@pytest.mark.parametrize("key", ["name", "root", "id"])
def test_two_declared_repositories_differ(key: str) -> None:
    first = {"name": "a", "root": "/a", "id": "6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11"}
    second = {"name": "b", "root": "/b", "id": "6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a12", key: first[key]}
    with pytest.raises(ConfigurationError, match=f"two repositories have the {key}"):
        read(tomlkit.dumps({"repositories": [first, second]}))


def test_a_wrong_override_from_the_store_is_an_error_that_names_the_repository() -> None:
    with pytest.raises(ConfigurationError, match=r"^repository 'photos' has no key 'colour'"):
        read("").settings_for({"colour": 1}, label="repository 'photos'")


def test_the_configuration_that_comes_with_the_program_is_right_also_uncommented() -> None:
    text = (TOP / "plugins.toml").read_text()
    assert text.splitlines()[1:] == TEMPLATE.splitlines()[1:], "as `treeledger init` writes it"
    read(text)
    every = read(re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE))
    assert every.settings_for().filter.types == ("image/*", "video/*")
    assert [declared.name for declared in every.repositories] == ["photos"]


# --- finding and trusting ------------------------------------------------------------------------


def test_the_first_of_flag_variable_user_and_system_is_found(tmp_path: Path) -> None:
    def found(flag: Path | None = None, environ: dict[str, str] | None = None) -> Path | None:
        return discovery.find(flag, environ or {}, tmp_path / "here").path

    assert found() is None
    system = write(tmp_path / "etc/treeledger/plugins.toml", "")
    assert found() == system
    user = write(tmp_path / "config/treeledger/plugins.toml", "")
    assert found() == user == discovery.user_file()
    named = write(tmp_path / "named.toml", "")
    assert found(None, {"TREELEDGER_CONFIG": str(named)}) == named
    assert found(user, {"TREELEDGER_CONFIG": str(named)}) == user
    with pytest.raises(ConfigurationError, match=r"TREELEDGER_CONFIG: there is no file /nowhere"):
        found(None, {"TREELEDGER_CONFIG": "/nowhere"})


def test_a_file_in_the_working_folder_is_read_once_it_is_trusted_and_until_it_changes(tmp_path: Path) -> None:
    here = write(tmp_path / "plugins.toml", "")
    untrusted = discovery.find(None, {}, tmp_path)
    assert untrusted.path is None
    assert "treeledger config trust" in (untrusted.hint or "")
    discovery.trust(here)
    assert discovery.find(None, {}, tmp_path) == (here, None)
    here.write_text("[store]\n")
    assert not discovery.is_trusted(here)
    assert (discovery.state_folder() / "trusted.json").stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "plugins.toml", "", mode)
    with pytest.raises(ConfigurationError, match=f"chmod go-w {path}"):
        load(path, {})
    with pytest.raises(ConfigurationError, match="chmod"):
        discovery.trust(path)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "")
    os.chown(path, 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to user 12345"):
        load(path, {})


def test_a_file_that_is_no_text_or_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "plugins.toml"
    with pytest.raises(ConfigurationError, match=f"{path}: cannot be read: No such file"):
        load(path, {})
    path.write_bytes(b"host = \xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(path, {})


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    text = 'plugin_dirs = ["mine"]\n[plugins.notes]\nfile = "mine/notes.py"'
    configuration = load(write(tmp_path / "plugins.toml", text), {})
    assert configuration.plugin_dirs == (tmp_path / "mine",)
    assert configuration.plugins.file("notes") == tmp_path / "mine/notes.py"


# --- store and secrets ---------------------------------------------------------------------------


def test_the_store_is_that_of_the_flag_the_environment_the_file_or_the_user(tmp_path: Path) -> None:
    held = write(tmp_path / "url", "sqlite:/held\n")
    environ = {"TREELEDGER_STORE": "sqlite:/env", "TREELEDGER_STORE_FILE": str(held), "LEDGER": "x"}
    configuration = read(EXAMPLE)
    assert store_options(configuration, "sqlite:/flag", environ).url == "sqlite:/flag"
    assert store_options(configuration, None, environ).url == "sqlite:/env"
    del environ["TREELEDGER_STORE"]
    assert store_options(configuration, None, environ).url == "sqlite:/held"
    del environ["TREELEDGER_STORE_FILE"]
    assert store_options(configuration, None, environ).url == "postgresql://treeledger@db/treeledger"
    assert store_options(read(""), None, {}).url == f"sqlite:{tmp_path}/state/treeledger/ledger.db"
    assert store_url(read(""), None, {})[1] == "default"


def test_the_password_is_resolved_for_a_server_only() -> None:
    configuration = read(EXAMPLE)
    assert store_options(configuration, None, {"LEDGER": "pw"}).password == "pw"
    assert store_options(configuration, "sqlite:/x", {}).password is None
    assert store_options(configuration, "postgresql://me:own@db/x", {}).password is None
    with pytest.raises(ConfigurationError, match="no variable LEDGER"):
        store_options(configuration, None, {})


def test_secrets_come_from_the_environment_a_file_or_a_credential(tmp_path: Path) -> None:
    write(tmp_path / "pw", "from file\n")
    assert resolve_secret("plain: text", {}) == "plain: text"
    assert resolve_secret("env:PW", {"PW": "from env"}) == "from env"
    assert resolve_secret(f"file:{tmp_path}/pw", {}) == "from file"
    assert resolve_secret("credential:pw", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "from file"


@pytest.mark.parametrize(
    "reference", ["env:NO", "file:relative", "file:/no/such", "credential:pw", "credential:../x"]
)
def test_a_secret_that_is_not_there_is_an_error_that_names_the_reference(reference: str) -> None:
    environ = {"CREDENTIALS_DIRECTORY": "/no/such"} if "/" in reference else {}
    with pytest.raises(ConfigurationError, match=f"^{re.escape(reference)}: "):
        resolve_secret(reference, environ)


@given(st.text(st.characters(exclude_characters="/?#@ \\", categories=("L", "N", "P")), min_size=9))
def test_no_password_in_a_url_is_shown(password: str) -> None:
    for before, after in (("postgresql://me:", "@db/x"), ("postgresql://db/x?password=", "")):
        if "&" not in password:
            assert mask(f"{before}{password}{after}") == f"{before}{MASK}{after}"
    assert mask("postgresql://me@db:5432/x") == "postgresql://me@db:5432/x"


# --- config show ---------------------------------------------------------------------------------


def test_every_value_is_shown_with_its_origin_and_no_secret() -> None:
    configuration = read(EXAMPLE, {"RECONCILIATION_BATCH_SIZE": "7"})
    shown = {(row.table, row.key): (row.value, row.origin) for row in rows(configuration, None, {})}
    assert shown["defaults.reconciliation", "batch_size"] == ("7", "RECONCILIATION_BATCH_SIZE")
    assert shown["defaults.reconciliation", "max_concurrency"] == ("2", "profile large")
    assert shown["defaults.reconciliation", "calculate_hashes"] == ("true", "default")
    assert shown["defaults.max_delete", "window"] == ('"10m"', "plugins.toml")
    assert shown["defaults", "retention"] == ('"30d"', "plugins.toml [store]")
    assert shown["store", "password"] == ('"env:LEDGER"', "plugins.toml")
    assert shown["repositories.photos.ignore", "patterns"] == ('["inbox/"]', "plugins.toml")
    assert shown["plugins.phone", "token"] == (MASK, "plugins.toml")
    assert shown["plugins.phone", "url"] == (f'"https://user:{MASK}@example.org/{MASK}"', "plugins.toml")


def test_the_settings_of_one_repository_tell_both_places_of_an_added_rule() -> None:
    configuration = read(EXAMPLE)
    shown = {
        row.key: row
        for row in repository_rows(configuration, "photos", configuration.repositories[0].settings)
    }
    assert shown["patterns"].value == '["*.lrdata/", "!.nomedia", "inbox/"]'
    assert shown["patterns"].origin == "plugins.toml, repository 'photos'"


@given(st.integers(1, 10**9).map(lambda number: number / 1000))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-12)
    assert [write_duration(number) for number in (0, 0.5, 90, 600, 86400)] == [
        "0ms",
        "500ms",
        "90s",
        "10m",
        "1d",
    ]


# --- editing -------------------------------------------------------------------------------------

SHAPES = [
    "",
    "# only a comment\n",
    EXAMPLE,
    '[[repositories]]\nname = "p"\nroot = "/p"\n\n[repositories.reconciliation]\ninterval = "3h"\n',
    'repositories = [{ name = "p", root = "/p" }]\n',
    '[[repositories]]\nname = "p"\nroot = "/p"\nignore = { patterns = ["x"], builtin = false }\n',
    '[[repositories]]\nname = "p"\nroot = "/p"\n\n[repositories.ignore]\npatterns = ["x"]\n',
    "repositories = []\n",
    'defaults = { ignore = { patterns = ["a"] } }\n',
    '[defaults.ignore]\npatterns = ["a"]  # why\n[plugins.x]\nenabled = false\n',
]


@pytest.mark.parametrize("text", SHAPES)
def test_patterns_of_declared_repositories_can_be_set_in_every_shape_of_file(text: str) -> None:
    edited = text
    for one in read(text).repositories:
        edited = edit.set_patterns(edited, ["y", "!z"], one.name)
    expected = tomllib.loads(text)
    for table in expected.get("repositories", ()):
        table.setdefault("ignore", {})["patterns"] = ["y", "!z"]
    assert tomllib.loads(edited) == expected


@pytest.mark.parametrize("text", SHAPES)
def test_default_patterns_can_be_set_in_every_shape_of_file(text: str) -> None:
    assert read(edit.set_patterns(text, ["q", "!r"])).settings_for().ignore.patterns == ("q", "!r")


def test_an_edit_keeps_comments_and_all_other_lines() -> None:
    edited = edit.set_patterns(edit.set_patterns(EXAMPLE, ["y"], "photos"), ["q"])
    lost = [line for line in EXAMPLE.splitlines() if line not in edited.splitlines()]
    assert lost == ['patterns = ["*.lrdata/", "!.nomedia"]', 'ignore = { patterns = ["inbox/"] }']
    assert 'name = "photos"  # the family\'s' in edited


def test_patterns_of_an_unknown_repository_cannot_be_set() -> None:
    with pytest.raises(ConfigurationError, match="no repository 'musik'"):
        edit.set_patterns(EXAMPLE, ["y"], "musik")


def test_a_file_is_replaced_with_its_mode_and_never_by_a_text_that_is_no_configuration(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "plugins.toml", EXAMPLE, 0o640)
    edit.edit_file(path, lambda text: "[store]\n", {})
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("[store]\n", 0o640)
    with pytest.raises(ConfigurationError):
        edit.edit_file(path, lambda text: "[stor]\n", {})
    assert path.read_text() == "[store]\n"
    assert os.listdir(tmp_path) == ["plugins.toml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    path = write(tmp_path / "real.toml", "")
    link = tmp_path / "plugins.toml"
    link.symlink_to(path)
    edit.edit_file(link, lambda text: "[store]\n", {})
    assert link.is_symlink()
    assert path.read_text() == "[store]\n"


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o600)

    def interrupted(text: str) -> str:
        path.write_text("# another's\n")
        return text + "[store]\n"

    with pytest.raises(ConfigurationError, match="changed by somebody else"):
        edit.edit_file(path, interrupted, {})
    assert path.read_text() == "# another's\n"


def test_a_file_that_was_trusted_still_is_after_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o600)
    edit.edit_file(path, lambda text: text + "[store]\n", {})
    assert not discovery.is_trusted(path)
    discovery.trust(path)
    edit.edit_file(path, lambda text: text + "retention = '9d'\n", {})
    assert discovery.is_trusted(path)
    path.write_text(path.read_text() + "# another's\n")
    assert not discovery.is_trusted(path)


def test_a_file_that_others_can_write_is_not_edited(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o666)
    with pytest.raises(ConfigurationError, match="can be written by"):
        edit.edit_file(path, lambda text: "[store]\n", {})
    assert path.read_text() == "# mine\n"


PATTERNS = st.lists(
    st.sampled_from(["*.raw", "cache/", "tmp/", "a", "# c", 'q"\\']) | st.text(max_size=5), max_size=6
)
LISTS = [
    '[defaults.ignore]\npatterns = [\n    "*.raw",  # old\n    # why\n    "cache/",\n    "tmp/" # last\n]\n',
    '[defaults]\nignore = { patterns = ["a", "*.raw", "cache/"], builtin = false } # inline\n',
    "[defaults.ignore]\npatterns = [\n # nothing\n]\n[plugins.x]\nenabled = false\n",
    '[defaults.ignore]\npatterns = [ "*.raw"\n  , "cache/"  # odd\n  , "tmp/"\n]\n',
    "defaults.ignore.patterns = ['*.raw', \"tmp/\", ]\n",
]


@given(st.sampled_from([*LISTS, *SHAPES]), PATTERNS, PATTERNS)
def test_patterns_are_what_was_set_and_nothing_else_changes(
    text: str, first: list[str], second: list[str]
) -> None:
    for patterns in (first, second):
        expected = tomllib.loads(text)
        expected.setdefault("defaults", {}).setdefault("ignore", {})["patterns"] = patterns
        text = edit.set_patterns(text, patterns)
        assert tomllib.loads(text) == expected


def test_comments_beside_patterns_that_stay_are_kept() -> None:
    edited = edit.set_patterns(LISTS[0], ["*.raw", "new/", "tmp/"])
    assert edited == (
        '[defaults.ignore]\npatterns = [\n    "*.raw",  # old\n    # why\n    "new/",\n    "tmp/" # last\n]\n'
    )

    text = '[defaults.ignore]\npatterns = [\n  # first\n  "a", # why\n  \'b"\'\n  # end\n]\n'
    added = edit.set_patterns(text, ["a", 'b"', "c"])
    assert [line for line in text.splitlines() if "#" in line and line not in added.splitlines()] == []
    assert read(added).settings_for().ignore.patterns == ("a", 'b"', "c")


def test_lines_end_as_they_did(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "")
    path.write_bytes(b'[defaults.ignore]\r\npatterns = [\r\n  "a", # why\r\n]\r\n')
    edit.edit_file(path, lambda text: edit.set_patterns(text, ["a", "b" * 90, "c"]), {})
    edit.edit_file(path, lambda text: edit.switch_plugin(text, "links", on=False), {})
    written = path.read_bytes()
    assert b"# why\r\n" in written
    assert b"\n" not in written.replace(b"\r\n", b"")


def test_a_file_that_nobody_may_write_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o400)
    with pytest.raises(Unwritable, match=r"mode is 0400: read-only.*\n\[store]"):
        edit.edit_file(path, lambda text: "[store]\n", {}, "[store]")
    assert path.read_text() == "# mine\n"


def test_a_broken_file_is_not_edited(tmp_path: Path) -> None:
    path = write(tmp_path / "plugins.toml", "[store\n", 0o600)
    with pytest.raises(ConfigurationError, match=r"plugins.toml: .*line 1"):
        edit.edit_file(path, lambda text: edit.switch_plugin(text, "links", on=False), {})


def test_what_is_written_is_not_told_to_be_unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o600)
    discovery.trust(path)
    memory = tmp_path / "state/treeledger/trusted.json"
    memory.chmod(0o400)
    with pytest.raises(ConfigurationError, match=r"was written, but .* treeledger config trust"):
        edit.edit_file(path, lambda text: "[store]\n", {})
    assert path.read_text() == "[store]\n"


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "plugins.toml", "# mine\n", 0o600)
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "as CIFS says")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    edit.edit_file(path, lambda text: "[store]\n", {})
    assert path.read_text() == "[store]\n"


@given(st.text(max_size=12))
def test_a_reference_names_where_a_secret_is(text: str) -> None:
    assert is_reference(f"env:{text}") == (bool(text) and "\n" not in text)
