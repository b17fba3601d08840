"""The scoring of yes/no checks: each kind passes what it should and fails what it should not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[3] / "benchmarks" / "checks.py"


@pytest.fixture(scope="module")
def checks() -> Any:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("paperlode_checks", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAGE = """## 1\\. A \\_title\\_ & more

The “first” words – here.

| Item | 2023 | 2022 |
| --- | --- | --- |
| Costs | 12 | 9 |
| Sales | 30 | 25 |

<table><tr><th></th><th colspan="2">Year Ended</th></tr><tr><th>Item</th><th>2023</th><th>2022</th></tr>
<tr><td>Profit &amp; loss</td><td>18</td><td>16</td></tr></table>

$$
\\nabla\\times\\mathbf{E}=-\\frac{\\partial B}{\\partial t} \\qquad (3)
$$

The last words."""


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        ({"type": "present", "text": '1. A _title_ & more The "first" words - here.'}, True),
        ({"type": "present", "text": "the last words"}, False),
        ({"type": "present", "text": "the last words", "case_sensitive": False}, True),
        ({"type": "present", "text": "The lost wards", "max_diffs": 2}, True),
        ({"type": "present", "text": "The lost wards", "max_diffs": 1}, False),
        ({"type": "absent", "text": "last", "first_n": 40}, True),
        ({"type": "absent", "text": "last", "last_n": 20}, False),
        ({"type": "order", "before": "title", "after": "last"}, True),
        ({"type": "order", "before": "last", "after": "title"}, False),
        ({"type": "table", "cell": "12", "down": "30", "right": "9", "left": "Costs", "up": "2023"}, True),
        ({"type": "table", "cell": "12", "down": "25"}, False),
        ({"type": "table", "cell": "25", "top_heading": "2022", "left_heading": "Sales"}, True),
        ({"type": "table", "cell": "16", "top_heading": "Year Ended", "left_heading": "Profit & loss"}, True),
        ({"type": "table", "cell": "16", "top_heading": "2023"}, False),
        ({"type": "table", "cell": "17"}, False),
        ({"type": "math", "math": "\\nabla \\times \\mathbf E = - \\dfrac{\\partial B}{\\partial t}"}, True),
        ({"type": "math", "math": "\\nabla \\times \\mathbf{B}"}, False),
    ],
)
def test_rules(checks: Any, check: dict[str, Any], *, passes: bool) -> None:
    """A check holds on the page exactly where it should."""
    assert (checks.holds(check, PAGE) == "") is passes


def test_latex_has_one_spelling(checks: Any) -> None:
    """Order of scripts, braces around one token and spacing do not count; what is raised does."""
    assert checks.latex_tokens("x^2_i\\, y") == checks.latex_tokens("x_{i}^{2} y")
    assert checks.latex_tokens("e^{i\\pi}") != checks.latex_tokens("e^i\\pi")
