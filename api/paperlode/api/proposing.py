"""Questions proposed from an archive, spread over its documents and their pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from paperlode.ingest.document import Chunk, from_json
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.table_reading import read_table
from paperlode.retrieval.propose import Proposal, document_label, proposals, spread
from paperlode.retrieval.question_file import EvalQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llama_index.core.llms import LLM

    from paperlode.api.archive import Archive
    from paperlode.ingest.ledger import DocumentRecord

__all__ = ["Proposed", "propose"]

PASSAGES = 4
"""Passages that a language model is asked about for each question wanted, before it is given up."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proposed:
    """Questions for a question file, the names of documents of which nothing could be asked, and passages given to a model."""

    questions: tuple[EvalQuestion, ...]
    barren: tuple[str, ...] = ()
    passages: int = 0


def propose(
    archive: Archive,
    *,
    count: int = 50,
    documents: Sequence[str] = (),
    seed: int = 0,
    llm: LLM | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Proposed:
    """Up to ``count`` questions; the same archive and seed give the same ones (with a language model: of the same passages).

    Args:
        archive: whose documents are asked about.
        count: how many at most. As many documents are looked at, chosen by the seed.
        documents: names as ``Archive.document`` takes them; all when empty.
        seed: of every choice.
        llm: writes the questions; None for templates over cells, terms, clauses, sections and captions.
        on_progress: told how many of how many are done: documents, with a model questions.

    Raises:
        InvalidRequest: the archive is empty, or nothing can be asked of it.
        DocumentNotFound: it holds no such document.
        ServerError: the language model's server gives no answer.
    """
    rng = Random(seed)  # noqa: S311  a choice of questions
    records = [archive.document(d) for d in documents] if documents else archive.documents()
    records = list({r.digest: r for r in records}.values())
    if not records:
        raise InvalidRequest("The archive holds no document.", hint="Fill it: paperlode ingest PATH --index DIR")
    several = len(archive.documents()) > 1
    chosen = rng.sample(records, len(records))
    if llm is not None:
        return _written(archive, llm, chosen, count=count, rng=rng, on_progress=on_progress)
    look = on_progress or (lambda _done, _total: None)

    def of(label: str, chunks: Iterator[Chunk]) -> list[Proposal]:
        return proposals(chunks, rng=rng, read_table=read_table, label=label if several else "")

    names, groups, barren = _gathered(archive, chosen, count, of, look)
    picked = [p.row(names[g]) for _, (g, p) in zip(range(count), spread(groups, rng), strict=False)]
    return Proposed(_told(picked, barren), tuple(barren))


def _written(
    archive: Archive,
    llm: LLM,
    chosen: Sequence[DocumentRecord],
    *,
    count: int,
    rng: Random,
    on_progress: Callable[[int, int], None] | None,
) -> Proposed:
    from paperlode.retrieval.propose_llm import AskedBefore, Source, passages_of, write_questions_with

    def of(label: str, chunks: Iterator[Chunk]) -> list[Source]:
        return passages_of(chunks, label)

    names, groups, barren = _gathered(archive, chosen, count, of, lambda _done, _total: None)
    before, found, asked = AskedBefore(), list[EvalQuestion](), 0
    for g, source in spread(groups, rng):
        if len(found) >= count or asked >= PASSAGES * count:
            break
        if on_progress:
            on_progress(len(found), count)
        asked += 1
        new = [p for p in write_questions_with(llm, source, read_table=read_table) if before.add(names[g], p.question)]
        found += [p.row(names[g]) for p in new[: count - len(found)]]
    if asked and not found:
        raise InvalidRequest(
            f"The language model was shown {asked} passages, and asked nothing that its passage answers.",
            hint="Try another model, or leave it out: questions are then made from the structure.",
        )
    return Proposed(_told(found, barren), tuple(barren), asked)


def _gathered(
    archive: Archive,
    chosen: Sequence[DocumentRecord],
    count: int,
    of: Callable[[str, Iterator[Chunk]], list[T]],
    look: Callable[[int, int], None],
) -> tuple[list[str], list[list[T]], list[str]]:
    """Names and findings of up to ``count`` documents, and the names of those that gave nothing."""
    same = Counter(r.name for r in archive.documents())
    titles: set[str] = set()
    names, groups, barren = list[str](), list[list[T]](), list[str]()
    for n, record in enumerate(chosen):
        if len(groups) >= count:
            break
        look(n, min(len(chosen), count))
        chunks = (from_json(Chunk, line) for line in archive.export(record.digest, "jsonl"))
        first = next(chunks, None)
        title = first.title if first else ""
        label = document_label(record.name, title, frozenset(titles))
        titles.add(" ".join(title.split()))
        found = of(label, _again(first, chunks))
        if found:
            groups.append(found)
            names.append(record.name if same[record.name] == 1 else record.digest[:16])
        else:
            barren.append(record.name)
    return names, groups, barren


def _again(first: Chunk | None, rest: Iterator[Chunk]) -> Iterator[Chunk]:
    if first is not None:
        yield first
        yield from rest


def _told(found: Sequence[EvalQuestion], barren: Sequence[str]) -> tuple[EvalQuestion, ...]:
    """The questions by document and page, each once."""
    if not found:
        some = ", ".join(barren[:3])
        raise InvalidRequest(
            f"Nothing can be asked of {some or 'these documents'} that would be sure.",
            hint="Write the questions yourself, or let a language model: --llm URL --model NAME.",
        )
    unique = {q.id: q for q in found}
    return tuple(sorted(unique.values(), key=lambda q: (q.document, q.pages, q.id)))
