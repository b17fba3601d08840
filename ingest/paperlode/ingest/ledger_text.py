"""Text as the ledger keeps it: the same order and the same characters in every database."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

__all__ = ["Text"]

_MARK = "\U0010ffff"
_UNKEPT = re.compile(f"[\x00\ud800-\udfff{_MARK}]")
_WRITTEN = re.compile(f"{_MARK}([0-9a-f]{{6}})")


class Text(sa.types.TypeDecorator[str]):
    """Any text, in order of its code points.

    Lone surrogates (names of files that are not UTF-8) fit into no database, and NUL not into PostgreSQL: both are kept as their
    numbers behind a mark that stands in no text, and come back as they were.

    Args:
        length: that it usually has; nothing is cut.
    """

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """PostgreSQL would sort by the database's locale."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Text(collation="C"))
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """As it is kept."""
        return value and _UNKEPT.sub(lambda m: f"{_MARK}{ord(m[0]):06x}", value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """As it was given."""
        return value and (_WRITTEN.sub(lambda m: chr(int(m[1], 16)), value) if _MARK in value else value)
