"""A page's values under another number: the same page in another place of its document, or of another one."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import PageBox

if TYPE_CHECKING:
    from paperlode.ingest.document import ParsedPage

__all__ = ["renumbered"]


def renumbered(page: ParsedPage, number: int) -> ParsedPage:
    """The page as page ``number`` (0-based): every region in it is on that page."""
    if page.page == number:
        return page
    moved: ParsedPage = _moved(page, page.page, number)
    return replace(moved, page=number)


def _moved(value: Any, old: int, new: int) -> Any:
    if isinstance(value, PageBox):
        return value._replace(page=new) if value.page == old else value
    if isinstance(value, tuple):
        parts = tuple(_moved(v, old, new) for v in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: moved
            for f in fields(value)
            if (moved := _moved(own := getattr(value, f.name), old, new)) is not own
        }
        return replace(value, **changed) if changed else value
    return value
