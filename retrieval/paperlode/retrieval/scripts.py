"""Which script a text is written in, as far as retrieval cares."""

from __future__ import annotations

import re

__all__ = ["CJK", "cjk_share", "words"]

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
"""Han ideographs, kana and hangul, as the inside of a regular expression's character class."""

_CJK = re.compile(f"[{CJK}]")
_LETTER = re.compile(r"[^\W_]")


def cjk_share(text: str) -> float:
    """Share of the letters and digits of ``text`` that are Chinese, Japanese or Korean; 0 when it has none."""
    letters = len(_LETTER.findall(text))
    return len(_CJK.findall(text)) / letters if letters else 0.0


def words(text: str) -> int:
    """Length in words: what spaces separate, and one for every two ideographs."""
    ideographs = len(_CJK.findall(text)) if not text.isascii() else 0
    return len(text.split()) + ideographs // 2
