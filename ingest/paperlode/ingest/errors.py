"""Everything paperlode raises on purpose, in one tree.

PaperlodeError                  what happened, to which file and page, and what to do next
├── SourceError                 one file cannot be taken; the run goes on
│   ├── SourceNotFound          no such file or folder, or no documents in it
│   ├── SourceUnreadable        permissions, I/O error
│   ├── SourceEmpty             zero bytes, or zero pages
│   ├── SourceUnsupported       neither a PDF nor a picture we read (judged by its bytes, not its name)
│   ├── SourceTooLarge          more bytes than the limit
│   ├── SourceEncrypted         needs a password, or the one given is wrong
│   ├── SourceCorrupt           the file's structure cannot be opened at all
│   └── SourceChanged           its bytes changed while it was read
├── PageError                   one page failed; recorded as a value, the document goes on
│   ├── PageUnreadable          the page's own content is broken
│   ├── PageTooLarge            more pixels or points than the limit
│   ├── PageTimeout             over its time limit; its worker was ended
│   ├── PageOutOfMemory         over its memory limit
│   └── PageCrashed             its worker process died
├── ArchiveError                the index directory
│   ├── ArchiveNotFound         nothing there
│   ├── ArchiveLocked           another process holds it
│   ├── ArchiveCorrupt          its files do not open
│   ├── SchemaMismatch          written by another version or with another model
│   ├── DocumentNotFound        no such document, page or hit in it
│   ├── StorageFull             no room to write
│   ├── IndexServerUnreachable  no connection to the server of the index, or no answer in time
│   ├── IndexServerBusy         it refuses more work for now
│   ├── IndexServerKeyRefused   it wants another key, or the key does not allow this
│   ├── IndexServerFailed       it broke, or refuses a request
│   ├── IndexServerIncompatible too old, or no such server at all
│   ├── LedgerServerUnreachable no connection to the database server of the ledger, or it broke off
│   └── LedgerServerRefused     it does not let us in: another password, no such user or database
├── ModelError                  an embedding model
│   ├── ModelUnknown            no such name
│   └── ModelChecksumMismatch   the weights are not the published ones
├── ServerError                 a server of a model: recognition, embedding, reranking
│   ├── ServerUnreachable       no connection, or it broke off
│   ├── ServerTimeout           no answer before the deadline
│   ├── ServerBusy              it refuses more work for now
│   ├── ServerFailed            it broke while it answered
│   ├── ServerKeyRefused        it wants another key, or does not allow this
│   ├── ServerModelUnknown      it serves no model of that name
│   ├── ServerIncompatible      it does not speak this protocol, or not as we need it
│   ├── CropRefused             it cannot read this picture
│   ├── CropTooLong             the picture and the prompt are longer than its context
│   ├── ServerRequestRefused    it refuses a parameter of the request
│   └── ClusterUnavailable      the Ray cluster of a run cannot be used
├── AccessError                 whoever calls the service
│   ├── KeyRefused              no key, or not a good one
│   ├── NotAllowed              the key does not allow this
│   ├── LimitReached            too much at a time
│   └── Conflict                not in the state in which things are
├── MissingExtra                an optional package is not installed; the message names the pip command
└── InvalidRequest              an option, a question or a filter that makes no sense
"""

from __future__ import annotations

__all__ = [
    "AccessError",
    "ArchiveCorrupt",
    "ArchiveError",
    "ArchiveLocked",
    "ArchiveNotFound",
    "ClusterUnavailable",
    "Conflict",
    "CropRefused",
    "CropTooLong",
    "DocumentNotFound",
    "IndexServerBusy",
    "IndexServerFailed",
    "IndexServerIncompatible",
    "IndexServerKeyRefused",
    "IndexServerUnreachable",
    "InvalidRequest",
    "KeyRefused",
    "LedgerServerRefused",
    "LedgerServerUnreachable",
    "LimitReached",
    "MissingExtra",
    "ModelChecksumMismatch",
    "ModelError",
    "ModelUnknown",
    "NotAllowed",
    "PageCrashed",
    "PageError",
    "PageOutOfMemory",
    "PageTimeout",
    "PageTooLarge",
    "PageUnreadable",
    "PaperlodeError",
    "SchemaMismatch",
    "ServerBusy",
    "ServerError",
    "ServerFailed",
    "ServerIncompatible",
    "ServerKeyRefused",
    "ServerModelUnknown",
    "ServerRequestRefused",
    "ServerTimeout",
    "ServerUnreachable",
    "SourceChanged",
    "SourceCorrupt",
    "SourceEmpty",
    "SourceEncrypted",
    "SourceError",
    "SourceNotFound",
    "SourceTooLarge",
    "SourceUnreadable",
    "SourceUnsupported",
    "StorageFull",
]


class PaperlodeError(Exception):
    """Base of all errors meant to be shown to a person.

    Args:
        what: one sentence: what happened, and to which file, page or option.
        hint: one sentence: what to do next; empty where nothing can be done.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    @property
    def code(self) -> str:
        """Stable machine-readable name: the class name in snake case (``source_encrypted``)."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.hint)


def _rebuild(kind: type[PaperlodeError], what: str, hint: str) -> PaperlodeError:
    return kind(what, hint=hint)


class SourceError(PaperlodeError):
    """One file cannot be taken; the run goes on with the others."""


class SourceNotFound(SourceError):
    """No such file or folder, or a folder without documents."""


class SourceUnreadable(SourceError):
    """The operating system refuses to read the file."""


class SourceEmpty(SourceError):
    """Zero bytes or zero pages."""


class SourceUnsupported(SourceError):
    """The bytes are of no media type that paperlode reads."""


class SourceEncrypted(SourceError):
    """The document needs a password, or the one given is wrong."""


class SourceTooLarge(SourceError):
    """The file has more bytes than may be taken."""


class SourceCorrupt(SourceError):
    """The document cannot be opened at all."""


class SourceChanged(SourceError):
    """The file's bytes changed while it was read."""


class PageError(PaperlodeError):
    """One page failed; the parser turns it into a failed page value."""


class PageUnreadable(PageError):
    """The page's own content is broken."""


class PageTooLarge(PageError):
    """The page is larger than the limit."""


class PageTimeout(PageError):
    """The page took longer than its time limit."""


class PageOutOfMemory(PageError):
    """The page needed more memory than its limit."""


class PageCrashed(PageError):
    """The worker process that read the page died."""


class ArchiveError(PaperlodeError):
    """The index directory cannot be used as asked."""


class ArchiveNotFound(ArchiveError):
    """There is no index in that directory."""


class ArchiveLocked(ArchiveError):
    """Another process holds the index."""


class ArchiveCorrupt(ArchiveError):
    """The index's files do not open."""


class SchemaMismatch(ArchiveError):
    """The index was written by another schema version or with another embedding model."""


class DocumentNotFound(ArchiveError):
    """The archive holds no such document, page or hit."""


class StorageFull(ArchiveError):
    """There is no room left to write the index."""


class IndexServerUnreachable(ArchiveError):
    """There is no connection to the server of the index, or it gave no answer in time."""


class IndexServerBusy(ArchiveError):
    """The server of the index refuses more work for now."""


class IndexServerKeyRefused(ArchiveError):
    """The server of the index wants another key, or the key does not allow this."""


class IndexServerFailed(ArchiveError):
    """The server of the index broke, or refuses a request."""


class IndexServerIncompatible(ArchiveError):
    """What answers is no Qdrant server, or one that is too old."""


class LedgerServerUnreachable(ArchiveError):
    """There is no connection to the database server of the ledger, or it broke off."""


class LedgerServerRefused(ArchiveError):
    """The database server of the ledger wants another password, or knows no such user or database."""


class ModelError(PaperlodeError):
    """An embedding model cannot be used."""


class ModelUnknown(ModelError):
    """No embedding model has that name."""


class ModelChecksumMismatch(ModelError):
    """The weights on disk are not the published ones."""


class ServerError(PaperlodeError):
    """A server of a model (recognition, embedding, reranking) cannot be used as asked."""

    everywhere = False
    """Whether no server can be used for anything, after waiting for them: going on makes no sense."""


class ServerUnreachable(ServerError):
    """There is no connection to the server, or it broke off."""


class ServerTimeout(ServerError):
    """The server did not answer before the deadline."""


class ServerBusy(ServerError):
    """The server refuses more work for now."""


class ServerFailed(ServerError):
    """The server broke while it answered."""


class ServerKeyRefused(ServerError):
    """The server wants another key, or does not allow this."""

    everywhere = True


class ServerModelUnknown(ServerError):
    """The server serves no model of that name."""

    everywhere = True


class ServerIncompatible(ServerError):
    """What answers does not speak the protocol, or not as we need it."""


class CropRefused(ServerError):
    """The server cannot read this picture."""


class CropTooLong(ServerError):
    """The picture and the prompt are longer than the server's context."""


class ServerRequestRefused(ServerError):
    """The server refuses a parameter of the request."""


class ClusterUnavailable(ServerError):
    """The Ray cluster of a run cannot be joined, or has no worker left."""

    everywhere = True


class AccessError(PaperlodeError):
    """Whoever calls the service may not do this, or not now."""


class KeyRefused(AccessError):
    """No key, or not a good one."""


class NotAllowed(AccessError):
    """The key does not allow this."""


class LimitReached(AccessError):
    """Too much at a time."""


class Conflict(AccessError):
    """Not in the state in which things are."""


class MissingExtra(PaperlodeError):
    """An optional package is not installed."""

    @classmethod
    def named(cls, package: str, extra: str) -> MissingExtra:
        """The error for an import of ``package`` that the extra ``extra`` would have installed."""
        return cls(f"The package {package!r} is not installed.", hint=f"Run: pip install 'paperlode[{extra}]'")


class InvalidRequest(PaperlodeError):
    """An option, a question or a filter makes no sense."""
