"""Addresses of ledgers in PostgreSQL: what is taken, what is stored, and what is refused."""

import sys

import pytest

from paperlode.ingest.errors import InvalidRequest, MissingExtra
from paperlode.ingest.ledger import Ledger
from paperlode.ingest.ledger_place import DatabasePlace, ledger_place


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("", ""),
        ("postgresql://u@h/db", "postgresql://u@h/db?schema=paperlode"),
        ("postgres://u@h/db", "postgresql://u@h/db?schema=paperlode"),
        ("postgresql+psycopg://u:@h:5433/db?schema=books", "postgresql://u@h:5433/db?schema=books"),
        ("postgresql:///db?sslmode=require", "postgresql:///db?schema=paperlode&sslmode=require"),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=%2Frun%2Fpg&schema=paperlode"),
    ],
)
def test_an_address_has_one_form(given, stored):
    """However it is written; that form means the same place again, and names the schema."""
    assert ledger_place(given) == stored
    assert ledger_place(stored) == stored


def test_the_driver_is_ours_and_the_schema_is_no_parameter_of_the_database():
    """SQLAlchemy gets psycopg's name and what libpq knows."""
    place = DatabasePlace.parse("postgres://u@h/db?schema=books&sslmode=require")
    assert place.url.render_as_string() == "postgresql+psycopg://u@h/db?sslmode=require"
    assert place.schema == "books"


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u:geheim@h/db",
        "postgresql://u@h/db?password=geheim",
        "postgresql://u@h/db?sslpassword=geheim",
        "mysql://u:geheim@h/db",
        "postgresql+psycopg2://u:geheim@h/db",
        "postgresql://u:geheim@h:port/db",
        "u:geheim@h/db",
    ],
)
def test_a_password_is_refused_and_never_repeated(given):
    """Where it would be stored; PostgreSQL's own ways are named. Nor does another mistake in the address let it out."""
    with pytest.raises(InvalidRequest) as caught:
        ledger_place(given)
    assert "geheim" not in str(caught.value)
    if given.startswith("postgresql://") and "port" not in given:
        assert "~/.pgpass" in caught.value.hint
        assert "PGPASSWORD" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("ledger.sqlite", "cannot be read"),
        ("sqlite:///ledger.sqlite", "only in PostgreSQL"),
        ("postgresql://u@h", "names no database"),
        *(
            (f"postgresql://u@h/db?schema={name}", "no name that can be taken")
            for name in ("A", "1a", "a-b", "pg_x", "information_schema", "a%22;drop", "a" * 64, "a&schema=b")
        ),
    ],
)
def test_what_means_no_schema_of_a_database_is_refused(given, why):
    """Names of schemas are plain ones, so that nothing in them is taken for SQL, and none is cut."""
    with pytest.raises(InvalidRequest, match=why):
        ledger_place(given)


def test_a_missing_driver_names_the_pip_command(monkeypatch):
    """The extra of that name installs it."""
    for name in [m for m in sys.modules if m.partition(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'paperlode\[postgres\]'"):
        Ledger.open("postgresql://u@127.0.0.1/db")
