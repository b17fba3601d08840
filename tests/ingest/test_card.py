"""Document cards: kind, organisations, period and date, from the first pages and the file's name."""

from __future__ import annotations

import pytest

from paperlode.ingest.document import make_card

TEN_K = """UNITED STATES SECURITIES AND EXCHANGE COMMISSION
FORM 10-K
ANNUAL REPORT PURSUANT TO SECTION 13
For the fiscal year ended December 31, 2022
HARROW & VALE, INC.
(Exact name of registrant as specified in its charter)
Delaware 00-0000000
Indicate by check mark whether the registrant is an Emerging Growth Company."""
AGREEMENT = """SUPPLY AGREEMENT
This Agreement is made as of March 9, 2019 by and between ORLEN PUMPS, INC., a Delaware corporation (the "Supplier"),
and Kestrel Marine LLC, an Ohio limited liability company ("Kestrel" or the "Buyer"). The Supplier shall sell the Goods
(the "Services") at the plant in Dayton (the "Plant"). An investment by an Investment Company is not part of this."""


def test_a_report_is_of_its_registrant() -> None:
    """The name above the registrant's line, and no other that looks like one; kind and fiscal year from the cover."""
    card = make_card("d", "scan_0042.pdf", "", TEN_K)
    assert (card.kind, card.year, card.quarter, card.names) == ("annual_report", 2022, None, ("HARROW & VALE, INC.",))


def test_a_contract_is_between_its_parties() -> None:
    """Full names in either case, short names that are short for one of them; no part that a party plays, no defined thing."""
    card = make_card("d", "x.pdf", "", AGREEMENT)
    assert (card.kind, card.date, card.year) == ("contract", "2019-03-09", 2019)
    assert card.names[:2] == ("ORLEN PUMPS, INC", "Kestrel Marine LLC")
    assert not {"Supplier", "Buyer", "Services", "Plant", "Investment Company"} & set(card.names)


def test_a_short_name_may_be_initials() -> None:
    """Of the words of the full one."""
    text = 'AGREEMENT between Eastern Gas Works, Inc. ("EGW") and Norrland Timber Corp. (the "Carrier")'
    assert make_card("d", "x.pdf", "", text).names == ("Eastern Gas Works, Inc", "Norrland Timber Corp", "EGW")


@pytest.mark.parametrize(
    ("name", "kind", "year", "quarter"),
    [
        ("HARROW_2021_10K.pdf", "annual_report", 2021, None),
        ("Harrow_2023Q2_10Q.pdf", "quarterly_report", 2023, 2),
        ("HARROW_2022Q4_EARNINGS.pdf", "release", 2022, 4),
        ("HARROW_2023_8K_dated-2023-08-30.pdf", "current_report", 2023, None),
        ("HarrowInc_20181205_EX-10.2_Lease.pdf", "contract", 2018, None),
    ],
)
def test_a_file_name_that_says_it_goes_before(name: str, kind: str, year: int, quarter: int | None) -> None:
    """Kind, year and quarter of names as filings have them."""
    card = make_card("d", name, "", "")
    assert (card.kind, card.year, card.quarter) == (kind, year, quarter)


def test_chinese_covers_are_read() -> None:
    """Kind, year and organisation."""
    card = make_card("d", "扫描.pdf", "", "恒澜科技股份有限公司\n2023年年度报告\n公司代码：600000")
    assert (card.kind, card.year, card.names) == ("annual_report", 2023, ("恒澜科技股份有限公司",))


def test_what_is_not_found_is_left_empty() -> None:
    """No kind, names or year are made up; a date that is none costs nothing."""
    card = make_card("d", "scan.pdf", "", "Some notes, dated as of February 31, 2020, about nothing.")
    assert (card.kind, card.names, card.date) == ("", (), "")
