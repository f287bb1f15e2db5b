"""The two clients are called alike, and as the published API says."""

import importlib
import inspect
import warnings
from importlib.resources import files
from typing import get_type_hints

import pytest

import heksher
from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient
from heksher.clients.stub import AsyncStubHeksherClient, SyncStubHeksherClient
from heksher.setting_base import Readable

# Names that differ, and why: an event loop's objects are closed with aclose, by convention.
ASYNC_NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
# What waits: a coroutine function in the one client, a function in the other.
WAITING = {"set_as_main", "reload", "close", "ping", "get_settings", "__enter__", "__exit__"}


def members(client_class: type) -> dict[str, inspect.Signature]:
    """Return the signatures of what a program may call, without the annotations."""
    return {
        name: _without_annotations(inspect.signature(member))
        for name, member in inspect.getmembers(client_class, callable)
        if not name.startswith("_") or name in {"__init__", "__enter__", "__exit__", "__aenter__", "__aexit__"}
    }


def _without_annotations(signature: inspect.Signature) -> inspect.Signature:
    parameters = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=signature.empty)


def test_both_clients_have_the_same_methods():
    """Every method of the one is a method of the other, with the same parameters and defaults."""
    thread = members(ThreadHeksherClient)
    asynchronous = members(AsyncHeksherClient)
    # The deprecated spelling of aclose.
    assert asynchronous.pop("close") == asynchronous["aclose"]
    renamed = {ASYNC_NAMES.get(name, name): signature for name, signature in asynchronous.items()}
    # The one difference that the published API asks for.
    default = renamed["__init__"].parameters["on_start_failure"].default
    assert ("raise", "continue") == (default, thread["__init__"].parameters["on_start_failure"].default)
    del renamed["__init__"], thread["__init__"]
    assert thread == renamed


def test_both_constructors_take_the_same_arguments():
    """The published ones first, then our additions as keywords."""
    expected = ["service_url", "update_interval", "context_features", "http_client_args"]
    for client_class in (AsyncHeksherClient, ThreadHeksherClient):
        parameters = list(inspect.signature(client_class).parameters.values())
        ours = [
            "on_start_failure",
            "start_timeout",
            "last_known_file",
            "bootstrap",
            "max_response_bytes",
            "request_timeout",
            "updates",
            "on_missing_context",
            "token",
            "client_name",
        ]
        assert [*expected, *ours] == [parameter.name for parameter in parameters]
        assert ["POSITIONAL_OR_KEYWORD"] * 3 + ["KEYWORD_ONLY"] * 11 == [
            parameter.kind.name for parameter in parameters
        ]


def test_what_waits_is_asynchronous_in_one_client():
    """And nothing else is."""
    names = {name: ASYNC_NAMES.get(name, name) for name in members(AsyncHeksherClient)}
    coroutines = {names[name] for name in names if inspect.iscoroutinefunction(getattr(AsyncHeksherClient, name, None))}
    assert coroutines == WAITING
    assert not any(map(inspect.iscoroutinefunction, vars(ThreadHeksherClient).values()))


def test_both_clients_have_a_modification_lock():
    """An ``asyncio.Lock`` in the one, a ``threading.Lock`` in the other: both have acquire, release and locked."""
    for client_class in (AsyncHeksherClient, ThreadHeksherClient):
        lock = client_class("http://heksher", 60, []).modification_lock
        assert [True] * 3 == [callable(getattr(lock, name)) for name in ("acquire", "release", "locked")]


def test_the_methods_of_a_stub_take_what_those_of_a_client_take():
    """A program can call a stub as it calls what the stub stands in for."""
    for stub_class, client_class in (
        (SyncStubHeksherClient, ThreadHeksherClient),
        (AsyncStubHeksherClient, AsyncHeksherClient),
    ):
        common = members(stub_class).keys() & members(client_class).keys() - {"__init__"}
        assert {"set_defaults", "track_contexts", "context_namespace", "snapshot", "set_as_main"} <= common
        assert {"on_change", "on_status_change"} <= common
        for name in common:
            kinds = [
                [parameter.kind for parameter in inspect.signature(getattr(one, name)).parameters.values()]
                for one in (stub_class, client_class)
            ]
            assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "heksher",
            (
                "Setting AsyncHeksherClient ThreadHeksherClient TRACK_ALL SettingType"
                " HeksherEnum HeksherFlags HeksherSequence HeksherMapping __version__"
            ),
        ),
        ("heksher.setting", "Setting QueriedRule"),
        (
            "heksher.setting_type",
            "SettingType setting_type Conversion HeksherEnum HeksherFlags HeksherSequence HeksherMapping",
        ),
        ("heksher.clients.async_client", "AsyncHeksherClient"),
        ("heksher.clients.thread_client", "ThreadHeksherClient"),
        ("heksher.clients.stub", "SyncStubHeksherClient AsyncStubHeksherClient Rule"),
        ("heksher.clients.util", "SettingData"),
        ("heksher.exceptions", "NoMatchError"),
    ],
)
def test_published_names_can_be_imported(module: str, names: str):
    """Every name of the published API is where existing programs import it from, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        imported = importlib.import_module(module)
    assert [] == [name for name in names.split() if not hasattr(imported, name)]


def test_positions_of_a_settings_arguments():
    """``Setting`` takes its arguments in the published order."""
    names = ["name", "type", "configurable_features", "default_value", "metadata", "alias", "version", "on_coerce"]
    assert names == list(inspect.signature(Setting).parameters)[:8]
    setting = Setting("s", int, ["a"], 1, {"k": "v"}, "earlier", "2.3", None)
    assert ("s", "int", ("a",), 1, {"k": "v"}, "earlier", (2, 3), None) == (
        setting.name,
        setting.type.heksher_string(),
        tuple(setting.configurable_features),
        setting.default_value,
        setting.metadata,
        setting.alias,
        setting.version,
        setting.on_coerce,
    )


@pytest.mark.trap(30)
def test_the_package_is_typed():
    """Type checkers take heksher's own annotations; ``get`` gives the setting's type."""
    assert files(heksher).joinpath("py.typed").is_file()
    assert "T" == str(get_type_hints(Readable.get)["return"]).removeprefix("~")


@pytest.mark.parametrize("client_class", [AsyncHeksherClient, ThreadHeksherClient])
def test_annotations_can_be_read_at_run_time(client_class: type):
    """Frameworks that inject objects look at the hints of classes and methods, also where another module wrote them."""
    get_type_hints(client_class)
    methods = inspect.getmembers(client_class, inspect.isfunction)
    hints = {name: get_type_hints(method) for name, method in methods if not name.startswith("_") or name == "__init__"}
    assert {"set_defaults", "track_contexts", "reload", "__init__"} <= set(hints)
