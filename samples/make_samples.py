"""Make the sample archive: ``python samples/make_samples.py [--out DIR]``.

Writes ``archive/`` (seven documents invented for this project), ``truth.json`` (questions with the page and box of their
evidence, table cells, display formulas) and ``layout.json`` (what stands where on every page, for stand-ins that read) beside
this script or into DIR. The same versions of PyMuPDF, Pillow and NumPy write the same bytes; the versions used are in the
truth file.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from making import certificate, chinese, contract, paper, receipt, report  # noqa: E402
from making.regions import layout  # noqa: E402

if TYPE_CHECKING:
    from making.truth import Made

VERSIONS = ("pymupdf", "pillow", "numpy")


def everything() -> list[Made]:
    """All documents, in the order of the archive."""
    return [
        contract.supply_agreement(),
        contract.service_agreement(),
        report.annual_report(),
        paper.paper(),
        chinese.chinese_report(),
        receipt.receipt_photo(),
        certificate.upside_down(),
    ]


def truth(made: list[Made]) -> dict[str, Any]:
    """The truth file."""
    return {
        "name": "paperlode samples",
        "page_base": 0,
        "box": "points, origin top left, as displayed",
        "made_with": {name: version(name) for name in VERSIONS},
        "docs": {
            m.file: {"pages": len(m.sizes), "layer": m.layer, "sizes": [[round(v, 2) for v in s] for s in m.sizes]}
            for m in made
        },
        "questions": [e for m in made for e in m.entries()],
        "tables": [t for m in made for t in m.table_entries()],
        "formulas": [f for m in made for f in m.formula_entries()],
    }


def dump(value: dict[str, Any]) -> str:
    """JSON with one entry a line, so that changes can be read."""
    parts = []
    for key, entry in value.items():
        if isinstance(entry, list):
            rows = ",\n".join("  " + json.dumps(e, ensure_ascii=False) for e in entry)
            parts.append(f' "{key}": [\n{rows}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(entry, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write everything."""
    parser = argparse.ArgumentParser(description="Make the sample archive and its truth file.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for archive/ and truth.json (default: here)")
    out = parser.parse_args().out
    archive = out / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    made = everything()
    for m in made:
        (archive / m.file).write_bytes(m.data)
        print(f"{m.file:28s} {len(m.sizes):3d} pages {len(m.data):9,d} bytes")
    (out / "truth.json").write_text(dump(truth(made)), encoding="utf-8", newline="\n")
    (out / "layout.json").write_text(dump(layout(made)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
