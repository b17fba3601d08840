"""What the 25 labels of PP-DocLayout mean to us: kind of block, layer of the page, and what to ask the model.

Nothing is without a meaning: a label of a later model that is not in the list is read as running text.
"""

from __future__ import annotations

from dataclasses import dataclass

from paperlode.ingest.document import Kind, Layer
from paperlode.ingest.vllm.values import Task

__all__ = ["LABELS", "Meaning", "meaning_of"]

LABELS = (
    "abstract",
    "algorithm",
    "aside_text",
    "chart",
    "content",
    "display_formula",
    "doc_title",
    "figure_title",
    "footer",
    "footer_image",
    "footnote",
    "formula_number",
    "header",
    "header_image",
    "image",
    "inline_formula",
    "number",
    "paragraph_title",
    "reference",
    "reference_content",
    "seal",
    "table",
    "text",
    "vertical_text",
    "vision_footnote",
)
"""Label by class number, the same in PP-DocLayoutV2 and V3 (``label_list`` of the models' ``inference.yml``)."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a label stands for.

    Attributes:
        kind, layer: of the block that its region becomes.
        task: what the recognition model is asked for; None for pictures, which are kept and not read. PaddleOCR-VL 1.0
            does not know ``Task.SEAL``: ask it for ``Task.OCR`` instead.
    """

    kind: Kind
    layer: Layer = Layer.BODY
    task: Task | None = Task.OCR


_FURNITURE = Layer.FURNITURE

_MEANINGS = {
    "abstract": Meaning(Kind.TEXT),
    "algorithm": Meaning(Kind.CODE),
    "aside_text": Meaning(Kind.ASIDE),
    "chart": Meaning(Kind.CHART, task=Task.CHART),
    "content": Meaning(Kind.TOC),
    "display_formula": Meaning(Kind.FORMULA, task=Task.FORMULA),
    "doc_title": Meaning(Kind.TITLE),
    "figure_title": Meaning(Kind.CAPTION),  # captions of tables and charts carry this label too
    "footer": Meaning(Kind.PAGE_FOOTER, _FURNITURE),
    "footer_image": Meaning(Kind.FIGURE, _FURNITURE, None),
    "footnote": Meaning(Kind.FOOTNOTE, Layer.NOTE),
    "formula_number": Meaning(Kind.TEXT),  # "(3)": plain characters, which the formula task would set as LaTeX
    "header": Meaning(Kind.PAGE_HEADER, _FURNITURE),
    "header_image": Meaning(Kind.FIGURE, _FURNITURE, None),
    "image": Meaning(Kind.FIGURE, task=None),
    "inline_formula": Meaning(Kind.FORMULA, task=Task.FORMULA),
    "number": Meaning(Kind.PAGE_NUMBER, _FURNITURE),
    "paragraph_title": Meaning(Kind.HEADING),
    "reference": Meaning(Kind.REFERENCE),  # the frame around a list of references
    "reference_content": Meaning(Kind.REFERENCE),
    "seal": Meaning(Kind.SEAL, task=Task.SEAL),
    "table": Meaning(Kind.TABLE, task=Task.TABLE),
    "text": Meaning(Kind.TEXT),
    "vertical_text": Meaning(Kind.TEXT),
    "vision_footnote": Meaning(Kind.FOOTNOTE, Layer.NOTE),  # a note under a figure or table
}


def meaning_of(label: str) -> Meaning:
    """What the label stands for; running text for one that is not in ``LABELS``."""
    return _MEANINGS.get(label, _MEANINGS["text"])
