"""Reading tables into typed values, with errors that say where, what and what was meant."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from treeledger.config.secrets import shown_value
from treeledger.config.settings import Duration, Rule, Size
from treeledger.errors import ConfigurationError
from treeledger.units import parse_duration, parse_size

Table = TypeVar("Table", bound=msgspec.Struct)

_NOTHING: Final = ("none", "off", "forever")
_YES_NO: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where values stand: a file, in it perhaps one repository, and the table."""

    file: str = ""
    owner: str = ""
    table: str = ""

    def below(self, key: str) -> Place:
        return replace(self, table=f"{self.table}.{key}" if self.table else key)

    def error(self, text: str) -> ConfigurationError:
        inside = ", ".join(filter(None, (self.owner, self.table and f"[{self.table}]")))
        subject = f"{inside} {text}" if inside else text
        return ConfigurationError(f"{self.file}: {subject}" if self.file else subject)

    def unknown_key(self, key: str, known: Iterable[str]) -> ConfigurationError:
        here = "" if self.owner or self.table else "the top level "
        return self.error(f"{here}has no key {key!r}{did_you_mean(key, known)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, else all there are."""
    choices = sorted(known)
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(choices)}" if choices else ""


class ValueType(NamedTuple):
    """An annotation taken apart: what msgspec converts to, its plain type, our rules; whether None fits."""

    annotation: Any
    plain: Any
    rules: tuple[Rule, ...]
    optional: bool

    @classmethod
    def of(cls, annotation: Any) -> ValueType:
        optional = False
        if get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not types.NoneType]
            if len(members) > 1:
                return cls(annotation, annotation, (), False)
            annotation, optional = members[0], len(members) < len(get_args(annotation))
        if get_origin(annotation) is Annotated:
            plain, *marks = get_args(annotation)
            return cls(annotation, plain, tuple(mark for mark in marks if isinstance(mark, Rule)), optional)
        return cls(annotation, annotation, (), optional)

    @property
    def is_table(self) -> bool:
        return isinstance(self.plain, type) and issubclass(self.plain, msgspec.Struct)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words a `Literal`, or a list of one, allows; () if there is no such limit."""
        inner = get_args(self.plain)[0] if get_origin(self.plain) is tuple else self.plain
        return get_args(inner) if get_origin(inner) is Literal else ()


def read_table(kind: type[Table], values: object, place: Place) -> Table:
    """A typed table from plain values. Raises ConfigurationError for the first thing that is wrong."""
    if not isinstance(values, Mapping):
        raise place.error("must be a table")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in values:
        if key not in fields:
            raise place.unknown_key(key, fields)
    for key, field in fields.items():
        if field.required and key not in values:
            raise place.error(f"needs the key {key!r}")
    return kind(**{fields[key].name: _read(fields[key].type, key, values[key], place) for key in values})


def _read(annotation: Any, key: str, value: object, place: Place) -> Any:
    wanted = ValueType.of(annotation)
    if wanted.is_table:
        return read_table(wanted.plain, value, place.below(key))
    try:
        return read_value(annotation, value)
    except ValueError as error:
        raise place.error(f"{key} = {shown_value(key, value)}: {error}") from None


def read_value(annotation: Any, value: object) -> Any:
    """One typed value. Raises ValueError with the reason."""
    wanted = ValueType.of(annotation)
    is_any_text = wanted.plain is str and not wanted.rules  # a file may be called "none"
    if wanted.optional and (value is None or (value in _NOTHING and not is_any_text)):
        return None
    if wanted.choices:
        _check_choices(value, wanted.choices)
    try:
        result = msgspec.convert(value, wanted.annotation, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ValueError(_in_words(str(error))) from None
    for rule in wanted.rules:
        rule.check(result)
    return result


def read_text(annotation: Any, text: str) -> object:
    """The plain value that a text from the environment stands for. Raises ValueError.

    Lists are separated by commas; true, 1 and yes, false, 0 and no are booleans.
    """
    plain = ValueType.of(annotation).plain
    if get_origin(plain) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if plain is bool:
        if text.lower() not in _YES_NO:
            raise ValueError("write true or false")
        return _YES_NO[text.lower()]
    if plain in (int, float):
        try:
            return plain(text)
        except ValueError:
            raise ValueError(f"expected {_WORDS[plain.__name__]}") from None
    return text


def _check_choices(value: object, choices: tuple[str, ...]) -> None:
    for word in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(word, str) and word not in choices:
            raise ValueError(f"there is no {word!r}{did_you_mean(word, choices)}")


def _convert(kind: type, value: Any) -> object:
    if isinstance(value, kind):
        return value
    if issubclass(kind, Duration):
        if not isinstance(value, str):
            raise ValueError("write a duration with its unit, for example 500ms, 3s, 10m, 24h or 90d")
        return Duration(parse_duration(value))
    if issubclass(kind, Size):
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError("write a size, for example 100kB, 50GiB or 4096")
        return Size(parse_size(str(value)))
    raise NotImplementedError(f"no conversion to {kind}")


def _in_words(message: str) -> str:
    """What msgspec says of a value, for people: names of types, and the place in a list."""
    entry = re.search(r" - at `\$\[(\d+)\]`$", message)
    if entry:
        message = f"entry {int(entry[1]) + 1}: {message[: entry.start()]}"
    message = re.sub(r"`(\w+)( \| null)?`", lambda match: _WORDS.get(match[1], match[1]), message)
    message = message.replace(" >= ", ", at least ").replace(" <= ", ", at most ").removesuffix(".0")
    return message.replace("Expected", "expected")
