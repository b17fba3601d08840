"""Documents on other file systems, by fsspec: which there are, and what version of each, without reading them.

Names come from whoever may write there, and are never used as names on this machine. Whatever a file system raises becomes one
of our errors, without the secrets that the libraries' messages may hold.
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from paperlode.ingest.addresses import has_lost_parameters, is_url, local_file, name_of, scheme_of, scrubbed, shown
from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    PaperlodeError,
    SourceError,
    SourceNotFound,
    SourceUnreadable,
)
from paperlode.ingest.sources import READS, Stamp, discover, is_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["RemoteFile", "check_addresses", "discover_all", "file_system", "listed", "remote_errors", "remote_file"]

_TAGS = ("etag", "md5hash", "content_md5", "content-md5", "digest", "crc32c", "generation", "checksum")
"""What tells a version for sure, by preference."""
_TIMES = (
    "lastmodified",
    "last_modified",
    "last-modified",
    "mtime",
    "updated",
    "modified",
    "created",
    "modificationtime",
)
_GLOB = re.compile(r"[*?\[]")
_WEB_GLOB = re.compile(r"[*\[]")
_WEB = frozenset({"http", "https"})
_DEEPEST = 32
_ACCESS = "Credentials come from the environment, as the library of that file system reads them: docs/remote.md."


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A document on another file system.

    Attributes:
        uri: as it is shown and recorded. name: of the file.
        fs, path: where it lies; both may hold secrets.
        info: what the file system said of it when it was listed; None where nobody asked.
    """

    uri: str
    name: str
    fs: Any = field(repr=False)
    path: str = field(repr=False)
    info: Mapping[str, Any] | None = field(default=None, repr=False)

    def look(self) -> RemoteFile:
        """The same with what the file system says of it now.

        Raises:
            SourceError: it is gone, or not to be reached.
        """
        with remote_errors(self.uri):
            self.fs.invalidate_cache(self.path)
            return RemoteFile(self.uri, self.name, self.fs, self.path, self.fs.info(self.path))

    @property
    def size(self) -> int | None:
        """Bytes, where the file system says so."""
        size = (self.info or {}).get("size")
        return int(size) if size is not None else None

    @property
    def version(self) -> Stamp | None:
        """What the file system told of its version; None where that is nothing."""
        return _version(self.info)

    def stamp(self) -> Stamp:
        """Its version, as the listing has it, or else asked for: changes when the content does.

        Where the file system tells none, it equals none that was noted before, so that the document is fetched and compared.

        Raises:
            SourceError: it is gone, or not to be reached.
        """
        return self.version or self.look().version or Stamp(time.time_ns(), -1, 0)


def _version(info: Mapping[str, Any] | None) -> Stamp | None:
    told = {k.lower(): v for k, v in (info or {}).items() if v is not None and v != ""}
    size = int(told.get("size", -1))
    for key in _TAGS:
        if tag := told.get(key):
            made = hashlib.blake2b(f"{key} {str(tag).removeprefix('W/').strip(chr(34))}".encode(), digest_size=8)
            return Stamp(int.from_bytes(made.digest()) >> 4, size, 0)  # of 1986 to a ledger: never taken for fresh
    for key in _TIMES:
        if (nanoseconds := _nanoseconds(told.get(key))) is not None:
            return Stamp(nanoseconds, size, 0)
    return None


def _nanoseconds(when: Any) -> int | None:
    try:
        if isinstance(when, str):
            when = datetime.fromisoformat(when) if when[:4].isdigit() else parsedate_to_datetime(when)
        if isinstance(when, datetime):
            when = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        return int(float(when) * 1e6) * 1000 if when is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


# ------------------------------------------------------------------------------------------------------------ finding


def check_addresses(paths: Iterable[str | Path]) -> None:
    """Pass if what reads the URLs among them is installed; nothing is asked of any network.

    Raises:
        MissingExtra: fsspec, or its part for that kind of URL, is not installed.
        InvalidRequest: no such kind of URL.
    """
    for path in paths:
        if is_url(path):
            file_system(str(path))


def discover_all(
    paths: Iterable[str | Path], *, seen: set[str] | None = None
) -> Iterator[tuple[str | Path, Path | RemoteFile | SourceError]]:
    """As ``sources.discover``, also for URLs: each found with the path or URL (as shown) that it was found by.

    A folder or bucket is searched to the bottom, folder by folder. A web address is a folder where it ends in a slash: the server
    must list it as a page of links. Names that stand in no folder asked for are left out.
    """
    seen = set() if seen is None else seen
    for given in paths:
        place = local_file(given)
        if not is_url(place):
            for item in discover([place], seen=seen):
                yield place, item
            continue
        for found in _found(str(place)):
            if isinstance(found, SourceError):
                yield shown(str(place)), found
            elif found.uri not in seen:
                seen.add(found.uri)
                yield shown(str(place)), found


def remote_file(url: str) -> RemoteFile:
    """The document at a URL, nothing asked of the file system yet.

    Raises:
        MissingExtra, InvalidRequest: as ``check_addresses``.
        SourceUnreadable: it was recorded without parameters that it needs.
    """
    if has_lost_parameters(url):
        raise SourceUnreadable(
            f"{url} was read with parameters in its address, which are not kept.",
            hint="Ingest it again by its whole address, or from a file.",
        )
    fs, path = file_system(url)
    return RemoteFile(shown(url), name_of(url), fs, path)


def listed(url: str) -> set[str] | None:
    """What is in a folder or bucket, as documents are recorded; None where it holds nothing, or cannot be listed whole."""
    names: set[str] = set()
    fs, root = file_system(url)
    try:
        with remote_errors(shown(url)):
            if not _look(fs, root, url)[0]:
                return None
        for found in _walk(fs, root, shown(url).rstrip("/"), 0, everything=True):
            if isinstance(found, SourceError):
                return None
            names.add(found.uri)
    except SourceError:
        return None
    return names or None


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it; nothing is asked of it. Raises as ``check_addresses``."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra.named("fsspec", "remote") from None
    scheme = scheme_of(url)
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if "::" in url or (":" in host and not host.startswith("[") and not host.rpartition(":")[2].isdigit()):
        raise InvalidRequest(
            f"An address of {scheme}:// is not written as it should be.",
            hint="Signs like : / @ in a user or password are written as %3A %2F %40; chains with :: are not read.",
        )
    try:
        fs, path = url_to_fs(url, **_patient() if scheme in _WEB else {})
    except ImportError as exc:
        needs = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
        package = needs.get(scheme, "")
        raise MissingExtra(
            f"Reading {scheme}:// needs {f'the package {package!r}' if package else 'another package'}: {scrubbed(str(exc))}.",
            hint=f"Run: pip install {package}" if package else "Install it beside paperlode[remote].",
        ) from exc
    except ValueError as exc:
        raise InvalidRequest(
            f"Nothing reads addresses of {scheme}://.", hint="For example: s3://, gs://, https://, sftp://."
        ) from exc
    except Exception as exc:
        raise InvalidRequest(
            f"{shown(url)} cannot be used: {type(exc).__name__}: {scrubbed(str(exc))}.", hint=_ACCESS
        ) from exc
    return fs, str(path)


def _patient() -> dict[str, Any]:
    """Options for web addresses: a long transfer may take its time, a silent server may not."""
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=30, sock_read=60)}}


def _look(fs: Any, path: str, url: str) -> tuple[bool, Any]:
    """Whether it is a folder, and what the file system says of it; a web address is not asked."""
    if scheme_of(url) in _WEB:
        return path.endswith("/"), None
    info = fs.info(path)
    return info["type"] == "directory", info


def _found(url: str) -> Iterator[RemoteFile | SourceError]:
    uri = shown(url)
    count = 0
    try:
        fs, path = file_system(url)
        for item in _search(fs, path, url):
            count += 1
            yield item
    except SourceError as exc:
        count += 1
        yield exc
    if not count:
        yield SourceNotFound(
            f"{uri} holds no documents.", hint=f"paperlode reads {READS}; name one of another extension by itself."
        )


def _search(fs: Any, path: str, url: str) -> Iterator[RemoteFile | SourceError]:
    uri = shown(url)
    magic = (_WEB_GLOB if scheme_of(url) in _WEB else _GLOB).search(path)
    try:
        with remote_errors(uri):
            fs.invalidate_cache()
            folder, info = _look(fs, path, url)
    except SourceNotFound:
        if magic is None:
            raise
    else:
        if folder:
            yield from _walk(fs, path.rstrip("/") or path, uri.rstrip("/"), 0)
            return
        if magic is None or info is not None:
            yield RemoteFile(uri, name_of(uri), fs, path, info)
            return
    with remote_errors(uri):
        matches: dict[str, Any] = fs.glob(path, detail=True)
    for name, about in sorted(matches.items()):
        below = shown(_full(url, path, name))
        if about.get("type") == "directory":
            yield from _walk(fs, name.rstrip("/"), below.rstrip("/"), 0)
        elif is_document(name):
            yield RemoteFile(below, name_of(below), fs, name, None if scheme_of(url) in _WEB else about)


def _full(url: str, pattern: str, name: str) -> str:
    """The URL of a match: that of the pattern up to the folder of its first sign, and the match's own path from there."""
    sign = _GLOB.search(pattern)
    same = len(pattern[: sign.start() if sign else len(pattern)].rpartition("/")[0])
    url = url.rstrip("/")
    before = url.removesuffix(pattern) if url.endswith(pattern) else f"{scheme_of(url)}://"
    return before + pattern[:same] + name[same:]


def _walk(
    fs: Any, folder: str, uri: str, depth: int, *, everything: bool = False
) -> Iterator[RemoteFile | SourceError]:
    """Documents below a folder, in order; ``everything``: whatever its extension and name."""
    web = scheme_of(uri) in _WEB
    folder = folder.rstrip("/")
    try:
        if depth > _DEEPEST:
            raise SourceUnreadable(f"{uri} lies deeper than {_DEEPEST} folders; it was not looked at.")
        with remote_errors(uri):
            entries = sorted(fs.ls(f"{folder}/" if web else folder, detail=True), key=lambda e: str(e["name"]))
    except SourceError as exc:
        yield exc
        return
    for entry in entries:
        name = str(entry["name"])
        part = name.removeprefix(f"{folder}/").rstrip("/")
        is_folder = entry.get("type") == "directory"
        if name.rstrip("/") == folder and not is_folder:  # what marks a folder
            continue
        if web and (not name.startswith(f"{folder}/") or "?" in part or "#" in part):  # a link to elsewhere
            continue
        if not name.startswith(f"{folder}/") or part in {"", ".", ".."} or "/" in part or not _writable(part):
            yield SourceUnreadable(f"{uri} has an entry that cannot be named: {part or name!a}.", hint="Rename it.")
        elif part.startswith(".") and not everything:
            continue
        elif is_folder:
            yield from _walk(fs, name, f"{uri}/{part}", depth + 1, everything=everything)
        elif everything or is_document(part):
            below = f"{uri}/{part}"
            yield RemoteFile(below, name_of(below), fs, name, None if web else entry)


def _writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- errors


@contextmanager
def remote_errors(uri: str) -> Iterator[None]:
    """Whatever an fsspec file system raises becomes one of our errors, about ``uri``."""
    try:
        yield
    except PaperlodeError:
        raise
    except Exception as exc:  # noqa: BLE001  each library has its own
        raise _told(uri, exc) from None  # a library's error may hold secrets, and be logged with ours


def _told(uri: str, exc: Exception) -> SourceError:
    chain = [exc, *([exc.__cause__] if exc.__cause__ else [])]
    told = (getattr(e, "status" if hasattr(e, "status") else "code", None) for e in chain)
    status = next((s for s in told if isinstance(s, int)), None)
    kinds = {type(e).__name__ for e in chain}
    denied = kinds & {"PermissionError", "NoCredentialsError", "ClientAuthenticationError", "DefaultCredentialsError"}
    if status in {401, 403} or denied:
        return SourceUnreadable(f"No permission to read {uri}.", hint=_ACCESS)
    if isinstance(exc, FileNotFoundError | NotADirectoryError) and (status in {None, 404, 410}) and len(chain) == 1:
        return SourceNotFound(f"There is no file or folder {uri}.", hint="Check the spelling, and who may see it.")
    if status in {404, 410}:
        return SourceNotFound(f"There is no file or folder {uri}.", hint="Check the spelling, and who may see it.")
    why = chain[-1]
    said = scrubbed(" ".join(str(why).split()))[:300]
    return SourceUnreadable(
        f"{uri} cannot be read: {type(why).__name__}{f': {said}' if said else ''}.", hint="Run ingest again."
    )
