"""Answers written by a language model, each sentence checked against the sources it cites before anybody sees it."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .answer import Answer, Citation
from .answer_sentences import Sentence, SentenceStream
from .citation_check import SentenceCheck, check_sentence
from .evidence import Evidence
from .llm_connection import connect_llm, llm_errors
from .prompts import NO_ANSWER, Prompt, PromptSource, make_prompt, token_bound
from .scripts import cjk_share
from .table_parts import with_neighbours

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence

    from llama_index.core.llms import LLM, ChatMessage, ChatResponse

    from paperlode.ingest.document import Chunk, PageBox

    from .answer import Answerer
    from .search import Hit
    from .table_meaning import ReadTable

__all__ = ["AnswerDone", "AnswerEvent", "AnswerSources", "AnswerText", "LLMAnswerer"]

BUDGET = 6000
"""Tokens of a prompt: about ten passages. A model that reads less gets less."""
LEAST_BUDGET = 600
LONGEST = 20_000
"""Characters of an answer after which the model is not listened to."""
_WORDS = {
    "no answer": (
        "The passages that were found do not answer this question.",
        "找到的段落没有回答这个问题。",
    ),
    "unsupported": (
        "No answer can be given: what the language model wrote is not supported by the passages that were found.",
        "无法给出答案：语言模型所写的内容在找到的段落中没有依据。",
    ),
    "nearest": ("What comes nearest:", "最接近的内容："),
    "mark": ("[not found in the source]", "［来源中未找到］"),
}


@dataclass(frozen=True, slots=True)
class AnswerSources:
    """First event: what the model is shown, numbered as it may be cited; ``left_out`` and ``cut`` count what was too much."""

    sources: tuple[Citation, ...]
    left_out: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A sentence that passed (or is marked): ``text`` as it stands in the answer, white space before it included."""

    text: str
    check: SentenceCheck


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """Last event: the whole answer. Where it was refused, no text came before."""

    answer: Answer


AnswerEvent = AnswerSources | AnswerText | AnswerDone


class LLMAnswerer:
    """Answers with a language model from the hits of a search.

    Sentences whose numbers, dates or quoted words do not stand in what they cite are left out (or marked); an answer of
    which nothing is left is refused in plain words, with the best passages.

    Args:
        llm: any LlamaIndex model.
        name_of: the name of a document, by its digest.
        read_table: what cells mean (``paperlode.ingest.table_reading.read_table``): ties figures to rows and periods.
        more_of: the other parts of a hit's table, which is then shown whole.
        fallback: quotes the best passages when an answer is refused.
        budget: tokens of the prompt; None for what the model reads, at most 6,000.
        count: tokens of a text; without it a bound from its characters.
        unsupported: what becomes of a sentence that fails: ``drop`` or ``mark``.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        name_of: Callable[[str], str] = lambda digest: digest[:12],
        read_table: ReadTable | None = None,
        more_of: Callable[[Hit], Sequence[Chunk]] = lambda _: (),
        fallback: Answerer | None = None,
        budget: int | None = None,
        count: Callable[[str], int] = token_bound,
        unsupported: Literal["drop", "mark"] = "drop",
    ) -> None:
        self._llm = llm
        self._name_of = name_of
        self._read_table = read_table
        self._more_of = more_of
        self._fallback = fallback
        self._count = count
        self._unsupported = unsupported
        self._budget = budget or _budget(llm)

    @classmethod
    def connect(cls, url: str, model: str, *, key: str | None = None, **options: Any) -> LLMAnswerer:
        """An answerer with the model of that name at an OpenAI-compatible address; ``options`` as for the class.

        Raises:
            MissingExtra, InvalidRequest: as ``connect_llm``.
        """
        return cls(connect_llm(url, model, key=key), **options)

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self._llm.metadata.model_name)

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The checked answer. Raises ServerError where a server is asked and gives none."""
        for event in self.stream(question, hits):
            if isinstance(event, AnswerDone):
                return event.answer
        raise AssertionError

    async def aanswer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """``answer``, asynchronously."""
        async for event in self.astream(question, hits):
            if isinstance(event, AnswerDone):
                return event.answer
        raise AssertionError

    def stream(self, question: str, hits: Sequence[Hit]) -> Generator[AnswerEvent]:
        """Sources first, then each sentence when it is complete and checked, then the whole answer.

        Closing the iterator ends the request to the model.
        """
        writing = self._begin(question, hits)
        yield writing.sources()
        if writing.prompt.shown:
            with llm_errors(self.model):
                pieces = self._llm.stream_chat(_messages(writing.prompt))
                said, ended = "", False
                try:
                    for response in pieces:
                        piece, said = _piece(response, said)
                        yield from writing.add(piece)
                        if len(said) > LONGEST:
                            break
                    else:
                        ended = True
                finally:
                    pieces.close()
                    if not ended:
                        _let_go()
        yield from writing.end()

    async def astream(self, question: str, hits: Sequence[Hit]) -> AsyncGenerator[AnswerEvent]:
        """``stream``, asynchronously."""
        writing = self._begin(question, hits)
        yield writing.sources()
        if writing.prompt.shown:
            with llm_errors(self.model):
                pieces: Any = await self._llm.astream_chat(_messages(writing.prompt))
                said, ended = "", False
                try:
                    async for response in pieces:
                        piece, said = _piece(response, said)
                        for event in writing.add(piece):
                            yield event
                        if len(said) > LONGEST:
                            break
                    else:
                        ended = True
                finally:
                    await pieces.aclose()
                    if not ended:
                        _let_go()
        for last in writing.end():
            yield last

    def _begin(self, question: str, hits: Sequence[Hit]) -> _Writing:
        offered = [
            PromptSource(n, self._name_of(h.document), h.page, (with_neighbours(h.chunk, self._more_of(h)),))
            for n, h in enumerate(hits, 1)
        ]
        prompt = make_prompt(question, offered, budget=self._budget, count=self._count, read_table=self._read_table)
        evidence = {
            s.n: Evidence(s.n, s.chunks, around=s.name, read_table=self._read_table)
            for s in offered
            if s.n in prompt.shown
        }
        return _Writing(
            question,
            tuple(hits),
            prompt,
            evidence,
            {s.n: s for s in offered},
            self._fallback,
            self.model,
            self._unsupported,
        )


@dataclass
class _Writing:
    """One answer while it is written."""

    question: str
    hits: tuple[Hit, ...]
    prompt: Prompt
    evidence: dict[int, Evidence]
    offered: dict[int, PromptSource]
    fallback: Answerer | None
    model: str
    unsupported: str
    _sentences: SentenceStream = field(default_factory=SentenceStream)
    _checks: list[SentenceCheck] = field(default_factory=list)
    _text: str = ""
    _declined: bool = False

    def sources(self) -> AnswerSources:
        """The first event."""
        shown = tuple(self._citation(n, ()) for n in self.prompt.shown)
        return AnswerSources(shown, len(self.prompt.left_out), len(self.prompt.cut))

    def add(self, piece: str) -> Iterator[AnswerText]:
        """What may be shown after ``piece``."""
        for sentence in self._sentences.add(piece):
            yield from self._shown(sentence)

    def end(self) -> Iterator[AnswerText | AnswerDone]:
        """What is left, then the whole answer."""
        for sentence in self._sentences.end():
            yield from self._shown(sentence)
        yield AnswerDone(self._answer())

    def _shown(self, sentence: Sentence) -> Iterator[AnswerText]:
        if NO_ANSWER in sentence.text and len(sentence.text) < 3 * len(NO_ANSWER):
            self._declined = True
            return
        check = check_sentence(sentence, self.evidence, question=self.question)
        self._checks.append(check)
        if not check.supported and self.unsupported == "drop":
            return
        lead = ("\n" if "\n" in check.lead else check.lead and " ") if self._text else ""
        marks = "".join(f"[{n}]" for n in check.citations if n in self.evidence)
        beside = "" if not marks else marks if self._chinese else f" {marks}"
        warning = "" if check.supported else f" {self._words('mark')}"
        text = f"{lead}{check.text}{beside}{warning}"
        self._text += text
        yield AnswerText(text, check)

    def _answer(self) -> Answer:
        supported = [c for c in self._checks if c.supported]
        if not supported:
            return self._refused("no answer" if self._declined or not self._checks else "unsupported")
        cited = sorted({n for c in supported for n in c.citations})
        citations = tuple(self._citation(n, supported) for n in cited)
        return Answer(self._text.strip(), citations, checks=tuple(self._checks), model=self.model)

    def _refused(self, why: str) -> Answer:
        nearest = self.fallback.answer(self.question, self.hits) if self.fallback else Answer("")
        text = self._words(why)
        if nearest.citations:
            text = f"{text}\n{self._words('nearest')}\n{nearest.text}"
        return Answer(text, nearest.citations, checks=tuple(self._checks), refused=True, model=self.model)

    def _citation(self, n: int, supported: Sequence[SentenceCheck]) -> Citation:
        """The source, narrowed to the rows or sentences in which what was said stands."""
        source, chunk = self.offered[n], self.offered[n].chunks[0]
        figures = [f for c in supported for f in c.figures if f.citation == n and f.boxes]
        boxes: tuple[PageBox, ...] = tuple(dict.fromkeys(b for f in figures for b in f.boxes)) or chunk.regions
        quotes = list(dict.fromkeys(f.found for f in figures))
        page = boxes[0].page if figures else source.page
        quote = "\n".join(quotes) if quotes else chunk.shown_text
        return Citation(n, chunk.document, source.name, page, boxes, quote, chunk.read_by or (chunk.parser,))

    @property
    def _chinese(self) -> bool:
        return cjk_share(self.question) > 0.5

    def _words(self, name: str) -> str:
        return _WORDS[name][self._chinese]


def _let_go() -> None:
    """Closes the connection of a stream that was left: the client's stream refers to itself, and would wait for the collector."""
    gc.collect()


def _budget(llm: LLM) -> int:
    data = llm.metadata
    answer = data.num_output if data.num_output > 0 else 256
    return max(LEAST_BUDGET, min(BUDGET, data.context_window - answer - 64))


def _messages(prompt: Prompt) -> list[ChatMessage]:
    from llama_index.core.llms import ChatMessage, MessageRole

    return [
        ChatMessage(role=MessageRole.SYSTEM, content=prompt.system),
        ChatMessage(role=MessageRole.USER, content=prompt.user),
    ]


def _piece(response: ChatResponse, said: str) -> tuple[str, str]:
    """What is new in a response, and all that was said: some models give the new words, some only the whole text."""
    if response.delta is not None:
        return response.delta, said + response.delta
    whole = response.message.content or ""
    return (whole[len(said) :], whole) if whole.startswith(said) else ("", said)
