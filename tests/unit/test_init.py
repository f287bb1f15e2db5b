"""The public names of the package, and what importing it costs."""

import importlib
import json
import subprocess
import sys
import typing
from importlib import metadata

import pytest

import heksher
from heksher import exceptions

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
# What is on top of that.
ADDITIONS = (
    "Change ClientStatus Explanation QueriedRule Rule SettingData SettingStatus Snapshot Subscription"
    " HeksherError UsageError ArgumentTypeError InvalidDeclarationError InvalidTypeError UnknownFeatureError"
    " MissingContextError"
    " InvalidContextError InvalidOptionError UnknownSettingError TrackingConflictError ClientStateError ServiceError"
    " TransportError StatusError InvalidResponseError NoMatchError DeclarationWarning UnsupportedTypeError"
)
# What takes long to import, or is not there in a base install.
HEAVY = {"httpx2", "httpx", "unittest.mock", "fastapi", "pydantic", "sqlalchemy", "httptools", "click"}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in PUBLISHED.items() for name in names.split()]
)
def test_published_name(module: str, name: str) -> None:
    """Each name that existing programs import is where they import it from, and is the same thing everywhere."""
    found = getattr(importlib.import_module(module), name)
    # The rules that tests give to stubs are of another class than those that explain shows.
    is_of_stubs = module == "heksher.clients.stub"
    assert found is (getattr(heksher, name) if name in heksher.__all__ and not is_of_stubs else found)


def test_all() -> None:
    """The package offers what is published and what else programs name, each name once."""
    assert sorted(PUBLISHED["heksher"].split() + ADDITIONS.split()) == sorted(heksher.__all__)


def test_every_error_is_offered() -> None:
    """The whole tree of errors can be imported from the package."""
    errors = {name for name, found in vars(exceptions).items() if isinstance(found, type)}
    assert errors <= set(heksher.__all__)


def test_rule_is_that_of_an_explanation() -> None:
    """The package's rule is what an explanation has; the one that tests give to stubs stays with the stubs."""
    rule = heksher.Rule(1, (("user", "guest"),), 5)
    assert (1, (("user", "guest"),), 5) == (rule.rule_id, rule.conditions, rule.value)


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


def test_annotations_can_be_read() -> None:
    """Tools that read the annotations of a setting, such as frameworks that inject dependencies, can."""
    assert {"name", "type", "version"} <= typing.get_type_hints(heksher.Setting).keys()


@pytest.mark.parametrize(
    "path", ["changes.Changes", "clients.util.SettingData", "clients.thread_client", "setting.Setting"]
)
def test_modules_are_there_after_the_import(path: str) -> None:
    """The published modules can be reached through the package without an import of their own."""
    assert "heksher" in list_modules(f"import heksher\nassert heksher.{path}")


def test_stub_is_not_loaded_by_the_clients() -> None:
    """The stub clients, and the mocks that they need, are loaded only by who imports them."""
    assert "heksher.clients.stub" not in list_modules("import heksher")
