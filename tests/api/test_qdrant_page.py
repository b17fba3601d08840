"""docs/qdrant.md does what it says: its Python blocks run in order, over HTTP, on a lease; its table is the presets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from paperlode.retrieval.points import INTEGERS, KEYWORDS
from paperlode.retrieval.server_options import PRESETS

from ..retrieval.qdrant_standin import standing_in  # noqa: TID252

PAGE = (Path(__file__).parents[2] / "docs" / "qdrant.md").read_text("utf-8")


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")  # LlamaIndex's own
def test_its_blocks_run_and_the_stock_store_finds_what_was_ingested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pdf_writer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first writes a collection with the embedded model; the second reads it with LlamaIndex's store alone."""
    (tmp_path / "contracts").mkdir()
    pdf_writer(tmp_path / "contracts" / "lease.pdf", LEASE)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    with standing_in() as server:
        for number, block in enumerate(blocks):
            code = block.replace("http://127.0.0.1:6333", server.url)
            assert code != block
            exec(compile(code, f"docs/qdrant.md, block {number}", "exec"), names)  # noqa: S102
        names["store"].client.close()
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"1-2 \[\[0,[\d.,]+\],\[1,[\d.,]+\]\] The tenant [^\n]*\nThe lease ends with ninety days of notice\.\n", said
    )


LEASE = [["The tenant shall pay a monthly rent of 1,250 euros."], ["The lease ends with ninety days of notice."]]


def test_its_table_is_the_presets() -> None:
    """What lies where, column by column."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    ]
    table = {row[0]: row[1:] for row in rows if len(row) == 4}
    for at, preset in enumerate(PRESETS.values()):
        where = {True: "on disk", False: "in memory"}
        quantised = f"{preset.quantization}, {where[not preset.quantized_in_memory]}"
        assert table["vectors"][at] == where[preset.vectors_on_disk]
        assert table["quantised vectors"][at] == ("none" if preset.quantization == "none" else quantised)
        assert table["graph (HNSW), sparse index"][at] == where[preset.hnsw_on_disk]
        assert table["payload"][at] == where[preset.payload_on_disk]
    assert [name.strip("`").split("`")[0] for name in table[""]] == list(PRESETS)


def test_every_payload_index_is_named() -> None:
    """All fields that ``create`` indexes, and no other."""
    said = re.search(r"Payload indexes: (.*?)\. `push", PAGE, re.DOTALL)
    assert said is not None
    assert set(re.findall(r"`(\w+)`", said[1])) == {*KEYWORDS, *INTEGERS, "doc_id", "swapped"}
