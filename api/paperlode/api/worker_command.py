"""``paperlode worker``: a worker of a running service; started by it, and not by hand."""

import os
import signal
import threading
from typing import Annotated

import typer

from paperlode.api.command import faces, log_to_stderr, settings_of
from paperlode.api.options import EmbeddingOption, IndexOption

__all__ = ["OWNER", "OWNER_SECRET", "worker"]

OWNER, OWNER_SECRET = "PAPERLODE_OWNER", "PAPERLODE_OWNER_SECRET"
"""Variables in which the service tells its workers where its socket is, and the secret that it asks for."""


def worker(
    name: Annotated[str, typer.Option(help="That no other worker has.", show_default=False)],
    index: IndexOption = None,
    embedding: EmbeddingOption = None,
) -> None:
    """Take jobs of the service that started this process, until it ends."""
    with faces(as_json=False):
        from paperlode.api.parsers import Recognition
        from paperlode.api.service.database import ServiceDatabase
        from paperlode.api.service.locks import FileLock
        from paperlode.api.service.places import Places
        from paperlode.api.service.queue import Queue
        from paperlode.api.service.remote_index import RemoteIndex
        from paperlode.api.service.worker import Worker
        from paperlode.api.values import IngestOptions
        from paperlode.ingest.errors import InvalidRequest
        from paperlode.ingest.workers import WorkerLimits
        from paperlode.retrieval.embedding import DEFAULT, load_embedder

        log_to_stderr(verbose=False)
        address, secret = os.environ.pop(OWNER, ""), os.environ.pop(OWNER_SECRET, "")
        if not address:
            raise InvalidRequest("A worker is started by its service.", hint="Run: paperlode serve")
        settings = settings_of(index=index, embedding=embedding)
        places = Places(settings.index.expanduser().absolute())
        alive = FileLock(places.working, shared=True, seconds=5.0, what="worker")
        queue = Queue(ServiceDatabase.open(places.database))
        options = IngestOptions(
            parser=settings.parser,
            recognition=Recognition.of(settings),
            workers=settings.workers,
            limits=WorkerLimits(seconds=settings.page_timeout, memory_mb=settings.memory_limit),
            free_bytes=settings.min_free * 1_000_000,
        )
        embedder = load_embedder(settings.embedder or DEFAULT, options=settings.embedding_models)
        made = Worker(queue, places, lambda c: RemoteIndex(address, secret, c), embedder, options=options, name=name)
        signal.signal(signal.SIGTERM, lambda *_: made.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service gets it too, and says what is to be done
        threading.Thread(target=_until_the_service_ends, name="service", daemon=True).start()
        made.run()
        alive.release()


def _until_the_service_ends() -> None:
    """The other end of standard input is the service's: it closes when that dies, however it does."""
    from paperlode.api.service.worker import Worker

    while os.read(0, 1):  # not sys.stdin: a thread that reads it keeps the interpreter from ending
        pass
    Worker.orphaned()
