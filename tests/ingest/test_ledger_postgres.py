"""A ledger in PostgreSQL: whose schema it is, who may use it, and what happens when the server does not."""

import socket
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from paperlode.ingest import ledger_postgres
from paperlode.ingest.document import Source
from paperlode.ingest.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveLocked,
    InvalidRequest,
    LedgerServerRefused,
    LedgerServerUnreachable,
    StorageFull,
)
from paperlode.ingest.ledger import Ledger, Recipe
from paperlode.ingest.ledger_errors import mapped
from paperlode.ingest.ledger_place import DatabasePlace
from paperlode.ingest.ledger_postgres import Claim, check_place
from paperlode.ingest.ledger_tables import documents

RECIPE = Recipe("fake-1", "chunker-1", "embedder-1")
SOURCE = Source("/docs/a.pdf", "a.pdf", "application/pdf", "a" * 64, 9)


def schema_of(address):
    return DatabasePlace.parse(address).schema


def tables(postgres, schema):
    return [name for found, name in postgres.sql("SELECT schemaname, tablename FROM pg_tables") if found == schema]


def test_what_is_written_survives_without_close(fresh_schema):
    """A process that ends without closing leaves what it wrote, and no lock."""
    code = (
        "import os, sys; from paperlode.ingest.ledger import Ledger, Recipe; from paperlode.ingest.document import Source;"
        "Ledger.open(sys.argv[1]).begin(Source('/docs/a.pdf', 'a.pdf', 'x', 'a' * 64, 9), 1, Recipe('p', 'c', 'e'));"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, fresh_schema], check=True)
    ledger = Ledger.open(fresh_schema)
    assert [d.name for d in ledger.documents()] == ["a.pdf"]
    ledger.close()


def test_archives_in_one_database_do_not_mix(postgres):
    """Each has its tables in a schema of its own; nothing is in the one that everybody has."""
    one, other = Ledger.open(postgres.url("one")), Ledger.open(postgres.url("other"))
    one.begin(SOURCE, 1, RECIPE)
    assert (len(one.documents()), len(other.documents())) == (1, 0)
    assert len(tables(postgres, "one")) == len(tables(postgres, "other")) > 10
    assert tables(postgres, "public") == []
    one.close()
    other.close()


def test_a_schema_belongs_to_one_archive(fresh_schema):
    """Another one is refused with the way out, whether it is new or looks for its ledger there; nothing is changed by that."""
    place = DatabasePlace.parse(fresh_schema)
    check_place(place, "first")
    Ledger.open(fresh_schema, claim=Claim("first", new=True)).close()
    check_place(place, "first")  # its making was broken off
    for claim in (Claim("first"), Claim("first", new=True), None):
        Ledger.open(fresh_schema, claim=claim).close()
    with pytest.raises(InvalidRequest, match="holds the ledger of another archive") as caught:
        check_place(place, "second")
    assert "?schema=NAME" in caught.value.hint
    assert f"DROP SCHEMA {place.schema} CASCADE" in caught.value.hint
    with pytest.raises(InvalidRequest, match="another archive"):
        Ledger.open(fresh_schema, claim=Claim("second", new=True))
    with pytest.raises(ArchiveCorrupt, match="that of another archive"):
        Ledger.open(fresh_schema, claim=Claim("second"))
    Ledger.open(fresh_schema, claim=Claim("first")).close()


def test_a_ledger_that_is_gone_is_not_made_anew(postgres, fresh_schema):
    """An archive whose schema was dropped says so."""
    with pytest.raises(ArchiveCorrupt, match="is missing"):
        Ledger.open(fresh_schema, claim=Claim("first"))
    assert tables(postgres, schema_of(fresh_schema)) == []


def test_other_tables_are_left_alone(postgres, fresh_schema):
    """A schema that another program uses is no place for a ledger, even where its tables are called like ours."""
    schema = schema_of(fresh_schema)
    postgres.sql(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.documents (id int)")
    with pytest.raises(InvalidRequest, match="holds other tables"):
        check_place(DatabasePlace.parse(fresh_schema), "first")
    with pytest.raises(InvalidRequest, match="holds other tables"):
        Ledger.open(fresh_schema, claim=Claim("first", new=True))
    assert tables(postgres, schema) == ["documents"]


def test_a_second_process_is_kept_out(postgres, fresh_schema, monkeypatch):
    """As long as the first has it open, also where both have a copy of the index folder; other ledgers are not concerned."""
    monkeypatch.setattr(ledger_postgres, "_PATIENCE", "200ms")
    first = Ledger.open(fresh_schema)
    with pytest.raises(ArchiveLocked, match="Another process"):
        Ledger.open(fresh_schema)
    Ledger.open(postgres.url("not_concerned")).close()
    first.close()
    Ledger.open(fresh_schema).close()


def test_a_user_without_rights_is_told_what_to_ask_for(postgres, fresh_schema):
    """Who may not make a schema needs one that was made; then no more rights are needed."""
    postgres.sql("CREATE ROLE poor LOGIN")
    address = fresh_schema.replace("tester@", "poor@")
    with pytest.raises(ArchiveError, match="no permission") as caught:
        Ledger.open(address)
    assert "CREATE SCHEMA name AUTHORIZATION user" in caught.value.hint
    postgres.sql(f"CREATE SCHEMA {schema_of(fresh_schema)} AUTHORIZATION poor")
    Ledger.open(address, claim=Claim("first", new=True)).close()


def test_a_password_is_found_by_the_client(postgres, monkeypatch, tmp_path):
    """In PGPASSWORD or a password file; where there is none, or a wrong one, both are named, and the password is not shown."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    postgres.sql("CREATE SCHEMA guarded AUTHORIZATION guarded")
    address = postgres.url("guarded", user="guarded")
    for wrong in (None, "wrong"):
        if wrong:
            monkeypatch.setenv("PGPASSWORD", wrong)
        with pytest.raises(LedgerServerRefused, match=r"~/\.pgpass") as caught:
            Ledger.open(address)
        assert not wrong or f" {wrong}" not in caught.value.what
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{postgres.port}:*:guarded:secret\n")
    (tmp_path / "pgpass").chmod(0o600)
    ledger = Ledger.open(address)
    assert "secret" not in ledger._name
    ledger.close()


@pytest.mark.parametrize("wrong", [{"user": "nobody_knows"}, {"database": "nowhere"}])
def test_an_unknown_user_or_database_is_refused(postgres, wrong):
    """With what the server says."""
    with pytest.raises(LedgerServerRefused, match=f"{next(iter(wrong.values()))}.* does not exist"):
        Ledger.open(postgres.url("x", **wrong))


def test_a_database_that_cannot_hold_every_name_is_refused(postgres):
    """One that keeps its text in another encoding."""
    ((version,),) = postgres.sql("SHOW server_version_num")
    provider = "LOCALE_PROVIDER libc" if int(version) >= 150_000 else ""
    postgres.sql(f"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 {provider} LOCALE 'C'")
    with pytest.raises(ArchiveError, match=r"LATIN1.*--encoding UTF8"):
        Ledger.open(postgres.url("x", database="latin"))


def test_an_address_by_socket_is_taken(postgres):
    """As where server and archive are on one machine."""
    Ledger.open(postgres.url("by_socket", socket=True)).close()


def test_nothing_listens_there():
    """The message names the address and what to do."""
    pytest.importorskip("psycopg")
    with pytest.raises(LedgerServerUnreachable, match=r"no connection.*127\.0\.0\.1:1/.*Start it"):
        Ledger.open("postgresql://tester@127.0.0.1:1/postgres")


def test_a_server_that_does_not_answer_is_not_waited_for_without_end(monkeypatch):
    """Something listens and says nothing: after the connection's time there is an error."""
    pytest.importorskip("psycopg")
    monkeypatch.setitem(ledger_postgres._CONNECTION, "connect_timeout", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(LedgerServerUnreachable):
            Ledger.open(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db")
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_goes_and_comes_back(postgres, fresh_schema, mode):
    """While it is gone every call says so; when it is back, the same ledger goes on, and still keeps others out."""
    ledger = Ledger.open(fresh_schema)
    ledger.begin(SOURCE, 1, RECIPE)
    postgres.stop(mode)
    try:
        for _ in range(2):
            with pytest.raises(LedgerServerUnreachable, match="goes on where it was"):
                ledger.documents()
    finally:
        postgres.start()
    assert [d.name for d in ledger.documents()] == ["a.pdf"]
    assert len(holders(postgres)) == 1
    ledger.close()


def holders(postgres):
    return postgres.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")


@pytest.mark.parametrize("when", ["between", "within"])
def test_a_connection_that_is_cut_is_made_again(postgres, fresh_schema, when):
    """Between two calls nobody notices; within one it fails whole, and the next one works."""
    ledger = Ledger.open(fresh_schema)
    ledger.begin(SOURCE, 1, RECIPE)
    ((backend,),) = holders(postgres)
    if when == "between":
        postgres.sql(f"SELECT pg_terminate_backend({backend})")
    else:
        with pytest.raises(LedgerServerUnreachable), ledger._work() as db:
            db.execute(documents.delete())
            postgres.sql(f"SELECT pg_terminate_backend({backend})")
            db.execute(sa.text("SELECT 1"))
    assert [d.name for d in ledger.documents()] == ["a.pdf"]
    ledger.close()


def test_after_an_error_the_next_call_works(postgres, fresh_schema):
    """A transaction that failed is undone whole, and leaves nothing behind in the connection."""
    ledger = Ledger.open(fresh_schema)
    ledger.begin(SOURCE, 1, RECIPE)
    with pytest.raises(ArchiveError, match="reports an error"), ledger._work() as db:
        db.execute(documents.delete())
        db.execute(sa.text("SELECT 1 / 0"))
    assert [d.name for d in ledger.documents()] == ["a.pdf"]
    postgres.sql(f"DROP TABLE {schema_of(fresh_schema)}.paths")
    with pytest.raises(ArchiveCorrupt, match="is damaged"):
        ledger.documents()
    ledger.close()


class Refusal(Exception):
    """An error as psycopg gives it."""

    def __init__(self, sqlstate, words="words of the server"):
        super().__init__(words)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("state", "words", "kind"),
    [
        ("53100", "could not extend file: No space left on device", StorageFull),
        ("53300", "sorry, too many clients already", LedgerServerUnreachable),
        ("57P01", "terminating connection due to administrator command", LedgerServerUnreachable),
        ("57P03", "the database system is starting up", LedgerServerUnreachable),
        ("08006", "connection failure", LedgerServerUnreachable),
        (None, "server closed the connection unexpectedly", LedgerServerUnreachable),
        (None, 'connection failed: FATAL: password authentication failed for user "u"', LedgerServerRefused),
        ("28P01", "password authentication failed", LedgerServerRefused),
        ("42501", "permission denied for schema x", ArchiveError),
        ("25006", "cannot execute INSERT in a read-only transaction", ArchiveError),
        ("55P03", "canceling statement due to lock timeout", ArchiveLocked),
        ("XX001", "invalid page in block 7", ArchiveCorrupt),
        ("22012", "division by zero", ArchiveError),
    ],
)
def test_errors_of_the_server_become_ours(state, words, kind):
    """Each says where the ledger is, what the server said, and what to do."""
    with pytest.raises(ArchiveError) as caught, mapped("postgresql://u@h/db?schema=x"):
        raise sa.exc.DBAPIError("SELECT 1", {}, Refusal(state, words))
    assert type(caught.value) is kind
    assert "postgresql://u@h/db?schema=x" in caught.value.what
    assert words in caught.value.what
    assert caught.value.hint
