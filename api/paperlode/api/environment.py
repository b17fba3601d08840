"""A frozen dataclass filled from the environment: values parsed, bounds kept, errors that name the option.

Every command reads the settings, and none should wait for the import of pydantic to do so.
"""

from __future__ import annotations

import os
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["bounded", "filled"]

_T = TypeVar("_T")
_WORDS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


def bounded(default: Any, *, ge: float | None = None, gt: float | None = None, le: float | None = None) -> Any:
    """A field with a default, whose value must be at least ``ge``, more than ``gt``, at most ``le``."""
    return field(default=default, metadata={"ge": ge, "gt": gt, "le": le})


def filled(kind: Callable[..., _T], prefix: str, given: Mapping[str, object]) -> _T:
    """A value of the dataclass ``kind``: what is ``given``, else the environment's, else the default.

    Fields are annotated ``str``, ``int``, ``float``, ``bool`` or ``Path``, each also ``| None``. A variable is ``prefix`` and
    the field's name, in upper or lower case.

    Raises:
        InvalidRequest: a value makes no sense; names the option, the value and why.
        TypeError: something is given that is no field.
    """
    environment = {k.lower(): v for k, v in os.environ.items()}
    values = dict(given)
    for f in fields(kind):  # type: ignore[arg-type]
        name = f.name
        raw = given.get(name, environment.get(f"{prefix}{name}".lower()))
        if raw is None:
            continue
        try:
            values[name] = _within(_PARSERS[str(f.type).removesuffix(" | None")](raw), f.metadata)
        except ValueError as exc:
            option, variable = name.replace("_", "-"), f"{prefix}{name}".upper()
            raise InvalidRequest(f"--{option} (or {variable}) is {raw!r}: {exc}.") from None
    return kind(**values)


def _within(value: Any, bounds: Mapping[str, float | None]) -> Any:
    at_least, above, at_most = bounds.get("ge"), bounds.get("gt"), bounds.get("le")
    if at_least is not None and not value >= at_least:
        raise ValueError(f"Input should be greater than or equal to {at_least}")
    if above is not None and not value > above:
        raise ValueError(f"Input should be greater than {above}")
    if at_most is not None and not value <= at_most:
        raise ValueError(f"Input should be less than or equal to {at_most}")
    return value


def _integer(raw: Any) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError("Input should be a valid integer, unable to parse string as an integer") from None


def _number(raw: Any) -> float:
    try:
        return float(raw)
    except ValueError:
        raise ValueError("Input should be a valid number, unable to parse string as a number") from None


def _yes_or_no(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if (word := str(raw).lower()) not in _WORDS:
        raise ValueError("Input should be a valid boolean, unable to interpret input")
    return _WORDS[word]


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "str": str,
    "int": _integer,
    "float": _number,
    "bool": _yes_or_no,
    "Path": Path,
}
