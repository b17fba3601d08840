"""Terms and their weights."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paperlode.retrieval.lexical import (
    LONGEST_KEPT,
    _terms,
    _token,
    sparse_document,
    sparse_page,
    sparse_query,
    term_counts,
    tokens,
)
from paperlode.retrieval.scripts import CJK


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The companies' net sales", ["company", "net", "sale"]),
        ("$1,284,563,210.45 (1,577) 12.5%", ["1284563210.45", "1577", "12.5"]),
        ("FY2022, Q4 and the 10-K", ["fy2022", "q4", "10", "k"]),
        ("10k 3.5x 2,0191", ["10k", "3", "5x", "2", "0191"]),
        ("clause 4.2.1, 2019-2020", ["clause", "4.2.1", "2019", "2020"]),
        ("3M's analysis of the U.S. business", ["3m", "analysis", "u", "s", "business"]),
        ("ＮＥＴ　ｓａｌｅｓ １２", ["net", "sale", "12"]),
        ("一二 1,284万元", ["一二", "一", "二", "1284", "万元", "万", "元"]),
        ("the of and", []),
        ("", []),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    """Case, width, plural and thousands separators do not matter; stop words go."""
    assert list(tokens(text)) == terms


def test_a_long_chinese_word_is_found_by_its_parts() -> None:
    """Words inside words are terms too, and digits beside ideographs are numbers."""
    found = set(tokens("2022年公司的净利润为1,284万元，中华人民共和国"))
    assert {"2022", "公司", "净利润", "利润", "1284", "万元", "中华人民共和国", "共和国"} <= found
    assert "的" not in found


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("監事會報酬總額", "监事会报酬总额"),
        ("第34条", "第三十四条"),
        ("第十七條", "第17条"),
        ("2023年", "二〇二三年"),
        ("二零二三年", "２０２３年"),
        ("30日", "三十日"),
        ("買回", "股份回购收购"),
    ],
)
def test_chinese_is_found_however_it_is_written(question: str, page: str) -> None:
    """Traditional and simplified, numbers of clauses, years and figures in words or digits, words that share a character."""
    shared = set(tokens(question)) & set(tokens(page))
    figures = {t for t in shared if t.isdecimal() or t.startswith("第")}
    assert figures or len(shared - {"第", "条", "年", "日"}) >= (1 if len(question) == 2 else 6), shared


def test_english_has_no_terms_of_chinese() -> None:
    """A text without ideographs has the terms that it had before there were any for Chinese."""
    assert list(tokens("Section 12 of the 2023 report – €1,000, naïve")) == [
        "section",
        "12",
        "2023",
        "report",
        "1000",
        "naïve",
    ]


def test_a_number_is_one_term_however_it_is_grouped() -> None:
    """1,284,563,210.45 is found by 1284563210.45."""
    assert sparse_query("1,284,563,210.45") == sparse_query("1284563210.45")
    assert len(sparse_query("1,284,563,210.45").indices) == 1


def test_weights_saturate_and_shrink_with_length() -> None:
    """BM25: the second mention is worth less than the first, and a mention in a long text less than in a short one."""

    def weight(text: str) -> float:
        (term,) = sparse_query("profit").indices
        vector = sparse_document(text)
        return vector.values[vector.indices.index(term)]

    once, twice = weight("profit"), weight("profit profit")
    assert once < twice < 2 * once
    assert weight("profit " + "filler " * 200) < once


def test_a_vector_depends_on_its_text_only() -> None:
    """Ascending distinct 32-bit indices; the same in another process, whatever Python's hash seed."""
    text = "Net sales of 3M; sales 净利润"
    vector = sparse_document(text)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(0 <= i < 1 << 32 for i in vector.indices)
    code = f"from paperlode.retrieval.lexical import sparse_document as s; print(s({text!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(vector)
    assert not done.stderr, "jieba must stay quiet"


def test_a_page_weighs_the_terms_of_all_its_chunks() -> None:
    """The page's vector is that of the sum of counts, with the length of a page for average."""
    page = sparse_page(term_counts("net sales") + term_counts("net income"))
    assert set(page.indices) == set(sparse_query("net sales income").indices)
    assert max(page.values) == page.values[page.indices.index(sparse_query("net").indices[0])]


@given(st.text(st.characters(max_codepoint=0x303F), max_size=60))
@example("1,284,563.45 4.2.1 10k q4 é² Ⅳ½ x_y 3,5")
def test_a_text_without_ideographs_has_the_same_terms_by_the_short_pattern(text: str) -> None:
    """The pattern that is quick to make finds what the whole one finds, and takes it for the same kinds of term."""
    found = [[(m.span(), m.lastgroup) for m in _token(c).finditer(text)] for c in (CJK, CJK[0])]
    assert found[0] == found[1]


@given(
    st.text(
        st.one_of(
            st.characters(), st.sampled_from(" \n\t\x1c\x85\xa0\u2028’'sΣ1,.第二〇條年净利润\u0301\u1100\u1161\u2329Ꭰ")
        ),
        max_size=90,
    )
)
@example("第十二條 and 二〇二三年: 30 ΟΔΟΣ\nΣ 3M's 1,284 ,563")
@example("\u1100 \u1161 e \u0301 a\u0301\u0327 .... " + "." * (LONGEST_KEPT + 1) + " net sales")
@example("净利润" * LONGEST_KEPT + " 净利润 net sales")
def test_terms_that_are_remembered_are_those_of_the_whole_text(text: str) -> None:
    """Word by word, run by run, for the first time and again, a text has the terms that it has as one."""
    whole = list(_terms(text))
    assert list(tokens(text)) == whole
    assert list(tokens(text)) == whole
