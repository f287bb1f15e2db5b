"""Settings that are renamed or deleted on the service while both clients run."""

import gc

import httpx2
import pytest

from heksher import Setting
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import (
    DECLARE,
    FEATURES,
    QUERY,
    SETTINGS,
    FakeService,
    answer,
    fail,
    for_setting,
    in_turn,
)


def make_settings(service: FakeService, *names: str) -> list[Setting[int]]:
    """Create settings, with the default 1 on the service."""
    for name in names:
        service.set_default(name, 1)
    return [Setting(name, int, ["a"], 0) for name in names]


def values(settings: list[Setting[int]]) -> list[int]:
    """Read settings."""
    return [setting.get() for setting in settings]


# ---- renaming


@pytest.mark.trap(5)
def test_a_renamed_setting_keeps_working(driver: Driver, service: FakeService):
    """The service answers by the new name, the program goes on with the old one."""
    settings = make_settings(service, "old", "other")
    client = driver.start(service)
    service.rename("old", "new")
    service.set_default("new", 2)
    service.set_default("other", 3)
    client.reload()
    assert [2, 3] == values(settings)
    service.set_default("new", 4)
    client.reload()
    assert ([4, 3], {"old,other"}) == (values(settings), {query["settings"] for query in service.queries()})


@pytest.mark.trap(5)
def test_several_renamed_settings(driver: Driver, service: FakeService):
    """Each is found under its own new name."""
    settings = make_settings(service, "one", "two", "three")
    client = driver.start(service)
    service.rename("one", "first")
    service.rename("two", "second")
    for value, name in enumerate(("first", "second", "three"), start=10):
        service.set_default(name, value)
    client.reload()
    assert [10, 11, 12] == values(settings)
    service.set_default("second", 20)
    client.reload()
    assert [10, 20, 12] == values(settings)


@pytest.mark.trap(5)
def test_a_setting_that_was_renamed_before_the_start(driver: Driver, service: FakeService):
    """A program that still says the old name starts and works."""
    service.set_default("old", 5)
    service.rename("old", "new")
    setting = Setting("old", int, ["a"], 0)
    driver.start(service)
    assert 5 == setting.get()


@pytest.mark.trap(5)
def test_old_and_new_name_in_one_program(driver: Driver, service: FakeService):
    """Two settings of the program that are one on the service both follow it."""
    service.set_default("old", 5)
    service.rename("old", "new")
    settings = [Setting("old", int, ["a"], 0), Setting("new", int, ["a"], 0)]
    client = driver.start(service)
    assert [5, 5] == values(settings)
    service.set_default("new", 6)
    client.reload()
    assert [6, 6] == values(settings)


@pytest.mark.trap(5)
def test_a_chain_of_renamings(driver: Driver, service: FakeService):
    """Renamed again, and back again to what is an alias by then, a setting keeps working."""
    settings = make_settings(service, "one", "other")
    client = driver.start(service)
    for value, (old, new) in enumerate([("one", "two"), ("two", "three"), ("three", "one")], start=10):
        service.rename(old, new)
        service.set_default(new, value)
        client.reload()
        assert [value, 1] == values(settings)


@pytest.mark.trap(5)
def test_names_that_move_on(driver: Driver, service: FakeService):
    """A name that is given to another setting after a renaming means that one, for its own program's setting only."""
    settings = make_settings(service, "one", "two", "three")
    client = driver.start(service)
    service.rename("one", "first")
    service.rename("three", "third")
    service.set_default("first", 11)
    service.set_default("third", 13)
    client.reload()
    service.rename("first", "one")
    client.reload()
    assert [11, 1, 13] == values(settings)


@pytest.mark.trap(5)
def test_renamed_settings_of_which_one_is_gone(driver: Driver, service: FakeService):
    """An answer for a setting that was collected meanwhile is not taken for the renamed one's."""
    service.set_default("old", 5)
    service.rename("old", "new")
    service.set_default("dropped", 9)
    settings = [Setting("old", int, ["a"], 0), Setting("new", int, ["a"], 0)]
    dropped = Setting("dropped", int, ["a"], 0)
    client = driver.create(service)
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        del dropped
        gc.collect()
        gate.open()
        start.result()
    assert [5, 5] == values(settings)


@pytest.mark.trap(5)
@pytest.mark.parametrize("failure", [answer(500), answer(200, "<html>"), answer(200, {}), fail(httpx2.ReadError("x"))])
def test_a_new_name_that_cannot_be_asked_for(driver: Driver, service: FakeService, failure):
    """The settings in question keep what they have, and are asked for again; the others are updated."""
    settings = make_settings(service, "one", "two", "other")
    client = driver.start(service)
    service.rename("one", "first")
    service.rename("two", "second")
    for name in ("first", "second", "other"):
        service.set_default(name, 2)
    with service.behaving("GET /api/v1/settings/one", failure):
        client.reload()
        assert [1, 2, 2] == values(settings)
    client.reload()
    assert [2, 2, 2] == values(settings)


@pytest.mark.trap(5)
def test_a_renamed_setting_does_not_cost_a_request_each_time(driver: Driver, service: FakeService):
    """As long as nothing changes, a renamed setting is "not modified", too."""
    settings = make_settings(service, "one", "two")
    client = driver.start(service)
    service.rename("one", "first")
    service.rename("two", "second")
    client.reload()
    calls = len(service.calls)
    client.reload()
    assert ([QUERY], [1, 1]) == ([route for route, _ in service.calls[calls:]], values(settings))


# ---- deletion


@pytest.mark.trap(4)
def test_a_deleted_setting_is_declared_again(driver: Driver, service: FakeService):
    """One setting that the service no longer has stops no other, and is there again after the same update."""
    settings = make_settings(service, "one", "two")
    client = driver.start(service)
    del service.settings["one"]
    service.set_default("two", 2)
    client.reload()
    assert ([0, 2], ["one", "two", "one"]) == (
        values(settings),
        sorted(service.declared()[:2]) + service.declared()[2:],
    )
    service.set_default("one", 3)
    client.reload()
    assert [3, 2] == values(settings)


@pytest.mark.trap(4)
def test_all_settings_deleted(driver: Driver, service: FakeService):
    """A service whose database was lost is filled again by its clients."""
    settings = make_settings(service, "one", "two", "three")
    client = driver.start(service, interval_s=SHORT_S)
    service.settings.clear()
    service.await_calls(DECLARE, 6)
    client.reload()
    assert [0, 0, 0] == values(settings)
    assert {"one", "two", "three"} == service.settings.keys()


@pytest.mark.trap(4)
@pytest.mark.parametrize(
    "refusal",
    [answer(400, "the first version must be 1.0"), answer(404, "unknown alias"), answer(409, "no"), answer(500)],
    ids=["version", "alias", "conflict", "error"],
)
def test_a_deleted_setting_that_cannot_be_declared_again(driver: Driver, service: FakeService, refusal):
    """It keeps what it has, and the others go on; it is tried again until it works."""
    settings = make_settings(service, "one", "two")
    client = driver.start(service)
    del service.settings["one"]
    with service.behaving(DECLARE, refusal):
        for value in (2, 3):
            service.set_default("two", value)
            client.reload()
            assert [1, value] == values(settings)
            assert client.native.status.settings["one"].is_missing
    client.reload()
    assert [0, 3] == values(settings)


@pytest.mark.trap(4)
def test_a_setting_deleted_under_its_new_name(driver: Driver, service: FakeService):
    """Renamed and then deleted, a setting is created under the name that the program says."""
    settings = make_settings(service, "old", "other")
    client = driver.start(service)
    service.rename("old", "new")
    client.reload()
    del service.settings["new"]
    service.aliases.clear()
    client.reload()
    assert ([0, 1], {"old", "other"}) == (values(settings), service.settings.keys())


@pytest.mark.trap(4)
def test_a_renaming_that_the_service_refuses(driver: Driver, service: FakeService):
    """A setting whose declared renaming is a conflict is read under its earlier name."""
    service.set_default("old", 5)
    other, setting = make_settings(service, "other")[0], Setting("new", int, ["a"], 0, alias="old", version="1.1")
    conflict = answer(409, {"outcome": "rejected", "differences": []})
    with service.behaving(DECLARE, for_setting("new", conflict, service.usual(DECLARE))):
        client = driver.start(service)
        assert (1, 5) == (other.get(), setting.get())
        service.set_default("old", 6)
        client.reload()
    assert 6 == setting.get()


@pytest.mark.trap(4)
def test_a_proxy_that_says_not_found(driver: Driver, service: FakeService):
    """A 404 that has nothing to do with settings is an error, and nothing is declared again."""
    settings = make_settings(service, "one")
    client = driver.start(service)
    with service.behaving(QUERY, answer(404, "no such host")), pytest.raises(httpx2.HTTPStatusError):
        client.reload()
    with (
        service.behaving(QUERY, answer(404, "no such host")),
        service.behaving(SETTINGS, answer(404, "no such host")),
        pytest.raises(httpx2.HTTPStatusError),
    ):
        client.reload()
    client.reload()
    assert (["one"], [1]) == (service.declared(), values(settings))


# ---- feature order


@pytest.mark.trap(16)
@pytest.mark.parametrize("order", ["abc", "cab", "bca", "ac", "ca", "c"])
def test_the_order_in_which_a_setting_lists_its_features_does_not_matter(
    driver: Driver, service: FakeService, order: str
):
    """Priority follows the order of the service."""
    setting = Setting("s", int, order, 0)
    service.add_rule("s", 1, 10, a="x")
    service.add_rule("s", 2, 20, c="x")
    driver.start(service, features=order)
    contexts = dict.fromkeys(order, "x")
    assert 20 == setting.get(**contexts)


@pytest.mark.trap(13)
def test_the_later_condition_wins_and_then_the_next_latest(driver: Driver, service: FakeService):
    """The documented example: rule 1 (b, c) wins over rule 2 (a, c), and so on."""
    setting = Setting("s", str, "abc", "default")
    rules = {"R1": "bc", "R2": "ac", "R3": "c", "R4": "ab", "R5": "a"}
    for number, (name, features) in enumerate(rules.items()):
        service.add_rule("s", number, name, **dict.fromkeys(features, "1"))
    client = driver.start(service)
    winners = []
    for _ in rules:
        winners.append(setting.get(a="1", b="1", c="1"))
        service.settings["s"]["rules"].pop(0)
        client.reload()
    assert [*rules, "default"] == [*winners, setting.get(a="1", b="1", c="1")]


@pytest.mark.trap(21)
@pytest.mark.parametrize("announces", [True, False])
def test_a_changed_feature_order_is_noticed(driver: Driver, service: FakeService, announces: bool):
    """Rules that stay as they are get another priority, whether the service announces its order or not."""
    service.announces_features = announces
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x")
    service.add_rule("s", 2, 20, b="x")
    client = driver.start(service)
    client.reload()
    assert 20 == setting.get(a="x", b="x")
    service.features = ["c", "b", "a"]
    client.reload()
    assert 10 == setting.get(a="x", b="x")
    client.reload()
    service.features = ["a", "b", "c"]
    client.reload()
    assert 20 == setting.get(a="x", b="x")


@pytest.mark.trap(21)
def test_an_announced_feature_order_costs_no_request(driver: Driver, service: FakeService):
    """A service that announces its order is asked for it once; one that does not, at each second update."""
    for announces, expected in ((True, 1), (False, 3)):
        service.announces_features = announces
        service.calls.clear()
        client = driver.start(service)
        client.reload()
        client.reload()
        client.close()
        assert expected == len(service.asked(FEATURES))


@pytest.mark.trap(21)
def test_a_feature_order_that_cannot_be_asked_for(driver: Driver, service: FakeService):
    """The update fails, and the next one makes good for it."""
    service.announces_features = False
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x")
    service.add_rule("s", 2, 20, b="x")
    client = driver.start(service)
    client.reload()
    service.features = ["b", "a", "c"]
    with (
        service.behaving(FEATURES, in_turn(answer(500), answer(200, {"context_features": [1]}))),
    ):
        for _ in range(2):
            with pytest.raises(httpx2.HTTPError):
                client.reload()
    assert 20 == setting.get(a="x", b="x")
    client.reload()
    assert 10 == setting.get(a="x", b="x")


def test_a_feature_that_is_added_to_the_service(driver: Driver, service: FakeService):
    """A feature that the client does not know is no error: its rules hold, and are more specific where it stands."""
    setting = Setting("s", int, ["a", "b"], 0)
    client = driver.start(service)
    service.features.append("d")
    service.add_rule("s", 1, 10, a="x")
    client.reload()
    assert 10 == setting.get(a="x", b="-")


def test_a_rule_on_a_feature_that_the_program_does_not_declare(driver: Driver, service: FakeService):
    """A rule on a feature that only the service knows to be configurable matches by default, or not at all."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x", c="y")
    client = driver.start(service)
    assert 0 == setting.get(a="x")
    client.native.set_defaults(c="y")
    assert 10 == setting.get(a="x")
