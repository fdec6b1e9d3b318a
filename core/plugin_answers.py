"""Checks of what plugins answer to hooks, so that a mistake is named where it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from treeledger.errors import PluginError
from treeledger.protocols import PartRef

Part = TypeVar("Part")
ANYTHING: Final = (Exception, SystemExit)
"""What may come out of a plugin's code; one that exits puts itself out of use, and not the engine."""


class WrongAnswer(Exception):
    """A hook's answer is not what the hook is specified to give."""


def one_of(kind: type[Any]) -> Callable[[object], Any]:
    """A check for one object of a class, or one that satisfies a runtime-checkable protocol."""

    def check(answer: object) -> Any:
        if isinstance(answer, kind):
            return answer
        members = (*getattr(kind, "__annotations__", ()), *vars(kind))
        lacks = [name for name in members if not name.startswith("_") and not hasattr(answer, name)]
        reason = f" (it lacks {', '.join(lacks)})" if lacks and kind not in (str, PartRef) else ""
        raise WrongAnswer(f"gave {_article(answer)}, which is no {kind.__name__}{reason}")

    return check


def list_of(kind: type[Any]) -> Callable[[object], list[Any]]:
    """A check for a list or tuple of such objects."""
    check_one = one_of(kind)

    def check(answer: object) -> list[Any]:
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            raise WrongAnswer(f"gave {_article(answer)}, not a list of {kind.__name__}")
        if isinstance(answer, PartRef):
            raise WrongAnswer("gave a single PartRef, not a list of them")
        return [check_one(part) for part in answer]

    return check


def references(answer: object) -> Mapping[str, PartRef]:
    """A check for a mapping of names to PartRef."""
    if not isinstance(answer, Mapping):
        raise WrongAnswer(f"gave {_article(answer)}, not a mapping of names to PartRef")
    for name, part in answer.items():
        if not isinstance(name, str) or not isinstance(part, PartRef):
            raise WrongAnswer(f"gave {name!r}: {_article(part)}, not a name and a PartRef")
    return answer


def unique(hook: str, answers: Iterable[tuple[str, Iterable[tuple[str, Part]]]]) -> dict[str, Part]:
    """The parts of all plugins by name. Raises PluginError naming both plugins that give one name."""
    parts: dict[str, Part] = {}
    givers: dict[str, str] = {}
    for plugin, named in answers:
        for name, part in named:
            if name in parts:
                raise PluginError(
                    f"{hook}: both plugin {givers[name]!r} and plugin {plugin!r} give {name!r}; "
                    f"switch one off: [plugins.{plugin}] enabled = false"
                )
            parts[name], givers[name] = part, plugin
    return parts


def _article(answer: object) -> str:
    name = answer.__name__ if isinstance(answer, type) else type(answer).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"the class {name}" if isinstance(answer, type) else f"{article} {name}"
