"""What people and programs read on a terminal. Text out of documents and file names is never trusted here."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from paperlode.ingest.errors import PaperlodeError

__all__ = ["Lines", "box_text", "clean", "console", "error", "message", "print_json", "snippet", "styled"]

# C0 but tab and newline, DEL, C1, and what turns or hides text (bidirectional controls, zero-width, tags)
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which Rich takes what is no terminal for one."""
_WIDE = 240


def clean(text: str) -> str:
    """Without control characters: nothing in it can move the cursor, change colours, or turn the reading direction."""
    return _UNSAFE.sub("", text).encode("utf-8", "backslashreplace").decode()


def styled(*parts: tuple[str, str] | str) -> Text:
    """Rich text from (text, style) pairs: cleaned, and never read as markup."""
    from rich.text import Text

    return Text.assemble(*((clean(p), "") if isinstance(p, str) else (clean(p[0]), p[1]) for p in parts))


def console(*, stderr: bool = False) -> Console:
    """A console that reads no markup, emoji or numbers into what it prints; wide where it is no terminal."""
    from rich.console import Console

    out = Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = _WIDE
    return out


class Lines:
    """Lines on standard output, made of (text, style) pairs as in ``styled``: by Rich where it is a terminal, else plain.

    A pipe or a file need not wait for the import of Rich; what it gets is the same.
    """

    def __init__(self) -> None:
        self._console = console() if sys.stdout.isatty() or any(os.environ.get(v) for v in _FORCED) else None

    @property
    def width(self) -> int:
        """Characters on a line."""
        return self._console.width if self._console else _WIDE

    def print(self, *parts: tuple[str, str] | str) -> None:
        """Print one line."""
        text = "".join(clean(p if isinstance(p, str) else p[0]) for p in parts)
        if self._console is None and "\t" in text:  # spread by the width of what stands before them
            self._console = console()
        if self._console:
            self._console.print(styled(*parts))
        else:
            sys.stdout.write(f"{text}\n")


def message(*parts: tuple[str, str] | str) -> None:
    """Print to standard error."""
    console(stderr=True).print(styled(*parts))


def error(exc: PaperlodeError, *, as_json: bool = False) -> None:
    """Say what happened and what to do; with ``as_json`` also as an object on standard output."""
    message(("Error: ", "bold red"), exc.what)
    if exc.hint:
        message(("  → ", "bold"), exc.hint)
    if as_json:
        print_json({"error": {"code": exc.code, "what": exc.what, "hint": exc.hint}})


def print_json(value: Any) -> None:
    """One JSON value on standard output, readable, with what a terminal would obey escaped."""
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2, default=str)
    print(json_safe(text))


def json_safe(text: str) -> str:
    """JSON text with the characters escaped that JSON allows raw, and a terminal obeys."""
    return _UNSAFE_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def snippet(text: str, *, lines: int = 6, width: int = 100) -> list[str]:
    """The beginning of a text, wrapped; its own line breaks (rows of a table) are kept."""
    import textwrap

    wrapped = [w for line in clean(text).splitlines() if line.strip() for w in textwrap.wrap(line, width, max_lines=3)]
    return wrapped if len(wrapped) <= lines else [*wrapped[:lines], "…"]


def box_text(boxes: Sequence[tuple[float, float, float, float]]) -> str:
    """Boxes in whole points, for people: ``(72,310)-(523,353)``, the rest counted."""
    if not boxes:
        return ""
    x0, y0, x1, y1 = (round(v) for v in boxes[0])
    more = f" +{len(boxes) - 1}" if len(boxes) > 1 else ""
    return f"({x0},{y0})-({x1},{y1}){more}"
