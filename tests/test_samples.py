"""The sample archive: it is what its script makes, and its truth file tells the truth."""

import hashlib
import json
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
ARCHIVE = SAMPLES / "archive"
TRUTH: dict[str, Any] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))
LAYOUT: dict[str, Any] = json.loads((SAMPLES / "layout.json").read_text(encoding="utf-8"))
FILES: dict[str, dict[str, Any]] = {Path(file).stem: {"file": file, **doc} for file, doc in TRUTH["docs"].items()}
DIGITAL = sorted(name for name, doc in FILES.items() if doc["layer"] == "digital")
PICTURES = sorted(name for name, doc in FILES.items() if doc["layer"] != "digital")

Box = tuple[float, float, float, float]


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flat(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


def words_inside(path: Path, page: int, box: Box, slack: float = 0.5) -> str:
    """The words whose middle lies inside ``box``, in the order of the text layer, without white space."""
    import pymupdf

    x0, y0, x1, y1 = box
    with pymupdf.open(path) as pdf:
        words = pdf[page].get_text("words", sort=False)
    inside = [
        w[4]
        for w in words
        if x0 - slack <= (w[0] + w[2]) / 2 <= x1 + slack and y0 - slack <= (w[1] + w[3]) / 2 <= y1 + slack
    ]
    return flat("".join(inside))


def evidence(names: list[str]) -> list[Any]:
    """A test case for each piece of evidence in these documents."""
    return [
        pytest.param(q, e, id=f"{q['question_id']}-{i}")
        for q in TRUTH["questions"]
        if q["doc_name"] in names
        for i, e in enumerate(q["evidence"])
    ]


def test_archive_is_what_the_script_makes(tmp_path: Path) -> None:
    """With the pinned versions the script writes every file of the archive, the truth and the layout, byte for byte again."""
    now = {name: version(name) for name in TRUTH["made_with"]}
    if now != TRUTH["made_with"]:
        pytest.skip(f"the archive was made with {TRUTH['made_with']}, installed is {now}")
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        pytest.skip(f"the archive was made on x86_64, this is {platform.machine()}")
    command = [sys.executable, str(SAMPLES / "make_samples.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    made = {p.relative_to(tmp_path).as_posix(): sha256(p) for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(SAMPLES).as_posix(): sha256(p) for p in kept_files()}
    assert made == kept


def kept_files() -> list[Path]:
    """What the script makes."""
    return [*ARCHIVE.iterdir(), SAMPLES / "truth.json", SAMPLES / "layout.json"]


def test_archive_is_small_enough_for_git() -> None:
    """The archive stays under 5 MB."""
    assert sum(p.stat().st_size for p in ARCHIVE.iterdir()) < 5_000_000


def test_truth_lists_every_file_and_every_page() -> None:
    """The truth file names the files of the archive, with the page sizes that a PDF reader finds."""
    import pymupdf

    assert sorted(TRUTH["docs"]) == sorted(p.name for p in ARCHIVE.iterdir())
    for name, doc in FILES.items():
        with pymupdf.open(ARCHIVE / doc["file"]) as pdf:
            assert pdf.page_count == doc["pages"] == len(doc["sizes"]), name
            assert [[round(p.rect.width), round(p.rect.height)] for p in pdf] == doc["sizes"], name


def test_only_digital_documents_have_a_text_layer() -> None:
    """A scan has no text on any page, and a digital document has some on each."""
    import pymupdf

    for name, doc in FILES.items():
        with pymupdf.open(ARCHIVE / doc["file"]) as pdf:
            assert {bool(page.get_text().strip()) for page in pdf} == {name in DIGITAL}, name


def test_every_file_is_asked_about() -> None:
    """There are at least 24 questions with ids of their own, three or more for each file."""
    ids = [q["question_id"] for q in TRUTH["questions"]]
    assert len(ids) == len(set(ids)) >= 24
    for name in FILES:
        assert sum(q["doc_name"] == name for q in TRUTH["questions"]) >= 3, name


def test_numbers_of_an_answer_stand_in_its_evidence() -> None:
    """No answer names a figure of two digits or more that its evidence, or the question, does not carry."""
    for q in TRUTH["questions"]:
        given = q["question"] + "".join(e["text"] for e in q["evidence"])
        for number in re.findall(r"\d[\d.,]*\d", q["answer"]):
            assert number in given, (q["question_id"], number)


def test_boxes_lie_on_their_pages() -> None:
    """Every box of evidence, cells and formulas is upright, not empty, and inside its page as displayed."""
    marks = [e for q in TRUTH["questions"] for e in q["evidence"]] + TRUTH["formulas"]
    marks += [{**c, "doc": t["doc"]} for t in TRUTH["tables"] for c in t["cells"]]
    for mark in marks:
        width, height = FILES[mark["doc"]]["sizes"][mark["page"]]
        x0, y0, x1, y1 = mark["box"]
        assert 0 <= x0 < x1 <= width, mark
        assert 0 <= y0 < y1 <= height, mark


@pytest.mark.parametrize(("question", "mark"), evidence(DIGITAL))
def test_digital_evidence_stands_inside_its_box(question: dict[str, Any], mark: dict[str, Any]) -> None:
    """The words inside the box are the evidence, in order (for a formula: all its letters and digits)."""
    inside = words_inside(ARCHIVE / FILES[mark["doc"]]["file"], mark["page"], mark["box"])
    if question["evidence_source"] == "formula":
        plain = re.sub(r"\\[a-z]+", "", mark["text"])
        assert sorted(re.findall(r"[A-Za-z0-9]", plain)) == sorted(re.findall(r"[A-Za-z0-9]", inside))
    else:
        assert flat(mark["text"]) in inside


@pytest.mark.slow
@pytest.mark.parametrize(("question", "mark"), evidence(PICTURES))
def test_pictured_evidence_stands_inside_its_box(question: dict[str, Any], mark: dict[str, Any], reader: Any) -> None:
    """Recognition of nothing but the box finds at least 85 % of the evidence's characters, in order."""
    import difflib

    found = flat(reader(mark))
    want = flat(mark["text"])
    matched = sum(b.size for b in difflib.SequenceMatcher(None, want, found, autojunk=False).get_matching_blocks())
    assert matched >= 0.85 * len(want), (question["question_id"], want, found)


@pytest.fixture(scope="module")
def reader() -> Any:
    """Reads a box of a picture: turned upright where the truth says that the file is not, lines from top to bottom."""
    import numpy as np
    import pymupdf
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.use_cls": False, "Global.log_level": "error"})

    def read(mark: dict[str, Any]) -> str:
        doc = FILES[mark["doc"]]
        with pymupdf.open(ARCHIVE / doc["file"]) as pdf:
            x0, y0, x1, y1 = mark["box"]
            clip = pymupdf.Rect(x0 - 6, y0 - 2, x1 + 6, y1 + 2)
            pix = pdf[mark["page"]].get_pixmap(dpi=72 if doc["layer"] == "photo" else 200, clip=clip)
        picture = np.frombuffer(pix.samples, np.uint8).reshape(pix.height, pix.width, 3)[:, :, ::-1]
        if mark["doc"] == "upside_down":
            picture = picture[::-1, ::-1]
        result = engine(np.ascontiguousarray(picture))
        lines = [] if result.boxes is None else zip(result.boxes, result.txts, strict=True)
        pieces = sorted(((float(b[:, 1].mean()), float(b[:, 0].min()), t) for b, t in lines), key=lambda p: p[0])
        return "".join(t for row in rows_of(pieces, pix.height) for _, _, t in sorted(row, key=lambda p: p[1]))

    return read


def rows_of(pieces: list[tuple[float, float, str]], height: int) -> list[list[tuple[float, float, str]]]:
    """Pieces sorted from top to bottom, grouped where the gap between middles is small."""
    gap = min(14.0, height / 3)
    rows = [[p] for p in pieces[:1]]
    for above, piece in pairwise(pieces):
        if piece[0] - above[0] > gap:
            rows.append([])
        rows[-1].append(piece)
    return rows


def test_tables_fill_their_grids() -> None:
    """Each place of a table's grid is covered by exactly one cell."""
    for t in TRUTH["tables"]:
        places = [
            (r, c)
            for cell in t["cells"]
            for r in range(cell["row"], cell["row"] + cell["row_span"])
            for c in range(cell["col"], cell["col"] + cell["col_span"])
        ]
        rows, cols = 1 + max(r for r, _ in places), 1 + max(c for _, c in places)
        assert sorted(places) == [(r, c) for r in range(rows) for c in range(cols)], t["caption"]


def test_digital_cells_stand_inside_their_boxes() -> None:
    """The words inside the box of a cell are the cell's text."""
    for t in TRUTH["tables"]:
        if t["doc"] in DIGITAL:
            path = ARCHIVE / FILES[t["doc"]]["file"]
            for cell in t["cells"]:
                assert words_inside(path, cell["page"], cell["box"], slack=0) == flat(cell["text"]), cell


def test_the_long_table_runs_over_three_pages() -> None:
    """The report's first table has two header rows, spans both ways, and cells on three pages in a row."""
    table = next(t for t in TRUTH["tables"] if t["doc"] == "annual_report")
    first = table["pages"][0]
    assert table["pages"] == [first, first + 1, first + 2]
    assert table["header_rows"] == 2
    assert "in millions of US dollars, except per share data" in table["caption"]
    assert any(c["row_span"] > 2 and c["col"] == 0 for c in table["cells"])
    assert any(c["col_span"] > 2 and c["row"] == 0 for c in table["cells"])


def test_the_long_table_adds_up() -> None:
    """The company's revenue and income are the sums of its segments' rows, in every column."""
    table = next(t for t in TRUTH["tables"] if t["doc"] == "annual_report")
    grid = {(c["row"], c["col"]): c["text"] for c in table["cells"]}
    rows: dict[str, list[list[float]]] = {
        text: [] for text in ("Net revenue", "Segment operating income", "Operating income")
    }
    costs: dict[str, list[list[float]]] = {
        text: [] for text in ("Unallocated corporate costs", "Restructuring charges")
    }

    def amount(text: str) -> float:
        value = float(re.sub(r"[^\d.]", "", text) or 0)
        return -value if text.startswith("(") else value

    for (row, col), text in grid.items():
        if col == 1 and text in (both := rows | costs):
            both[text].append([amount(grid[row, c]) for c in range(2, 8)])
    *segments, company = rows["Net revenue"]
    assert [round(sum(v), 1) for v in zip(*segments, strict=True)] == company
    earned = zip(*rows["Segment operating income"], strict=True)
    spent = zip(*(c[0] for c in costs.values()), strict=True)
    assert [round(sum(e) - sum(s), 1) for e, s in zip(earned, spent, strict=True)] == rows["Operating income"][0]


def regions(name: str, page: int) -> list[dict[str, Any]]:
    """What the layout file has on a page."""
    return [r for r in LAYOUT["regions"] if (r["doc"], r["page"]) == (name, page)]


@pytest.mark.parametrize("name", DIGITAL)
def test_every_printed_word_lies_in_a_region(name: str) -> None:
    """No word of a digital page is outside all regions, and none outside pictures and tables in two."""
    import pymupdf

    with pymupdf.open(ARCHIVE / FILES[name]["file"]) as pdf:
        for page in pdf:
            boxes = [r["box"] for r in regions(name, page.number)]
            for x0, y0, x1, y1, word, *_ in page.get_text("words"):
                x, y = (x0 + x1) / 2, (y0 + y1) / 2
                assert sum(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in boxes) == 1, (page.number, word)


@pytest.mark.parametrize("name", DIGITAL)
def test_lines_of_regions_stand_in_their_places(name: str) -> None:
    """The words inside the box of a line are its text; of lines with LaTeX, the letters outside it are among them."""
    path = ARCHIVE / FILES[name]["file"]
    for r in (r for r in LAYOUT["regions"] if r["doc"] == name):
        for top, bottom, ends, text in r.get("lines", ()):
            inside = words_inside(path, r["page"], (ends[0], top, ends[-1], bottom))
            assert len(ends) == 2 * len(text.split(" "))
            if r["label"] == "content":  # its page numbers were set first
                assert sorted(inside) == sorted(flat(text))
            elif r"\(" not in text:
                assert inside == flat(text), r["label"]
            else:
                plain = [flat(t) for t in re.sub(r"\\\(.*?\\\)", "\0", text).split("\0")]
                assert re.fullmatch(".*".join(map(re.escape, plain)), inside), (text, inside)


def test_scans_say_what_their_questions_ask_for() -> None:
    """Every piece of evidence in text is in the lines of its page's regions, in order and without white space."""
    for q in TRUTH["questions"]:
        for e in q["evidence"] if q["evidence_source"] == "text" else ():
            said = flat("".join(line[3] for r in regions(e["doc"], e["page"]) for line in r.get("lines", ())))
            assert flat(e["text"]) in re.sub(r"\\[()]", "", said), q["question_id"]
