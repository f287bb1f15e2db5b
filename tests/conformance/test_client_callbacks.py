"""What both clients tell their overridden callbacks, and that these can do no harm."""

import pytest

from heksher import Setting
from tests.support.drivers import NO_INTERVAL, SHORT_S, Driver
from tests.support.fake_service import DECLARE, QUERY, FakeService, answer, in_turn


@pytest.mark.trap(23)
def test_on_update_ok_comes_after_success_only(driver: Driver, service: FakeService):
    """Each update ends with one callback: ok after success, also "not modified", else the error that reload raises."""
    client = driver.start(service, interval_s=NO_INTERVAL)
    assert client.await_outcome() is None
    client.reload()
    assert client.await_outcome() is None
    with service.behaving(QUERY, answer(500)):
        error = client.begin("reload").exception()
    assert error is client.await_outcome()
    client.reload()
    assert client.await_outcome() is None
    assert client.native.outcomes.empty()


@pytest.mark.trap(23)
def test_a_failed_declaration_is_no_failed_update(driver: Driver, service: FakeService):
    """``on_update_error`` is for queries: an update that could not declare a setting ends with ``on_update_ok``."""
    setting = Setting("s", int, ["a"], 0)
    with service.behaving(DECLARE, answer(404, "unknown context feature")):
        client = driver.start(service, interval_s=SHORT_S)
        assert [None] * 5 == [client.await_outcome() for _ in range(5)]
    assert 0 == setting.get()


@pytest.mark.trap(8)
@pytest.mark.parametrize("callback", ["on_update_ok", "on_update_error"])
def test_a_callback_that_raises_stops_nothing(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, callback: str
):
    """What an overridden callback raises is logged; the updates, and the reload that met it, go on."""

    def raise_error(_self, *_args) -> None:
        raise ZeroDivisionError("the program's own bug")

    setting = Setting("s", int, ["a"], 0)
    client_class = type("Overridden", (driver.client_class,), {callback: raise_error})
    client = driver.create(service, client_class=client_class, on_start_failure="continue", interval_s=SHORT_S)
    with service.behaving(QUERY, in_turn(answer(500), service.usual(QUERY), answer(500), service.usual(QUERY))):
        client.start()
        service.await_calls(QUERY, 5)
        service.set_default("s", 1)
        client.reload()
    assert 1 == setting.get()
    records = [record for record in caplog.records if record.getMessage() == f"{callback} failed; updates go on"]
    assert {("ERROR", ZeroDivisionError)} == {(record.levelname, record.exc_info[0]) for record in records}


def test_the_callbacks_of_a_client_do_nothing_by_themselves(driver: Driver, service: FakeService):
    """Programs may call the inherited callbacks."""
    client = driver.create(service, client_class=driver.client_class)
    assert (None, None) == (client.native.on_update_ok(), client.native.on_update_error(ValueError()))
