"""``paperlode push``: an embedded index copied to a Qdrant server, and compared."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from paperlode.api.command import faces, open_archive, settings_of, terminate_like_interrupt
from paperlode.api.options import CollectionOption, IndexOption, JsonOption, PresetOption
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.push import Plan, PushReport

__all__ = ["push"]


def push(
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help="The server, as https://host:6333; needs paperlode[qdrant]. Its key: PAPERLODE_QDRANT_KEY. "
            "[env: PAPERLODE_QDRANT]",
            show_default=False,
        ),
    ] = None,
    collection: CollectionOption = None,
    index: IndexOption = None,
    preset: PresetOption = "memory",
    quantization: Annotated[
        str | None, typer.Option(help="none, int8, product or binary. [default: the preset's]", show_default=False)
    ] = None,
    shards: Annotated[int, typer.Option(min=1, help="Parts the points are spread over.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Nodes that hold each part.")] = 1,
    write_consistency: Annotated[int, typer.Option(min=1, help="Of these, how many must have taken a write.")] = 1,
    hnsw_m: Annotated[int | None, typer.Option(help="Links of a node of the graph.", show_default=False)] = None,
    hnsw_ef: Annotated[
        int | None, typer.Option(help="Width of the search that builds the graph.", show_default=False)
    ] = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="Send over gRPC, port 6334.")] = False,
    no_llama_index: Annotated[
        bool, typer.Option("--no-llama-index", help="Store no LlamaIndex nodes; with them the text counts twice.")
    ] = False,
    sample_points: Annotated[int, typer.Option(min=1, help="Chunks compared with payload and vectors.")] = 200,
    sample_questions: Annotated[int, typer.Option(min=0, help="Questions asked of both sides.")] = 20,
    agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Share of their ten best hits that must be the same.")
    ] = 0.95,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave the collection it replaces on the server.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move", help="The archive's index is there from then on; the embedded one is removed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy an embedded index to a Qdrant server: nothing is embedded anew, and the copy is compared before it is used.

    It goes into a new collection, which gets the name (an alias) once count, sampled chunks and sampled questions are the
    same on both sides; until then the old one is searched. Exit code 1 when they are not. Run again after an interruption.
    """
    with faces(as_json=as_json):
        settings = settings_of(index=index, qdrant=url, collection=collection, qdrant_grpc=grpc or None)
        terminate_like_interrupt()
        server = settings.qdrant_server
        if server is None:
            raise InvalidRequest("No server is named.", hint="Give its address with --url or PAPERLODE_QDRANT.")
        from paperlode.api import terminal
        from paperlode.api.push import Samples
        from paperlode.retrieval.server_options import preset as kept_as

        kept = kept_as(
            preset,
            quantization=quantization,
            shards=shards,
            replicas=replicas,
            write_consistency=write_consistency,
            hnsw_m=hnsw_m,
            hnsw_ef_construct=hnsw_ef,
            llama_index=False if no_llama_index else None,
        )
        samples = Samples(points=sample_points, questions=sample_questions, agreement=agreement)
        with open_archive(settings.index) as archive:
            if dry_run:
                plan = archive.push_plan(server, kept)
                terminal.print_json({"plan": asdict(plan)}) if as_json else _tell_plan(plan)
                return
            try:
                from paperlode.api.progress import counting_bar

                with counting_bar("copying", "points") as show:
                    report = archive.push(server, kept, samples=samples, keep_old=keep_old, move=move, on_progress=show)
            except KeyboardInterrupt:
                terminal.message(
                    ("Interrupted. ", "bold yellow"),
                    f"What {server.collection!r} stood for it stands for still; run the same command again to go on.",
                )
                raise
        if as_json:
            terminal.print_json({**asdict(report), "problems": report.check.problems()})
        else:
            _tell(report)
    if not report.swapped:
        raise typer.Exit(1)


def _tell_plan(plan: "Plan") -> None:
    from paperlode.api.terminal import message

    size = f"{plan.vector_bytes / 1e6:,.1f} MB of vectors and {plan.payload_bytes / 1e6:,.1f} MB of payload"
    message(f"{plan.points:,} points of {plan.documents:,} documents, about {size},")
    begun = ", which an earlier run has begun" if plan.begun else ""
    message(f"would go into the collection {plan.collection!r} on {plan.url}{begun};")
    instead = f", in place of {plan.replaces!r}" if plan.replaces else ""
    message(f"the alias {plan.alias!r} would then be given to it{instead}. Nothing was changed.")


def _tell(report: "PushReport") -> None:
    from paperlode.api.terminal import message

    plan, check = report.plan, report.check
    before = f", {report.there:,} were there already" if report.there else ""
    message(
        (f"{report.copied:,} points copied", "bold"), f" to {plan.collection!r} in {report.seconds:,.1f} s{before}."
    )
    chunks, documents = check.held
    message(
        f"Count: {chunks:,} chunks of {documents:,} documents, {check.expected[0]:,} of {check.expected[1]:,} expected."
    )
    message(f"Points: {check.points:,} compared with payload and vectors, {len(check.differing):,} differ.")
    message(
        f"Questions: {check.questions:,} asked of both, {check.agreement:.1%} of the hits agree, "
        f"{check.best:,} with the same best hit."
    )
    if report.swapped:
        gone = f"; {report.dropped!r} is deleted" if report.dropped else ""
        message(("Sound. ", "bold green"), f"{plan.alias!r} on {plan.url} is {plan.collection!r} now{gone}.")
        stays = (
            "is that collection from now on" if report.moved else "is still the embedded one; --move makes it that one"
        )
        message(f"The archive's own index {stays}.")
        return
    for problem in check.problems():
        message(("Problem: ", "bold red"), problem)
    stays = f"{plan.alias!r} is still {plan.replaces!r}" if plan.replaces else f"there is no {plan.alias!r} yet"
    message(("Not used. ", "bold red"), f"{stays}; run again, the copy is then made anew.")
