"""``paperlode serve``: the query API, with workers that take in what is uploaded."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, settings_of, use_llm
from paperlode.api.options import EmbeddingOption, IndexOption, RerankOption
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.api.archive import Archive
    from paperlode.api.service.service import Service
    from paperlode.api.settings import Settings
    from paperlode.retrieval.embedding import Embedder

__all__ = ["serve"]


def serve(
    index: IndexOption = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(help="[default: 8765]", show_default=False)] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Host name to answer to, beside localhost; repeatable.")
    ] = None,
    keys: Annotated[
        bool | None,
        typer.Option(
            "--keys/--no-keys",
            help="Ask for an API key (`paperlode keys create`). [default: where there is one, and wherever others can call]",
            show_default=False,
        ),
    ] = None,
    ingesters: Annotated[
        int, typer.Option("--ingesters", min=0, max=64, help="Processes that take in uploads; 0 takes in none.")
    ] = 1,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second of one key, over a longer time; 0 for any number.")
    ] = 50.0,
    embedding: EmbeddingOption = None,
    rerank: RerankOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Errors as JSON on standard output.")] = False,
) -> None:
    """Search, ask and take in documents over HTTP, under /v1; /openapi.json describes it. The index is made if there is none."""
    with faces(as_json=as_json):
        import uvicorn

        from paperlode.api.app import LOOPBACK, create_service_app
        from paperlode.api.service.limiter import Limiter
        from paperlode.api.service.service import Service

        settings = settings_of(index=index, host=host, port=port, embedding=embedding, rerank=rerank)
        hosts: tuple[str, ...] = (*LOOPBACK, *(name or ()))
        if settings.host not in LOOPBACK:
            hosts = hosts if name else ("*",)
        root = settings.index.expanduser().absolute()
        model = _model(root, settings)
        with Service(root, model, workers=ingesters, opened=_opener(model, settings)) as service:
            asks = _asks_for_keys(service, settings, keys)
            limiter = Limiter(per_second=rate, burst=max(1, round(4 * rate))) if asks is not False and rate else None
            application = create_service_app(service, with_keys=asks, hosts=hosts, limiter=limiter)
            uvicorn.run(application, host=settings.host, port=settings.port, log_level="info")


def _asks_for_keys(service: "Service", settings: "Settings", wanted: bool | None) -> bool | None:
    """Whether keys are asked for; None: as soon as there is one."""
    from paperlode.api.app import LOOPBACK

    outside = settings.host not in LOOPBACK
    if outside and wanted is False:
        raise InvalidRequest(
            f"Without keys everyone who can reach {settings.host}:{settings.port} could read and delete everything.",
            hint="Leave out --no-keys, or --host.",
        )
    if (outside or wanted) and not service.keys.any():
        raise InvalidRequest(
            "There is no key yet, so nobody could call.",
            hint=f"Make one with: paperlode keys create NAME --scope admin --index {service.places.root}",
        )
    return True if outside else wanted


def _model(root: Path, settings: "Settings") -> "Embedder":
    """The embedding model of the index, or for a new one that of the settings; one that cannot be loaded is an error now."""
    from paperlode.api.directory import Directory, Manifest
    from paperlode.retrieval.embedding import DEFAULT, load_embedder

    directory = Directory(root)
    wanted = settings.embedder
    if directory.manifest.exists():
        manifest = Manifest.read(directory)
        if wanted is not None:
            manifest.check_embedder(wanted, root)
        wanted = str(manifest.schema["embedder"])
    return load_embedder(wanted or DEFAULT, options=settings.embedding_models)


def _opener(model: "Embedder", settings: "Settings") -> "Callable[[Path], Archive]":
    """Opens the archives of a service: each with the same model, reranker and language model."""
    from paperlode.api.archive import Archive
    from paperlode.retrieval.rerank import RerankOptions, load_reranker

    judge = load_reranker(settings.rerank, options=settings.rerank_models) if settings.rerank else None

    def opened(folder: Path) -> Archive:
        models = settings.embedding_models
        archive = Archive.open_or_create(folder, embedder=model, models=models, server_key=settings.qdrant_key)
        if judge is not None:
            archive.reranker = judge
            archive.reranking = RerankOptions(candidates=settings.rerank_candidates, seconds=settings.rerank_seconds)
        use_llm(archive)
        return archive

    return opened
