"""The public names of the package, and what importing it costs."""

import importlib
import json
import subprocess
import sys
from importlib import metadata

import pytest

import heksher

# The table in docs/reference/compatibility.md, *Names that must import*.
PUBLISHED = {
    "heksher": (
        "Setting AsyncHeksherClient ThreadHeksherClient TRACK_ALL SettingType HeksherEnum HeksherFlags HeksherSequence"
        " HeksherMapping __version__"
    ),
    "heksher.setting": "Setting QueriedRule",
    "heksher.setting_type": (
        "SettingType setting_type Conversion HeksherEnum HeksherFlags HeksherSequence HeksherMapping"
    ),
    "heksher.clients.async_client": "AsyncHeksherClient",
    "heksher.clients.thread_client": "ThreadHeksherClient",
    "heksher.clients.stub": "SyncStubHeksherClient AsyncStubHeksherClient Rule",
    "heksher.clients.util": "SettingData",
    "heksher.exceptions": "NoMatchError",
}
# What takes long to import, or is not there in a base install.
HEAVY = {"httpx2", "httpx", "unittest.mock", "fastapi", "pydantic", "sqlalchemy", "uvicorn", "click", "dataclasses"}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in PUBLISHED.items() for name in names.split()]
)
def test_published_name(module: str, name: str) -> None:
    """Each name that existing programs import is where they import it from, and is the same thing everywhere."""
    found = getattr(importlib.import_module(module), name)
    assert found is (getattr(heksher, name) if name in heksher.__all__ else found)


def test_all() -> None:
    """The package offers exactly what is published, each name once."""
    assert sorted(PUBLISHED["heksher"].split()) == sorted(heksher.__all__)


def test_version() -> None:
    """The version is that of the installed distribution."""
    assert metadata.version("heksher") == heksher.__version__


@pytest.mark.trap(30)
def test_types_are_shipped() -> None:
    """The package says that it has types, so that type checkers look at them."""
    directory = importlib.import_module("importlib.resources").files(heksher)
    assert (directory / "py.typed").is_file()


def list_modules(program: str) -> set[str]:
    """Run a program in a fresh interpreter, and list the modules that it has loaded in the end."""
    program += "\nimport sys, json; print(json.dumps(list(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


def test_import_is_light() -> None:
    """Importing the package loads neither an HTTP library nor anything that only the service or tests need."""
    loaded = list_modules("import heksher") - list_modules("")
    assert set() == HEAVY & loaded
    assert not [name for name in loaded if name.startswith("heksher.server")]


def test_stub_is_not_loaded_by_the_clients() -> None:
    """The stub clients, and the mocks that they need, are loaded only by who imports them."""
    assert "heksher.clients.stub" not in list_modules("import heksher")
