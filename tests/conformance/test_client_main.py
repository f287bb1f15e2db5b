"""Which client is the process's main one, when several follow one another."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from unittest.mock import MagicMock

import pytest

from heksher import Setting, main_client
from heksher.clients import takeover
from heksher.clients.stub import AsyncStubHeksherClient, SyncStubHeksherClient
from heksher.exceptions import ClientStateError
from tests.support.drivers import Driver
from tests.support.fake_service import DEADLINE_S, DECLARE, QUERY, FakeService, answer


def warnings_of(caplog: pytest.LogCaptureFixture, part: str) -> int:
    """Count the warnings with a text."""
    return sum(part in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


@pytest.fixture
def stub(driver: Driver):
    """A stub for the kind of client that the driver has."""
    return AsyncStubHeksherClient() if driver.kind == "async" else SyncStubHeksherClient()


def enter(driver: Driver, stub) -> None:
    driver.run(getattr(stub, driver.enter_method))


def leave(driver: Driver, stub) -> None:
    driver.run(getattr(stub, driver.exit_method), None, None, None)


def test_a_second_main_client_takes_over(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """Settings follow the new main client from then on; that is possible, and not recommended."""
    setting = Setting("s", int, ["a"], 0)
    first = driver.start(service)
    other_service = FakeService(*service.features)
    other_service.set_default("s", 2)
    second = driver.start(other_service)
    assert (2, second.native) == (setting.get(), main_client.get())
    service.set_default("s", 1)
    first.reload()
    assert (2, "") == (setting.get(), service.queries()[-1]["settings"])
    assert (1, 1, 0) == tuple(
        warnings_of(caplog, part) for part in ("multiple clients", "NOT recommended!", "tracks different context")
    )
    late = Setting("late", int, ["a"], 0)
    other_service.await_calls(DECLARE, 2)
    assert late.name not in service.declared()


def test_a_second_main_client_that_tracks_something_else(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """Other tracked values are a further warning."""
    driver.start(service)
    second = driver.create(service, on_start_failure="raise")
    second.native.track_contexts(a="x")
    second.start()
    assert 1 == warnings_of(caplog, "tracks different context")


@pytest.mark.parametrize("features", ["ab", "abcd", "abx"])
def test_a_second_main_client_has_the_same_features(driver: Driver, service: FakeService, features: str):
    """Other context features are a RuntimeError; the first client stays main, and the second can be started later."""
    setting = Setting("s", int, ["a"], 0)
    first = driver.start(service)
    second = driver.create(service, features=features, on_start_failure="raise")
    with pytest.raises(RuntimeError, match="context features"):
        second.start()
    service.set_default("s", 1)
    first.reload()
    assert (1, first.native) == (setting.get(), main_client.get())
    first.close()
    second.start()
    assert second.native is main_client.get()


def test_the_order_of_the_features_may_differ(driver: Driver, service: FakeService):
    """The order is the service's anyway."""
    driver.start(service)
    second = driver.start(service, features="cba")
    assert second.native is main_client.get()


def test_a_second_main_client_does_not_wait_for_ever(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    """As long as the first has settings to declare, a second one cannot become main, which it says after a while."""
    monkeypatch.setattr(takeover, "MAX_WAIT_S", 0.1)
    first = driver.start(service)
    with service.holding(DECLARE):
        setting = Setting("s", int, ["a"], 0)
        second = driver.create(service, on_start_failure="raise")
        with pytest.raises(ClientStateError, match="still to be declared"):
            second.start()
    first.reload()
    second.start()
    assert (0, second.native) == (setting.get(), main_client.get())


def test_a_cell_that_makes_a_client_and_settings_is_run_again(driver: Driver, service: FakeService):
    """The client waits for what the one before it has still to declare, and takes all settings over."""
    clients, settings = [], []
    for _ in range(3):
        clients.append(driver.create(service, on_start_failure="raise"))
        settings.append(Setting("s", int, ["a"], 0))
        clients[-1].start()
        assert clients[-1].native is main_client.get()
    service.set_default("s", 1)
    clients[-1].reload()
    assert 1 == settings[-1].get()


def test_a_second_main_client_waits_for_a_declaration_under_way(driver: Driver, service: FakeService):
    """A declaration that takes a while does not make the second client's start fail."""
    driver.start(service)
    with service.holding(DECLARE):
        setting = Setting("s", int, ["a"], 0)
        second = driver.create(service, on_start_failure="raise")
        start = second.begin("set_as_main")
        service.await_calls(DECLARE, 1)
        assert not start.done()
    start.result(DEADLINE_S)
    assert ({setting.name}, second.native) == (set(second.native.settings), main_client.get())


def test_a_real_client_that_displaces_a_stub_says_so(
    driver: Driver, service: FakeService, stub, caplog: pytest.LogCaptureFixture
):
    """A test whose program starts its own client all the same learns why its stub has no effect, and what to do."""
    enter(driver, stub)
    driver.start(service)
    assert 1 == warnings_of(caplog, "have the program use the stub in place of its own client")
    leave(driver, stub)


def test_a_second_main_client_does_not_wait_for_a_refused_declaration(driver: Driver, service: FakeService):
    """A setting that the service refuses keeps no other client from becoming main."""
    setting = Setting("s", int, ["a"], 0)
    with service.behaving(DECLARE, answer(422)):
        driver.start(service)
        second = driver.start(service)
    assert (0, second.native) == (setting.get(), main_client.get())


@pytest.mark.trap(29)
def test_a_closed_client_is_not_main(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """After close there is no main client, and the next one, with whatever features, follows without a warning."""
    setting = Setting("s", int, ["a"], 0)
    driver.start(service).close()
    late = Setting("late", int, ["a"], 0)
    other_service = FakeService("a", "z")
    second = driver.start(other_service)
    assert (second.native, 0) == (main_client.get(), warnings_of(caplog, "multiple clients"))
    assert {setting.name, late.name} == set(other_service.declared())


def test_closing_the_first_of_two_clients(driver: Driver, service: FakeService):
    """A client that is not main any more can be closed without harm to the one that is."""
    setting = Setting("s", int, ["a"], 0)
    first = driver.start(service)
    second = driver.start(service)
    first.close()
    service.set_default("s", 1)
    second.reload()
    assert (1, second.native) == (setting.get(), main_client.get())


# ---- stubs and real clients


@pytest.mark.trap(29)
def test_a_real_client_after_a_stub(driver: Driver, service: FakeService, stub):
    """After the block of a stub a real client becomes main as if there had been none."""
    setting = Setting("s", int, ["a"], 0)
    enter(driver, stub)
    stub[setting].rules = 5
    leave(driver, stub)
    assert (None, 0) == (main_client.get(), setting.get())
    service.set_default("s", 1)
    client = driver.start(service)
    assert (1, client.native) == (setting.get(), main_client.get())


@pytest.mark.trap(29)
def test_a_real_client_within_the_block_of_a_stub(driver: Driver, service: FakeService, stub):
    """A real client takes over from a stub whose block has not ended, and stays main when it ends."""
    setting = Setting("s", int, ["a"], 0)
    enter(driver, stub)
    stub[setting].rules = 5
    service.set_default("s", 1)
    client = driver.start(service)
    assert 1 == setting.get()
    leave(driver, stub)
    stub[setting].rules = 6
    assert (1, client.native) == (setting.get(), main_client.get())
    service.set_default("s", 2)
    client.reload()
    assert 2 == setting.get()


@pytest.mark.trap(29)
def test_a_stub_over_a_real_client(driver: Driver, service: FakeService, stub, caplog: pytest.LogCaptureFixture):
    """While the stub is main the real client changes nothing; afterwards its values are back, and it goes on."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service)
    client.await_success()
    enter(driver, stub)
    assert 0 == setting.get()
    stub[setting].rules = 5
    service.set_default("s", 2)
    client.reload()
    assert 5 == setting.get()
    client.await_success()
    created_meanwhile = Setting("late", int, ["a"], 0)
    stub[created_meanwhile].rules = 6
    assert 6 == created_meanwhile.get()
    service.set_default("late", 3)
    with service.holding(QUERY) as gate:
        leave(driver, stub)
        assert (1, 0) == (setting.get(), created_meanwhile.get())
        gate.open()
        client.await_success()
    assert (2, 3, client.native) == (setting.get(), created_meanwhile.get(), main_client.get())
    assert 0 == warnings_of(caplog, "multiple clients")


@pytest.mark.trap(29)
def test_a_stub_during_an_update(driver: Driver, service: FakeService, stub):
    """An update that was under way when the stub became main does not change what the stub says."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("s", 1)
    with service.holding(QUERY) as gate:
        reload = client.begin("reload")
        gate.await_requests()
        enter(driver, stub)
        stub[setting].rules = 5
        gate.open()
        reload.result()
        assert 5 == setting.get()
        leave(driver, stub)
    client.reload()
    assert 1 == setting.get()


class Interruption:
    """Stands in for a client's ``modification_lock``; when the client takes it, something else happens first."""

    def __init__(self, happen: Callable[[], object]) -> None:
        self._happen = happen

    def __enter__(self) -> None:
        self._happen()

    def __exit__(self, *_) -> None:
        pass

    async def __aenter__(self) -> None:
        self._happen()

    async def __aexit__(self, *_) -> None:
        pass


@pytest.mark.trap(29)
def test_a_stub_in_the_last_moment_of_an_update(driver: Driver, service: FakeService):
    """Also an update that was prepared already when the stub became main changes nothing."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("s", 1)
    with ExitStack() as stack:
        client.native.modification_lock = Interruption(lambda: stack.enter_context(SyncStubHeksherClient()))
        client.reload()
        assert 0 == setting.get()
    client.native.modification_lock = Interruption(lambda: None)
    client.reload()
    assert 1 == setting.get()


@pytest.mark.trap(29)
def test_a_client_that_is_closed_under_a_stub_does_not_come_back(driver: Driver, service: FakeService, stub):
    """When the stub's block ends there is no main client; a new one can become main."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    enter(driver, stub)
    client.close()
    leave(driver, stub)
    assert main_client.get() is None
    other_service = FakeService("z")
    driver.start(other_service)
    assert [setting.name] == other_service.declared()


@pytest.mark.trap(12)
def test_a_failed_start_under_a_stub(driver: Driver, service: FakeService, stub):
    """The stub is main again, with what it was told to answer."""
    setting = Setting("s", int, ["a"], 0)
    enter(driver, stub)
    stub[setting].rules = 5
    client = driver.create(service, on_start_failure="raise")
    with service.behaving(QUERY, answer(500)):
        assert client.begin("set_as_main").exception() is not None
    assert (5, stub) == (setting.get(), main_client.get())
    leave(driver, stub)
    assert (0, None) == (setting.get(), main_client.get())


def test_stub_real_stub_real(driver: Driver, service: FakeService):
    """Any sequence of stubs and real clients works."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    seen = []
    for _ in range(2):
        stub = SyncStubHeksherClient(MagicMock(), nonsense=1)
        with stub:
            stub[setting].rules = 5
            seen.append(setting.get())
        client = driver.start(service)
        seen.append(setting.get())
        client.close()
    assert [5, 1, 5, 1] == seen
