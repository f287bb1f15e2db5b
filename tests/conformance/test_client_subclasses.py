"""Programs derive classes from the clients, from stubs and from ``Setting``: their names meet none of the library's."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient, main_client
from heksher.clients.stub import AsyncStubHeksherClient, SyncStubHeksherClient
from tests.support.drivers import Driver
from tests.support.fake_service import FakeService
from tests.support.processes import in_child

# What the library calls, or called once, on its own objects.
NAMES = (
    "adopt release leave survive_fork is_over is_stub has_undeclared_settings answer_anew context contexts session"
    " dispatcher transport schedule loop task thread evaluation switch_to subscribers make_local_evaluation compiled"
    " resolve narrow post drain picture run start stop tend wake_up publish keep phase state health fallback"
)

PUBLIC_OF_CLIENTS = (
    "close context_namespace get_settings modification_lock on_change on_status_change on_update_error on_update_ok"
    " ping reload set_as_main set_defaults settings snapshot status track_contexts untracked_reads"
)
PUBLIC_OF_STUBS = (
    "close context_namespace on_change on_status_change patch ping reload set_as_main set_defaults settings snapshot"
    " status track_contexts"
)
PUBLIC_OF_SETTINGS = (
    "add_validator alias changes configurable_features default_value explain get metadata name on_change on_coerce"
    " server_default_value to_v1_declaration_body type validators version version_str"
)


def fail(*_args: object, **_kwargs: object) -> None:
    """Stand for a method of the program, which nobody but the program may call."""
    raise AssertionError("the library called a method of the program")


def derive(base: type[Any], *, as_methods: bool) -> Any:
    """Derive a class that has all the names, as methods or as attributes of each object."""
    if as_methods:
        return type(f"Own{base.__name__}", (base,), dict.fromkeys(NAMES.split(), fail))

    class Own(base):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            vars(self).update((name, name) for name in NAMES.split())
            super().__init__(*args, **kwargs)

        def kept_names(self) -> str:
            return " ".join(name for name in NAMES.split() if name == vars(self)[name])

    return Own


def public_names(something: object) -> list[str]:
    return [name for name in dir(something) if not name.startswith("_")]


@pytest.mark.parametrize("as_methods", [True, False], ids=["methods", "attributes"])
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_the_whole_life_of_a_client_and_its_settings(driver: Driver, service: FakeService, as_methods: bool):
    """Start, new settings, changes, updates, failures, a fork, a second client, and the end."""
    own_setting = derive(Setting, as_methods=as_methods)
    own_client = derive(driver.client_class, as_methods=as_methods)
    early = own_setting("early", int, ["a"], 0)
    service.set_default("early", 1)
    client = driver.create(service, client_class=own_client)
    told: list[tuple[str, int]] = []
    client.native.on_change(lambda change: told.append((change.setting.name, change.after(a="x"))))
    client.native.set_defaults(b="y")
    client.start()
    late = own_setting("late", int, ["a", "b"], 0)
    service.add_rule("late", 1, 5, a="x", b="y")
    client.reload()
    assert (1, 5) == (early.get(a="x"), late.get(a="x"))
    assert [("early", 1), ("late", 5)] == sorted(told)
    assert {"early": early, "late": late} == dict(client.native.settings)
    assert 5 == client.native.snapshot().get(late, a="x") == late.explain(a="x").value
    # Nothing updates an asynchronous client in a child before it is started there, and its status says so.
    state = "stale" if driver.kind == "async" else "current"
    assert in_child(lambda: (early.get(), late.get(a="x"), client.native.status.state) == (1, 5, state))
    second = driver.create(service, client_class=own_client)
    second.start()
    assert main_client.get() is second.native
    assert ({}, {"early", "late"}) == (dict(client.native.settings), set(second.native.settings))
    second.close()
    client.close()
    if not as_methods:
        assert [NAMES] * 3 == [own.kept_names() for own in (early, client.native, second.native)]
    assert ("closed", None) == (second.native.status.state, main_client.get())


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("as_methods", [True, False], ids=["methods", "attributes"])
def test_the_whole_life_of_a_synchronous_stub(own_process: None, as_methods: bool):
    """Rules, changes, contexts, one stub within the other, and the end."""
    setting = derive(Setting, as_methods=as_methods)("s", int, ["a"], 0)
    own_stub = derive(SyncStubHeksherClient, as_methods=as_methods)
    told: list[int] = []
    with own_stub() as stub:
        stub.on_change(lambda change: told.append(change.after()))
        stub[setting].rules = 5
        stub.set_defaults(a="x")
        with own_stub() as inner:
            inner[setting].rules = 6
            assert ({"s": setting}, {}) == (dict(inner.settings), dict(stub.settings))
        assert (5, "current") == (setting.get(), stub.status.state)
        assert 5 == stub.snapshot().get(setting)
    # A stub tells of what it takes back, too.
    assert (0, [5, 0, 5, 0]) == (setting.get(), told)


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("as_methods", [True, False], ids=["methods", "attributes"])
def test_the_whole_life_of_an_asynchronous_stub(own_process: None, as_methods: bool):
    """The same for what stands in for the other client."""
    setting = derive(Setting, as_methods=as_methods)("s", int, ["a"], 0)

    async def use() -> int:
        async with derive(AsyncStubHeksherClient, as_methods=as_methods)() as stub:
            stub[setting].rules = 5
            return setting.get()

    assert (5, 0) == (asyncio.run(use()), setting.get())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ThreadHeksherClient("http://heksher", 60, []), PUBLIC_OF_CLIENTS),
        (lambda: AsyncHeksherClient("http://heksher", 60, []), f"aclose {PUBLIC_OF_CLIENTS}"),
        (SyncStubHeksherClient, PUBLIC_OF_STUBS),
        (AsyncStubHeksherClient, f"aclose {PUBLIC_OF_STUBS}"),
        (lambda: Setting("s", int, ["a"], 0), PUBLIC_OF_SETTINGS),
    ],
    ids=["thread client", "async client", "sync stub", "async stub", "setting"],
)
def test_there_are_no_names_but_public_ones(make: Callable[[], object], expected: str):
    """Without an underscore an object has the names that the reference shows, and no others to be met by accident."""
    assert expected.split() == public_names(make())
