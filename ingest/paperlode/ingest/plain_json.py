"""The values of ``document`` back from their JSON without pydantic, whose import takes longer than reading a few of them.

A search from the shell reads a dozen chunks and ends: ``few_from_json`` spares it the import. Where pydantic is loaded already,
or many values are read, it is the faster one and is taken.
"""

from __future__ import annotations

import json
import sys
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FEW", "few_from_json", "plain_from_json"]

_T = TypeVar("_T")
_read = count()

FEW = 500
"""Values read without pydantic by one process."""


def few_from_json(kind: type[_T], data: str | bytes) -> _T:
    """As ``document.from_json``; the same values. Raises ValueError: not JSON of that kind."""
    if "pydantic" in sys.modules or next(_read) >= FEW:
        from paperlode.ingest.document import from_json

        return from_json(kind, data)
    return plain_from_json(kind, data)


def plain_from_json(kind: type[_T], data: str | bytes) -> _T:
    """The value from its JSON: dataclasses, named tuples, enumerations, tuples, and the scalars of JSON, each checked.

    Raises:
        ValueError: not JSON of that kind.
    """
    key: Any = kind
    value: _T = _reader(key)(json.loads(data))
    return value


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of a type out of what the JSON parser gives."""
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return _tuples(arguments)
    if isinstance(kind, types.UnionType):
        (one,) = (a for a in arguments if a is not types.NoneType)
        read = _reader(one)
        return lambda value: None if value is None else read(value)
    if is_dataclass(kind):
        return _dataclasses(kind)
    if issubclass(kind, tuple):
        read_parts = _tuples(tuple(get_type_hints(kind).values()))
        return lambda value: kind(*read_parts(value))
    if issubclass(kind, Enum):
        member: Callable[[Any], Any] = kind
        return member
    if kind is float:
        return _number
    return lambda value: value if type(value) is kind else _wrong(kind, value)


def _wrong(kind: Any, value: Any) -> Any:
    raise ValueError(f"{str(value)[:60]!r} should be a {getattr(kind, '__name__', kind)}")


def _number(value: Any) -> float:
    return float(value) if type(value) in {int, float} else _wrong(float, value)


def _tuples(arguments: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        read = _reader(arguments[0])
        return lambda value: tuple(map(read, value)) if type(value) is list else _wrong(list, value)
    reads = [_reader(a) for a in arguments]

    def parts(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) != len(reads):
            _wrong(f"list of {len(reads)}", value)
        return tuple(read(one) for read, one in zip(reads, value, strict=True))

    return parts


def _dataclasses(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    reads = [(f.name, _reader(hints[f.name])) for f in fields(kind)]
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def made(value: Any) -> Any:
        if type(value) is not dict or not needed <= value.keys():
            _wrong(kind, value)
        return kind(**{name: read(value[name]) for name, read in reads if name in value})

    return made
