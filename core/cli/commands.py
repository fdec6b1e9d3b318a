"""Every command with its arguments. Importing this must stay cheap: no command's module is imported."""

from __future__ import annotations

import argparse
from typing import Final

from treeledger.cli.options import LIMIT, Command

_A_PATH: Final = "on disk; or REPO:path/in/it, for what is not there any more"
_STATES: Final = ("present", "missing", "deleted", "ignored", "all")


def _one_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", metavar="REPO", help="of this one only, by name or folder")


def _dirs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="DIR|REPO", help="folders, or repositories by name")


def _new_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-default-ignores",
        action="store_true",
        help="for a folder not known yet: hide nothing by the built-in list; kept for the repository",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="for a folder not known yet: leave out what matches, as in a .gitignore; kept for it",
    )


def _watch(parser: argparse.ArgumentParser) -> None:
    _dirs(parser)
    _new_repository(parser)


def _tui(parser: argparse.ArgumentParser) -> None:
    _watch(parser)
    parser.add_argument("--web", action="store_true", help="serve it to browsers instead")
    parser.add_argument("--host", metavar="HOST", help="with --web: where to listen; default: 127.0.0.1")
    parser.add_argument(
        "--port", type=int, metavar="N", help="with --web; default: 8137; 0: any that is free"
    )
    parser.add_argument(
        "--token", metavar="SECRET", help="with --web: env:NAME or file:PATH; default: token of [api]"
    )


def _scan(parser: argparse.ArgumentParser) -> None:
    _dirs(parser)
    _new_repository(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--rehash", action="store_true", help="read every file again")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for hashes that take long")


def _scrub(parser: argparse.ArgumentParser) -> None:
    _dirs(parser)
    parser.add_argument(
        "--percent", type=float, metavar="N", help="of the repository's bytes; 100: everything"
    )
    parser.add_argument("--files", type=int, metavar="N", help="so many files")
    parser.add_argument("--bytes", metavar="SIZE", help="so much, as in 50GB")
    parser.add_argument("--time", metavar="DURATION", help="for so long, as in 30m; default: 1h")
    parser.add_argument(
        "--rate", metavar="SIZE", help="so much a second, as in 20MB; default: as fast as it goes"
    )
    parser.add_argument("--older-than", metavar="DURATION", help="only what was not verified for so long")
    parser.add_argument(
        "--accept", action="store_true", help="the arguments are corrupted files whose content now is right"
    )


def _repo_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", metavar="DIR", help="the folder")
    parser.add_argument("--name", metavar="NAME", help="instead of the folder's own name")
    _new_repository(parser)
    parser.add_argument(
        "--preset",
        action="append",
        default=[],
        metavar="PRESET",
        help="leave out what lumilio, synology or nextcloud keep there",
    )


def _repo_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repo", metavar="REPO", help="name or folder")


def _plugin_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as treeledger plugins list tells it")


def _repo_remove(parser: argparse.ArgumentParser) -> None:
    _repo_name(parser)
    parser.add_argument("--purge", action="store_true", help="forget its records, too; no file is touched")


def _relocate(parser: argparse.ArgumentParser) -> None:
    _repo_name(parser)
    parser.add_argument("dir", metavar="DIR", help="where its files are now")


def _files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "globs", nargs="*", metavar="GLOB", help="as in 2024/*.jpg; without a slash, any name"
    )
    _one_repository(parser)
    parser.add_argument("--state", choices=_STATES, default="present", help="default: present")
    parser.add_argument(
        "--duplicates", action="store_true", help="files whose content is there twice or more"
    )
    parser.add_argument("--at", metavar="TIME", help="as they were then: 2d, 2026-11-20, 2026-11-20T08:30")
    parser.add_argument(
        "--format",
        choices=("text", "sha256sum", "csv"),
        default="text",
        help="sha256sum: a list for sha256sum --check",
    )
    parser.add_argument("-0", dest="null", action="store_true", help="paths only, ended by NUL")


def _history(parser: argparse.ArgumentParser) -> None:
    _one_repository(parser)
    parser.add_argument("-n", type=int, default=LIMIT, metavar="N", help="how many at most")


def _operations(parser: argparse.ArgumentParser) -> None:
    _history(parser)
    parser.set_defaults(action="operations")


def _changes(parser: argparse.ArgumentParser) -> None:
    _history(parser)
    parser.set_defaults(n=None)
    parser.add_argument("--since", metavar="N|TIME", help="a change's number or cursor, 10m, 2026-11-20")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes")


def _problems(parser: argparse.ArgumentParser) -> None:
    _history(parser)
    parser.set_defaults(action="problems", n=1000)
    parser.add_argument("--notes", action="store_true", help="also what is no trouble: links, FIFOs, ...")


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help=_A_PATH)


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help=_A_PATH)


def _ignore_list(parser: argparse.ArgumentParser) -> None:
    _one_repository(parser)


def _ignore_edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="as in a .gitignore")
    parser.add_argument(
        "--repo", metavar="REPO", help="those of this one, by name or folder; default: those of all"
    )


def _hold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=int, metavar="ID", help="its number, see: treeledger deletions list")


def _hold_all(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that are decided")


def _jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--action", dest="of", metavar="NAME", help="those of this action only")
    parser.add_argument("-n", type=int, default=100, metavar="N", help="how many at most; default: 100")


def _job_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="none: all that are dead")


def _job_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=int, metavar="ID", help="its number, see: treeledger jobs list")


def _config_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", metavar="REPO", help="the settings of one repository")


def _config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="default: the plugins.toml that is read")


def _trusted_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="default: plugins.toml in this folder")


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="default: the user's plugins.toml")
    parser.add_argument("--force", action="store_true", help="write over the file that is there")


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE", help="a file that does not exist yet")


def _copy(parser: argparse.ArgumentParser) -> None:
    for name, role in (("source", "FROM"), ("target", "TO")):
        parser.add_argument(name, metavar=role, help="sqlite:PATH or postgresql://...")


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=("sha256sum",), help="what wrote the list")
    parser.add_argument("file", metavar="FILE", help="the list; - for standard input")
    parser.add_argument("--repo", metavar="REPO", help="default: where the listed paths lie")
    parser.add_argument(
        "--base", metavar="DIR", help="what relative paths are relative to; default: the root"
    )


_LIST: Final = ("ls",)
_REMOVE: Final = ("rm", "delete")

COMMANDS: Final = (
    Command("watch", "watch folders and print each change, until Ctrl-C", "watch", _watch),
    Command("daemon", "run unattended: every repository, the API, schedules and actions", "daemon"),
    Command("tui", "the dashboard: what runs, what changes, what waits for you", "tui", _tui),
    Command("scan", "scan once, until everything is listed and hashed", "scan", _scan),
    Command(
        "scrub", "read contents again, and find what changed though no stat tells of it", "scrub", _scrub
    ),
    Command("status", "repositories and how they are", "status", None, ("st",)),
    Command(
        "repo",
        "add, list, remove, pause, resume or relocate repositories",
        "repo",
        aliases=("repos", "repository", "repositories"),
        default="list",
        subcommands=(
            Command("list", "all repositories", "repo", None, _LIST),
            Command("add", "take a folder under care", "repo", _repo_add),
            Command("remove", "end the care for one; records stay", "repo", _repo_remove, _REMOVE),
            Command("pause", "stop watching one for now", "repo", _repo_name),
            Command("resume", "watch it again", "repo", _repo_name),
            Command("relocate", "its files are somewhere else now; keep ids and hashes", "repo", _relocate),
        ),
    ),
    Command("files", "list what the ledger knows of files", "files", _files, ("file",)),
    Command("operations", "what ran, and its counts", "history", _operations, ("operation", "ops")),
    Command("changes", "the journal", "changes", _changes, ("change", "log")),
    Command("problems", "trouble with single files", "history", _problems, ("problem",)),
    Command("explain", "why a file is or is not as you expect", "explain", _path),
    Command(
        "ignore",
        "which files are left out, and by which rule",
        "ignore",
        default="list",
        subcommands=(
            Command("list", "all rules in effect", "ignore", _ignore_list, _LIST),
            Command("check", "which rule decides about a path", "ignore", _paths),
            Command("add", "add patterns, for one repository or for all", "ignore", _ignore_edit),
            Command("remove", "take patterns back", "ignore", _ignore_edit, _REMOVE),
        ),
    ),
    Command(
        "deletions",
        "deletions that wait for your decision",
        "deletions",
        aliases=("deletion",),
        default="list",
        subcommands=(
            Command("list", "what waits", "deletions", _hold_all, _LIST),
            Command("show", "which files", "deletions", _hold),
            Command("approve", "they are really gone: their records become deleted", "deletions", _hold),
            Command("reject", "keep the records as missing", "deletions", _hold),
        ),
    ),
    Command(
        "jobs",
        "the work of actions that waits, runs or is dead",
        "jobs",
        aliases=("job",),
        default="list",
        subcommands=(
            Command("list", "what waits, runs or is dead", "jobs", _jobs, _LIST),
            Command("show", "one job", "jobs", _job_id),
            Command("retry", "try again now", "jobs", _job_ids),
            Command("clear", "drop dead ones, or those that are named", "jobs", _job_ids),
        ),
    ),
    Command(
        "plugins",
        "what is loaded, and from where; switched on and off",
        "plugins",
        aliases=("plugin",),
        default="list",
        subcommands=(
            Command("list", "all plugins", "plugins", None, _LIST),
            Command("enable", "switch one on, in plugins.toml", "plugins", _plugin_name),
            Command("disable", "switch one off, in plugins.toml", "plugins", _plugin_name),
        ),
    ),
    Command(
        "config",
        "what is configured, where it comes from, and whether it is right",
        "config",
        default="show",
        subcommands=(
            Command("show", "each value and where it comes from", "config", _config_show),
            Command("check", "whether it is right", "config", _config_file),
            Command("trust", "read plugins.toml of this folder from now on", "config", _trusted_file),
        ),
    ),
    Command("init", "write a commented plugins.toml", "init", _init),
    Command(
        "migrate",
        "the schema of the ledger",
        "migrate",
        default="status",
        subcommands=(
            Command("status", "what is applied", "migrate"),
            Command("up", "apply what is missing", "migrate"),
        ),
    ),
    Command(
        "store",
        "the ledger itself",
        "store",
        default="check",
        subcommands=(
            Command("check", "where it is, and whether it is well", "store"),
            Command("backup", "a consistent copy", "store", _target),
            Command("copy", "move it all to another store; interrupted, it goes on", "store", _copy),
        ),
    ),
    Command("import", "seed hashes from a list; they are verified later", "imports", _import),
    Command("doctor", "check limits, file systems, permissions, store", "doctor"),
)
