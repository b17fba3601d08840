"""The settings: options before the environment, the environment before the defaults, and senseless values named."""

import subprocess
import sys
from pathlib import Path

import pytest

from paperlode.api.settings import Settings, read_settings
from paperlode.ingest.errors import InvalidRequest


def test_options_go_before_the_environment(monkeypatch):
    """What is given counts, then the variable, then the default; None is not given."""
    assert read_settings().embedding_requests == 4
    monkeypatch.setenv("PAPERLODE_EMBEDDING_REQUESTS", "9")
    assert read_settings().embedding_requests == 9
    assert read_settings(embedding_requests=None).embedding_requests == 9
    assert read_settings(embedding_requests=7).embedding_requests == 7


def test_every_kind_of_value_is_parsed(monkeypatch):
    """Paths, whole numbers, numbers and yes or no come out of the text of a variable, in either case of its name."""
    said = {
        "PAPERLODE_INDEX": "a/b",
        "PAPERLODE_MODELS": "m",
        "PAPERLODE_WORKERS": " 3 ",
        "PAPERLODE_PAGE_TIMEOUT": "2.5",
        "PAPERLODE_QDRANT_GRPC": "Yes",
        "paperlode_port": "80",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    found = read_settings()
    assert (found.index, found.models, found.workers, found.page_timeout) == (Path("a/b"), Path("m"), 3, 2.5)
    assert (found.qdrant_grpc, found.port) == (True, 80)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("workers", "many", "Input should be a valid integer, unable to parse string as an integer"),
        ("workers", "0", "Input should be greater than or equal to 1"),
        ("workers", "257", "Input should be less than or equal to 256"),
        ("page_timeout", "0", "Input should be greater than 0"),
        ("page_timeout", "nan", "Input should be greater than 0"),
        ("page_timeout", "long", "Input should be a valid number, unable to parse string as a number"),
        ("qdrant_grpc", "perhaps", "Input should be a valid boolean, unable to interpret input"),
    ],
)
def test_a_senseless_value_is_named(monkeypatch, name, value, why):
    """The message has the option, the variable, the value and why, whether it was given or in the environment."""
    message = f"--{name.replace('_', '-')} (or PAPERLODE_{name.upper()}) is {value!r}: {why}."
    with pytest.raises(InvalidRequest) as given:
        read_settings(**{name: value})
    monkeypatch.setenv(f"PAPERLODE_{name.upper()}", value)
    with pytest.raises(InvalidRequest) as read:
        read_settings()
    assert given.value.what == read.value.what == message


def test_keys_are_not_shown():
    """No key stands in the settings' representation, which may end in a log."""
    keys = {k: "secret" for k in Settings.__dataclass_fields__ if k.endswith("_key")}
    assert len(keys) == 5
    assert "secret" not in repr(read_settings(**keys))


def test_the_settings_need_no_pydantic():
    """Every command reads the settings, and none waits for that import."""
    code = "import sys; from paperlode.api.settings import read_settings; read_settings(); assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
