import importlib.util
import itertools
import signal

import hypothesis
import pytest

from .postgres import Postgres, binaries

_without = []


def pytest_configure():
    """Ctrl-C reaches the tests that send it, also where the suite itself was started in the background (SIGINT ignored)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter):
    """What could not be tested is said aloud."""
    for why in sorted(set(_without)):
        terminalreporter.write_line(f"NOT TESTED WITH POSTGRESQL: {why}", yellow=True)


@pytest.fixture(scope="session")
def postgres():
    """A running PostgreSQL server; tests that need it are skipped where it is not installed."""
    why = ""
    if (programs := binaries()) is None:
        why = "no initdb, pg_ctl and postgres on the PATH or in /usr/lib/postgresql"
    elif importlib.util.find_spec("psycopg") is None:
        why = "psycopg is not installed (the extra postgres)"
    if why:
        _without.append(why)
        pytest.skip(f"PostgreSQL: {why}")
    server = Postgres(programs)
    yield server
    server.close()


_number = itertools.count()


@pytest.fixture
def fresh_schema(postgres):
    """The address of a schema that is not there yet."""
    return postgres.url(f"test_{next(_number)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_place(request, tmp_path):
    """Where a new ledger is to be: a path, or the address of a schema in PostgreSQL."""
    return tmp_path / "ledger.sqlite" if request.param == "sqlite" else request.getfixturevalue("fresh_schema")


hypothesis.settings.register_profile(
    "paperlode", deadline=None
)  # how long an example takes says nothing on a shared machine
hypothesis.settings.load_profile("paperlode")
