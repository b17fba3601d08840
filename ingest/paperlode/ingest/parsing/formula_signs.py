"""Characters of formulas and what LaTeX calls them."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ACCENTS", "BIG", "FUNCTIONS", "latex_of"]

BIG = frozenset("∫∬∭∮∑∏∐⋃⋂⋁⋀⨁⨂")
"""Signs that carry limits."""
ACCENTS = {
    "ˆ": "hat",
    "^": "hat",
    "˜": "tilde",
    "¯": "bar",
    "ˉ": "bar",
    "˙": "dot",
    "¨": "ddot",
    "⃗": "vec",
    "ˇ": "check",
}
"""Marks that stand over a letter, by their LaTeX command."""
FUNCTIONS = frozenset(
    [
        *("arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "det", "dim", "exp", "gcd", "inf", "ker", "lim"),
        *("liminf", "limsup", "ln", "log", "max", "min", "sec", "sin", "sinh", "sup", "tan", "tanh"),
    ]
)
"""Names that LaTeX has commands for and sets upright."""

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi omicron pi rho sigma tau upsilon phi chi psi omega"
)
_SIGNS = {
    "∂": "partial",
    "∇": "nabla",
    "∞": "infty",
    "∫": "int",
    "∬": "iint",
    "∭": "iiint",
    "∮": "oint",
    "∑": "sum",
    "∏": "prod",
    "∐": "coprod",
    "⋃": "bigcup",
    "⋂": "bigcap",
    "⋁": "bigvee",
    "⋀": "bigwedge",
    "⨁": "bigoplus",
    "⨂": "bigotimes",
    "√": "surd",
    "×": "times",
    "÷": "div",
    "±": "pm",
    "∓": "mp",
    "·": "cdot",
    "⋅": "cdot",
    "∘": "circ",
    "◦": "circ",
    "•": "bullet",
    "∗": "ast",
    "⊗": "otimes",
    "⊕": "oplus",
    "⊙": "odot",
    "∧": "wedge",
    "∨": "vee",
    "∪": "cup",
    "∩": "cap",
    "≤": "leq",
    "≥": "geq",
    "⩽": "leq",
    "⩾": "geq",
    "≪": "ll",
    "≫": "gg",
    "≠": "neq",
    "≈": "approx",
    "≃": "simeq",
    "≅": "cong",
    "≡": "equiv",
    "∼": "sim",
    "∝": "propto",
    "≺": "prec",
    "≻": "succ",
    "∈": "in",
    "∉": "notin",
    "∋": "ni",
    "⊂": "subset",
    "⊆": "subseteq",
    "⊃": "supset",
    "⊇": "supseteq",
    "∅": "emptyset",
    "∀": "forall",
    "∃": "exists",
    "¬": "neg",
    "⊥": "perp",
    "∥": "parallel",
    "∣": "mid",
    "∠": "angle",
    "→": "rightarrow",
    "←": "leftarrow",
    "↔": "leftrightarrow",
    "⇒": "Rightarrow",
    "⇐": "Leftarrow",
    "⇔": "Leftrightarrow",
    "↦": "mapsto",
    "⟶": "longrightarrow",
    "↑": "uparrow",
    "↓": "downarrow",
    "⟨": "langle",
    "⟩": "rangle",
    "〈": "langle",
    "〉": "rangle",
    "⌈": "lceil",
    "⌉": "rceil",
    "⌊": "lfloor",
    "⌋": "rfloor",
    "‖": "Vert",
    "…": "ldots",
    "⋯": "cdots",
    "⋮": "vdots",
    "⋱": "ddots",
    "′": "prime",
    "ℓ": "ell",
    "ℏ": "hbar",
    "ℜ": "Re",
    "ℑ": "Im",
    "ℵ": "aleph",
    "†": "dagger",
    "∖": "setminus",
    "★": "star",
    "⋆": "star",
    "△": "triangle",
    "□": "square",
    "ϵ": "epsilon",
    "ϑ": "vartheta",
    "ϕ": "phi",
    "ϖ": "varpi",
    "ϱ": "varrho",
    "ς": "varsigma",
    "φ": "varphi",
    "ε": "varepsilon",
}
_PLAIN = {"−": "-", "–": "-", "‐": "-", "∕": "/", "⁄": "/", "﹣": "-", "∶": ":", "“": "``", "”": "''", "~": "\\sim"}
_ESCAPED = frozenset("%#$&_{}")
_ALPHABETS = (("DOUBLE-STRUCK", "mathbb"), ("FRAKTUR", "mathfrak"), ("SCRIPT", "mathcal"), ("BOLD", "mathbf"))
_CALLIGRAPHIC = re.compile(r"CMSY|MTSY|EUSM|RSFS", re.IGNORECASE)
_BLACKBOARD = re.compile(r"MSBM|BBOLD|DSROM", re.IGNORECASE)


def _greek() -> dict[str, str]:
    names = _GREEK.split()
    small = list("αβγδεζηθικλμνξοπρστυφχψω")
    large = list("ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ")
    out = dict(zip(small, names, strict=True)) | {"µ": "mu"}
    spoken = {"Γ", "Δ", "Θ", "Λ", "Ξ", "Π", "Σ", "Υ", "Φ", "Ψ", "Ω"}
    return (
        out
        | {c: n.capitalize() for c, n in zip(large, names, strict=True) if c in spoken}
        | {"∆": "Delta", "Ω": "Omega"}
    )


_COMMANDS = _greek() | _SIGNS


def latex_of(char: str, *, italic: bool, bold: bool, font: str) -> str | None:
    """A character as LaTeX (commands without the space after them); None for one that has no known meaning."""
    if char in _COMMANDS:
        command = "\\" + _COMMANDS[char]
        return f"\\boldsymbol{{{command}}}" if bold and char.isalpha() else command
    if char in _PLAIN or char in ACCENTS:
        return _PLAIN.get(char, char)
    if char == "\\" or ord(char) < 32:
        return None
    if char in _ESCAPED:
        return "\\" + char
    if not char.isascii():
        return _styled(char)
    if char.isalpha():
        if _BLACKBOARD.search(font):
            return f"\\mathbb{{{char}}}"
        if _CALLIGRAPHIC.search(font):
            return f"\\mathcal{{{char}}}"
        if bold:
            return f"\\mathbf{{{char}}}"
        return char if italic else f"\\mathrm{{{char}}}"
    return char


def _styled(char: str) -> str | None:
    """Letters of Unicode's mathematical alphabets, accented letters; None for private and unknown ones."""
    name = unicodedata.name(char, "")
    flat = unicodedata.normalize("NFKC", char)
    if len(flat) != 1:
        return None
    if flat in _COMMANDS:
        return "\\" + _COMMANDS[flat]
    if flat.isascii() and flat != char:
        for word, command in _ALPHABETS:
            if word in name:
                return f"\\{command}{{{flat}}}"
        return flat
    return char if name and char.isalpha() else None
