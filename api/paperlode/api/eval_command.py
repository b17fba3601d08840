"""``paperlode eval``: how well the archive answers the questions of a file; ``--make`` proposes such a file."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlode.api.command import (
    faces,
    open_archive,
    open_to_search,
    settings_of,
    terminate_like_interrupt,
    use_llm,
    write_text,
)
from paperlode.api.options import IndexOption, InDocument, JsonOption, LLMModelOption, LLMOption, RerankOption
from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.api.archive import Archive
    from paperlode.api.evaluation import Asked, Evaluation
    from paperlode.retrieval.question_file import EvalQuestion
    from paperlode.retrieval.rerank import Reranker

__all__ = ["evaluate"]


def evaluate(
    questions: Annotated[
        Path, typer.Argument(help="Question file, .jsonl or .csv; its pages count from 1.", show_default=False)
    ],
    index: IndexOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=10, max=1000, help="Pages found for each question.")] = 10,
    scope: Annotated[
        str, typer.Option("--scope", help="archive: of all documents; document: inside the question's own; or both.")
    ] = "both",
    document: InDocument = None,
    rerank: RerankOption = None,
    answers: Annotated[bool, typer.Option("--answers", help="Answer too, and judge the answers.")] = False,
    sources: Annotated[
        int, typer.Option("--sources", min=1, max=100, help="Hits that an answer is made from, as ask --limit.")
    ] = 5,
    llm: LLMOption = None,
    model: LLMModelOption = None,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Without proposals that nobody has accepted yet.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Compare with this kept run.", show_default=False)
    ] = None,
    against_index: Annotated[
        Path | None, typer.Option("--against-index", help="Compare with another index.", show_default=False)
    ] = None,
    against_rerank: Annotated[
        str | None,
        typer.Option("--against-rerank", help="Compare with another reranker, or none.", show_default=False),
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Keep the run in this file, for --against.", show_default=False)
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Break down by this field of the questions.", show_default=False)
    ] = None,
    make: Annotated[bool, typer.Option("--make", help="Propose questions, and write the file.")] = False,
    count: Annotated[int, typer.Option("--count", min=1, max=100_000, help="With --make: how many.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="With --make: of the choice.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="With --make: overwrite the file, and what people edited in it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score retrieval, citations and answers on your own questions, with intervals; compare two configurations.

    A question file holds one question a line: question, document, pages (counted from 1), and if known the answer. With --make
    questions are proposed from the archive, for you to edit; --llm lets a language model write them.
    """
    with faces(as_json=as_json):
        terminate_like_interrupt()
        if make:
            if answers or save or by or accepted or against or against_index or against_rerank:
                raise InvalidRequest(
                    "--make only proposes questions.", hint="Evaluate them afterwards, without --make."
                )
            _make(questions, index, document, count, seed, (llm, model), force=force, as_json=as_json)
            return
        if sum(x is not None for x in (against, against_index, against_rerank)) > 1:
            raise InvalidRequest(
                "One comparison at a time.", hint="Give one of --against, --against-index, --against-rerank."
            )
        from paperlode.api.evaluation import asked_of
        from paperlode.retrieval.question_file import read_questions

        wanted = _wanted(read_questions(questions), accepted=accepted, by=by)
        how: dict[str, Any] = {
            "limit": limit, "scopes": _scopes(scope), "answers": answers or llm is not None, "sources": sources,
        }  # fmt: skip
        with ExitStack() as stack:
            archive = stack.enter_context(open_to_search(index, rerank))
            if how["answers"]:
                use_llm(archive, llm, model)
            asked = _about(archive, asked_of(archive, wanted), document or ())
            before: Evaluation | None = None
            second, judge = archive, archive.reranker
            if against is not None:  # what cannot be compared with is told before anything is asked
                from paperlode.api.evaluation_runs import load_run

                before = load_run(against, archive, asked, how["scopes"])
            elif against_rerank is not None:
                judge = _reranker(against_rerank)
            elif against_index is not None:
                second = _second(stack, archive, against_index, rerank)
            run = _run(archive, asked, how, archive.reranker)
            if against_rerank is not None or against_index is not None:
                theirs = asked if second is archive else asked_of(second, [a.question for a in asked])
                before = _run(second, theirs, how, judge)
            _show(archive, run, before, how, by, save, as_json=as_json)


def _wanted(questions: "Sequence[EvalQuestion]", *, accepted: bool, by: str | None) -> "list[EvalQuestion]":
    """The questions to ask: none that is rejected, and with ``accepted`` none that is only proposed."""
    from paperlode.retrieval.question_file import PROPOSED, REJECTED

    left_out = {REJECTED, PROPOSED} if accepted else {REJECTED}
    wanted = [q for q in questions if q.status not in left_out]
    if not wanted:
        raise InvalidRequest(
            f"None of the {len(questions)} questions is left: they are rejected, or only proposed.",
            hint="Set the status of those that are good to accepted.",
        )
    if by and not any(q.value(by) for q in wanted):
        known = sorted({"document", "answerable", "status", *(k for q in wanted for k in q.other)})
        raise InvalidRequest(f"No question has a field {by!r}.", hint=f"Fields: {', '.join(known)}.")
    return wanted


def _scopes(named: str) -> tuple[str, ...]:
    from paperlode.api.evaluation import SCOPES

    if named not in {*SCOPES, "both"}:
        raise InvalidRequest(f"There is no scope {named!r}.", hint=f"Known: {', '.join(SCOPES)}, both.")
    return SCOPES if named == "both" else (named,)


def _about(archive: "Archive", asked: "Sequence[Asked]", documents: "Sequence[str]") -> "tuple[Asked, ...]":
    """The questions about these documents; all where none is named."""
    if not documents:
        return tuple(asked)
    digests = {archive.document(d).digest for d in documents}
    kept = tuple(a for a in asked if a.key in digests)
    if not kept:
        raise InvalidRequest(f"No question is about {', '.join(documents)}.", hint="See the file's field 'document'.")
    return kept


def _reranker(name: str) -> "Reranker | None":
    if name.lower() == "none":
        return None
    from paperlode.retrieval.rerank import load_reranker

    return load_reranker(name, options=settings_of().rerank_models)


def _second(stack: ExitStack, archive: "Archive", index: Path, rerank: str | None) -> "Archive":
    if index.expanduser().resolve() == archive.directory.root.resolve():
        raise InvalidRequest("Both are the same index.", hint="Compare rerankers with --against-rerank.")
    second = stack.enter_context(open_to_search(index, rerank))
    second.llm = archive.llm
    return second


def _run(archive: "Archive", asked: "Sequence[Asked]", how: dict[str, Any], judge: "Reranker | None") -> "Evaluation":
    """Asks everything, with this reranker or none."""
    from paperlode.api import terminal
    from paperlode.api.evaluation import evaluate as evaluated

    own, archive.reranker = archive.reranker, judge
    name = f"{archive.directory.root.name}: {archive.embedder.name}"
    name += f", reranked by {judge.name}" if judge else ""
    name += f", answers by {archive.llm.metadata.model_name}" if how["answers"] and archive.llm else ""
    try:
        from paperlode.api.progress import counting_bar

        with counting_bar("asking", "questions") as show:
            return evaluated(archive, asked, name=name, on_progress=show, on_notice=terminal.message, **how)
    finally:
        archive.reranker = own


def _show(
    archive: "Archive",
    run: "Evaluation",
    against: "Evaluation | None",
    how: dict[str, Any],
    by: str | None,
    save: Path | None,
    *,
    as_json: bool,
) -> None:
    from paperlode.api import terminal
    from paperlode.api.eval_view import evaluation_object, show_evaluation

    names = {r.digest: r.name for r in archive.documents()}
    if as_json:
        terminal.print_json(evaluation_object(run, against, names, by))
    else:
        _say(run, against, answers=how["answers"])
        show_evaluation(run, against, names, by)
    if save:
        from paperlode.api.evaluation_runs import run_lines

        write_text(save, run_lines(run, names))
        terminal.message(f"Written: {save}")


def _say(run: "Evaluation", against: "Evaluation | None", *, answers: bool) -> None:
    """What is asked, and what to know of it."""
    from paperlode.api.terminal import message
    from paperlode.retrieval.question_file import PROPOSED

    asked = run.asked
    message((f"{len(asked):,} questions", "bold"), f" asked of {run.name}.")
    if proposed := sum(a.question.status == PROPOSED for a in asked):
        message(f"{proposed:,} of them are proposals that nobody has accepted yet.")
    for one, where in ((run, "the archive"), (against, "what it is compared with")):
        missing = sorted({a.name for a in one.asked if a.missing}) if one and (one is run or one.asked != asked) else []
        if missing:
            some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            message((f"Not in {where}, so missed: ", "yellow"), some)
    silent = sum(not a.question.answerable for a in asked)
    if silent and not answers:
        message(f"{silent:,} cannot be answered; they count with --answers only.")


def _make(
    path: Path,
    index: Path | None,
    documents: "Sequence[str] | None",
    count: int,
    seed: int,
    llm: tuple[str | None, str | None],
    *,
    force: bool,
    as_json: bool,
) -> None:
    from paperlode.api import terminal
    from paperlode.api.proposing import propose
    from paperlode.retrieval.question_file import check_target, write_questions

    check_target(path, overwrite=force)
    with open_archive(index) as archive:
        use_llm(archive, *llm)
        from paperlode.api.progress import counting_bar

        with counting_bar("proposing") as show:
            made = propose(
                archive, count=count, documents=documents or (), seed=seed, llm=archive.llm, on_progress=show
            )
    write_questions(path, made.questions, overwrite=force)
    held = len({q.document for q in made.questions})
    if as_json:
        terminal.print_json({
            "output": str(path), "questions": len(made.questions), "documents": held, "barren": list(made.barren)
        })  # fmt: skip
        return
    terminal.message((f"{len(made.questions):,} questions proposed", "bold"), f" of {held:,} documents: {path}")
    if made.passages:
        terminal.message(f"The language model was asked about {made.passages:,} passages.")
    if made.barren:
        some = ", ".join(made.barren[:5]) + (", ..." if len(made.barren) > 5 else "")
        terminal.message(f"Nothing could be asked for sure of {some}")
    terminal.message(
        "Edit them: put them in your own words, set status to accepted or rejected, add your own; pages count from 1."
    )
