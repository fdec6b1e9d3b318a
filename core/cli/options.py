"""The grammar of the command line: global options anywhere, commands, aliases."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, NoReturn, cast

Arguments = Callable[[argparse.ArgumentParser], None]
_OWN: Final = ("-h", "--help", "-V", "--version")  # of the program, before any command


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for: the global options, and the command's own in `given`."""

    store: str | None
    config: str | None
    json: bool
    quiet: bool
    verbose: bool
    given: argparse.Namespace

    @classmethod
    def of(cls, globals_: argparse.Namespace, given: argparse.Namespace) -> Options:
        return cls(globals_.store, globals_.config, globals_.json, globals_.quiet, globals_.verbose, given)


class Parser(argparse.ArgumentParser):
    """argparse, with a hint to the nearest command."""

    def error(self, message: str) -> NoReturn:
        from treeledger.cli.render import tell

        tell(f"{_with_hint(message)}\nTry: {self.prog} --help")
        raise SystemExit(2)


def _with_hint(message: str) -> str:
    argument, invalid, rest = message.partition(": invalid choice: '")
    if not invalid:
        return message
    wrong, _, listed = rest.partition("'")
    choices = listed.partition("(choose from ")[2].replace("'", "").rstrip(")").split(", ")
    near = difflib.get_close_matches(wrong, choices, 1)
    if argument in ("argument COMMAND", "argument ACTION"):
        return f"there is no command {wrong!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choices)}"
    return f"{argument.removeprefix('argument ')}: there is no {wrong!r}; {hint}"


def split_globals(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The global options, wherever they stand before a `--`, and the rest."""
    parser = Parser(prog="treeledger", add_help=False, allow_abbrev=False)
    add_globals(parser)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    globals_, rest = parser.parse_known_args(list(arguments[:end]))
    if rest and rest[0].startswith("-") and rest[0] not in _OWN:
        near = difflib.get_close_matches(rest[0], parser._option_string_actions, 1)
        parser.error(f"there is no option {rest[0]}" + (f"; did you mean {near[0]}?" if near else ""))
    behind = list(arguments[end:])
    return globals_, rest if behind == ["--"] else [*rest, *behind]


def add_globals(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("everywhere")
    group.add_argument("--store", metavar="URL", type=_given, help="sqlite:PATH or postgresql://...")
    group.add_argument("--config", metavar="FILE", type=_given, help="plugins.toml to read")
    group.add_argument("--json", action="store_true", help="one JSON object a line")
    group.add_argument("-q", "--quiet", action="store_true", help="results and errors only")
    group.add_argument("-v", "--verbose", action="store_true", help="tell more")


def _given(text: str) -> str:
    """A value that an unset variable of a script must not make into the default."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the module that runs it, and its arguments."""

    name: str
    help: str
    module: str
    arguments: Arguments | None = None
    aliases: tuple[str, ...] = ()
    subcommands: tuple[Command, ...] = ()
    default: str | None = None  # of a group: the subcommand that it alone means


def build_parser() -> argparse.ArgumentParser:
    from treeledger.cli.commands import COMMANDS

    parser = Parser(
        prog="treeledger",
        description="Keeps a database ledger of your files true.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    add_globals(parser)
    _add(parser, COMMANDS, _fill_command, dest="command", metavar="COMMAND")
    return parser


class _Later:
    """Stands for the parser of a command, which is built when something is asked of it: there are fifty."""

    def __init__(self, *, fill: Arguments, **how: Any) -> None:
        self._fill = fill
        self._how = how

    @cached_property
    def _parser(self) -> Parser:
        parser = Parser(**self._how)
        self._fill(parser)
        return parser

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def _add(
    parser: argparse.ArgumentParser,
    commands: Sequence[Command],
    fill: Callable[[Command, argparse.ArgumentParser], None],
    **how: Any,
) -> None:
    subparsers = parser.add_subparsers(parser_class=cast(Any, _Later), **how)
    for command in commands:
        subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            aliases=list(command.aliases),
            allow_abbrev=False,
            fill=partial(fill, command),
        )


def _fill_command(command: Command, parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module=command.module)
    if command.subcommands:
        parser.set_defaults(action=command.default)
        default = next((sub for sub in command.subcommands if sub.name == command.default), None)
        if default is not None and default.arguments is not None:
            parser.set_defaults(**_defaults(default.arguments))
        _add(parser, command.subcommands, partial(_fill_action, command), metavar="ACTION")
    elif command.arguments is not None:
        command.arguments(parser)


def _fill_action(group: Command, command: Command, parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(module=group.module, action=command.name)
    if command.arguments is not None:
        command.arguments(parser)


def _defaults(arguments: Arguments) -> dict[str, Any]:
    """What a subcommand's arguments are when none is given."""
    parser = argparse.ArgumentParser(add_help=False)
    arguments(parser)
    return vars(parser.parse_args([]))


LIMIT: Final = 20
