"""docs/llama-index.md does what it says: its blocks run in order, on a sample, and so does the README's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM

ROOT = Path(__file__).parents[2]
SAID = "Each price is fixed until 31 March 2026 [1]."


def python_blocks(page: str, after: str = "") -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text[text.index(after) :], re.DOTALL | re.MULTILINE)


def model() -> MockFunctionCallingLLM:
    """STAND-IN for the ``llm`` of the page: calls the first tool, tells what it was told, and cites when it is given sources."""

    def say(messages: Any, **_: Any) -> ChatMessage:
        last = messages[-1]
        if last.role == MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content=f"I read: {last.content}")
        if "sources" in str(messages[0].content):
            return ChatMessage(role=MessageRole.ASSISTANT, content=SAID)
        call = ToolCallBlock(tool_call_id="1", tool_name="contracts", tool_kwargs={"input": str(last.content)})
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])

    return MockFunctionCallingLLM(response_generator=say, is_chat_model=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one contract, the first pages of a sample."""
    (tmp_path / "contracts").mkdir()
    with pymupdf.open(ROOT / "samples" / "archive" / "supply_agreement.pdf") as document:
        document.select(range(8))
        document.save(tmp_path / "contracts" / "supply_agreement.pdf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecationWarning"
)  # LlamaIndex's workflows look at all members
def test_every_block_of_the_page_runs_and_says_what_the_page_says(folder, capsys):
    """In order, in one namespace; what they print is what they are for."""
    names: dict[str, Any] = {"llm": model()}
    printed: list[str] = []
    for number, block in enumerate(python_blocks("docs/llama-index.md")):
        exec(compile(block, f"docs/llama-index.md, block {number}", "exec"), names)  # noqa: S102
        printed.append(capsys.readouterr().out)
    _imports, read, parsed, pipelined, searched, answered, asked, archived, told = printed
    assert read.startswith("supply_agreement.pdf 1\n[(PageBox(page=0")
    assert parsed == "[('text', None), ('table', 'Lease > Notice')]\n"
    new = re.fullmatch(r"(\d+) nodes are new\n0 after a second run\n", pipelined)
    assert new
    assert int(new[1]) == len(names["store"])
    assert any(" 7 " in line and "PageBox(page=6" in line for line in searched.splitlines())
    assert answered.startswith("Each price is fixed until 31 March 2026. [1]\n1 supply_agreement.pdf 6 [[6, ")
    assert asked.startswith("I read: Each price is fixed until 31 March 2026. [1]")
    assert [line.split()[1] for line in archived.splitlines()].count("7") >= 1
    assert "[[6," in archived
    assert "EventStats" in told
    names["store"].close()
    names["reader"].close()


def test_the_readmes_block_runs(folder, capsys):
    """The first of its section about LlamaIndex."""
    names: dict[str, Any] = {}
    exec(compile(python_blocks("README.md", "In a LlamaIndex app")[0], "README.md", "exec"), names)  # noqa: S102
    assert "PageBox(page=0" in capsys.readouterr().out
    names["reader"].close()
