"""Addresses of documents: which are URLs, and how they are shown and recorded, which is without anything secret."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote
from urllib.request import url2pathname

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["has_lost_parameters", "is_url", "local_file", "name_of", "scheme_of", "scrubbed", "shown"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_WEB = frozenset({"http", "https"})
_CONTAINER = frozenset({"abfs", "abfss", "az", "adl", "wasb", "wasbs"})
"""Azure's: what stands before the @ is a container's name."""
_LEFT_OUT = "?…"
_PASSING = re.compile(
    r"(?i)^(x-(amz|goog|ms)-.*|aws.*|google.*|key-pair-id|policy|expires?|signature|s[erptv]|sig|sk\w+|.*token.*)$"
)
_MARK = 8


def is_url(place: str | Path) -> bool:
    """Whether it names a place on another file system (``s3://…``), not a path; ``file://…`` is a path."""
    return isinstance(place, str) and (found := _URL.match(place)) is not None and found[1].lower() != "file"


def local_file(place: str | Path) -> str | Path:
    """The path that a ``file://`` URL means, taken as it stands where there is such a file, else decoded; a path as it is."""
    if isinstance(place, str) and place.lower().startswith("file://"):
        path = place[len("file://") :].removeprefix("localhost")
        return path if os.path.lexists(path) else url2pathname(path)
    return place


def scheme_of(url: str) -> str:
    """``s3`` of ``s3://…``."""
    return url.partition("://")[0].lower()


def shown(url: str) -> str:
    """The URL as people see it and the ledger keeps it: without user, password and fragment.

    The parameters of a web address become a hash, so that two documents that differ by them stay apart; those that sign a request
    for a time are left out of that too, so that the document keeps its name.
    """
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme.lower() not in _CONTAINER:
        host = host.rpartition("@")[2]
    if scheme.lower() not in _WEB:
        return f"{scheme.lower()}://{host}{slash}{path}"
    path, _, query = (f"{host}{slash}{path}").partition("#")[0].partition("?")
    lasting = sorted((k, v) for k, v in parse_qsl(query, keep_blank_values=True) if not _PASSING.match(k))
    if query.startswith("…"):  # as it was recorded
        return f"{scheme.lower()}://{path}?{query}"
    mark = hashlib.sha256(repr(lasting).encode()).hexdigest()[:_MARK] if lasting else ""
    return f"{scheme.lower()}://{path}{_LEFT_OUT + mark if query else ''}"


def has_lost_parameters(url: str) -> bool:
    """Whether it was recorded without the parameters that it was read with."""
    return scheme_of(url) in _WEB and _LEFT_OUT in url


def name_of(url: str) -> str:
    """What the document is called: the last part of the path; of a web address, decoded."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() in _WEB:
        rest = unquote(rest.partition("?")[0], errors="replace")
    return rest.rstrip("/").rpartition("/")[2] or rest.strip("/") or url


def scrubbed(text: str) -> str:
    """A message of a library without the secrets of the URLs in it: users, passwords, parameters."""
    text = re.sub(r"(://)[^\s/@'\"]*@", r"\1", text)
    return re.sub(r"(://[^\s?'\"<>]*)\?[^\s'\"<>)]*", r"\1?…", text)
