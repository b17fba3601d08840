"""What the query API gives for a question: the answer, its citations, and how it was checked. Pages are 0-based."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from paperlode.api.examples import CITATION, HIT, REGION
from paperlode.api.models import CitationOut, HitOut, Region, example
from paperlode.retrieval.answer import Answer
from paperlode.retrieval.figure_answer import FigureAnswer

__all__ = ["AnswerOut", "CitedAnswer", "FigureOut", "SentenceOut"]


class SentenceOut(BaseModel):
    """A sentence that a language model wrote, and whether the passages it cites say so."""

    model_config = example(
        {
            "text": "The cap is EUR 3,000,000.",
            "citations": [1],
            "supported": False,
            "problems": ["'EUR 3,000,000' does not stand in [1]."],
        }
    )

    text: str
    citations: Annotated[list[int], Field(description="numbers of the citations it names")]
    supported: Annotated[bool, Field(description="false: it is not in the answer")]
    problems: Annotated[list[str], Field(description="why it is not supported, for a person")]


class FigureOut(BaseModel):
    """The cell that answers a question for one figure."""

    model_config = example(
        {
            "row": ["Revenue:", "Total revenue"],
            "column": ["Years ended", "December 2, 2022"],
            "printed": "17,606",
            "value": "17606000000",
            "unit": "USD",
            "scale": "1000000",
            "period": "December 2, 2022",
            "page": 53,
            "regions": [REGION],
        }
    )

    row: Annotated[list[str], Field(description="what heads its row, outermost first")]
    column: Annotated[list[str], Field(description="what heads its column, outermost first")]
    printed: Annotated[str, Field(description="as printed")]
    value: Annotated[str, Field(description="in full, as a decimal number: scale applied")]
    unit: Annotated[str, Field(description="USD, %, shares and the like; empty where the table does not say")]
    scale: Annotated[str, Field(description="what the printed figure is multiplied by")]
    period: Annotated[str, Field(description="as the column says it; empty where it does not")]
    page: Annotated[int, Field(description="0-based")]
    regions: Annotated[list[Region], Field(description="where the cell stands")]

    @classmethod
    def of(cls, figure: FigureAnswer) -> Self:
        """From the value."""
        return cls(
            row=list(figure.row),
            column=list(figure.column),
            printed=figure.printed,
            value=f"{figure.value:f}",
            unit=figure.unit,
            scale=f"{figure.scale:f}",
            period=figure.period,
            page=figure.page,
            regions=[Region.of(b) for b in figure.boxes],
        )


class AnswerOut(BaseModel):
    """What an answer says of itself."""

    text: str
    refused: Annotated[bool, Field(description="nothing that is supported can be said; the text says why")] = False
    model: Annotated[str, Field(description="the language model that wrote it; empty where it is quotations")] = ""
    sentences: Annotated[list[SentenceOut], Field(description="what the language model wrote, checked")] = []
    figure: Annotated[
        FigureOut | None,
        Field(description="the cell asked for, where the question asks for one figure and one is certain"),
    ] = None

    @classmethod
    def of(cls, answer: Answer) -> "AnswerOut":
        """From the value."""
        return AnswerOut(
            text=answer.text,
            refused=answer.refused,
            model=answer.model,
            sentences=[
                SentenceOut(text=c.text, citations=list(c.citations), supported=c.supported, problems=list(c.problems))
                for c in answer.checks
            ],
            figure=FigureOut.of(answer.figure) if answer.figure else None,
        )


class CitedAnswer(AnswerOut):
    """An answer with ``[n]`` after what citation ``n`` shows; without citations nothing was found."""

    model_config = example(
        {
            "question": "What is the cap on liability?",
            "text": "The total liability of the Supplier shall not exceed EUR 2,000,000. [1]",
            "refused": False,
            "model": "",
            "sentences": [],
            "figure": None,
            "citations": [CITATION],
            "hits": [HIT],
        }
    )

    question: str
    citations: list[CitationOut]
    hits: Annotated[list[HitOut], Field(description="what the answer was made from, best first")]
