"""Contexts with both clients: defaults, tracked values, and consistent sets of settings."""

import contextvars
import threading

import pytest

from heksher import TRACK_ALL, Setting
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import QUERY, FakeService, answer

USER: contextvars.ContextVar[str] = contextvars.ContextVar("user")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the warnings of heksher's loggers."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and record.name.startswith("heksher")
    ]


# ---- get and its contexts


def test_an_unknown_feature_is_an_error(driver: Driver, service: FakeService):
    """A keyword that is no configurable feature of the setting is a ValueError, at any time."""
    setting = Setting("s", int, ["a"], 0)
    for _ in range(2):
        with pytest.raises(ValueError, match="'s' is not configurable by b"):
            setting.get(b="x")
        driver.start(service)


def test_a_missing_feature_is_an_error(driver: Driver, service: FakeService):
    """A feature that a rule needs, and that has neither value nor default, is a RuntimeError that names it."""
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, b="x")
    assert 0 == setting.get()
    driver.start(service)
    with pytest.raises(RuntimeError, match="'b'"):
        setting.get(a="x")
    assert (10, 0) == (setting.get(b="x"), setting.get(b="y"))


def test_defaults_complete_what_is_not_given(driver: Driver, service: FakeService):
    """Defaults are used where the call names no value: strings, and what a ContextVar says at that moment."""
    setting = Setting("s", int, ["a", "b"], 0)
    service.add_rule("s", 1, 10, a="x", b="u1")
    service.add_rule("s", 2, 20, a="x", b="u2")
    client = driver.start(service)
    client.native.set_defaults(a="x")
    client.native.set_defaults(b=USER)
    with pytest.raises(RuntimeError, match="'b'"):
        setting.get()
    token = USER.set("u1")
    try:
        assert (10, 20, 0) == (setting.get(), setting.get(b="u2"), setting.get(a="y"))
        assert 20 == contextvars.copy_context().run(lambda: (USER.set("u2"), setting.get())[1])
    finally:
        USER.reset(token)


def test_a_context_var_with_a_default_of_its_own(driver: Driver, service: FakeService):
    """The default of the ContextVar is its value as long as it is not set."""
    variable = contextvars.ContextVar("variable", default="x")
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    driver.start(service).native.set_defaults(a=variable)
    assert 10 == setting.get()


def test_defaults_given_before_the_start_hold(driver: Driver, service: FakeService):
    """As in every program: defaults first, then the start."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.create(service)
    client.native.set_defaults(a="x")
    client.start()
    assert 10 == setting.get()


def test_a_second_default_is_an_error(driver: Driver, service: FakeService):
    """Naming a feature twice is a ValueError, and changes nothing."""
    client = driver.create(service).native
    client.set_defaults(a="x")
    with pytest.raises(ValueError, match="'a' already has the default 'x'"):
        client.set_defaults(b="y", a="z")
    assert {"a": "x"} == client.context_namespace({})


@pytest.mark.parametrize("default", [1, None, True, ["x"], b"x"])
def test_a_default_of_another_type_is_an_error(driver: Driver, service: FakeService, default: object):
    """A default is a string or a ContextVar."""
    with pytest.raises(TypeError, match="must be a str or a ContextVar"):
        driver.create(service).native.set_defaults(a=default)


def test_the_context_namespace_is_the_context_completed(driver: Driver, service: FakeService):
    """What the program gives wins over the defaults, and the given mapping stays as it is."""
    client = driver.create(service).native
    client.set_defaults(a="x", b="y", c=USER)
    given = {"a": "z"}
    assert ({"a": "z", "b": "y"}, {"a": "z"}) == (client.context_namespace(given), given)


@pytest.mark.parametrize(("method", "value"), [("set_defaults", "x"), ("track_contexts", TRACK_ALL)])
def test_unknown_features_are_a_warning(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, method: str, value: object
):
    """A feature that the client does not know is named in a warning; the others are taken."""
    client = driver.create(service).native
    getattr(client, method)(a=value, trust=value, zone=value)
    assert [True] == ["trust, zone" in warning for warning in warnings_of(caplog)]


# ---- tracked values


@pytest.mark.trap(14)
def test_without_track_contexts_everything_is_tracked(driver: Driver, service: FakeService):
    """A client that was not told what to track fetches every rule."""
    driver.start(service)
    assert ["*"] == [query["context_filters"] for query in service.queries()]


@pytest.mark.parametrize(
    ("calls", "filters"),
    [
        ([{"a": ["a0", "a1"], "b": "B", "d": TRACK_ALL}], "a:(a0,a1),b:(B),d:*"),
        ([{"d": TRACK_ALL}, {"b": "B"}, {"a": {"a1", "a0"}}], "a:(a0,a1),b:(B),d:*"),
        ([{"a": "y"}, {"a": ["x", "y"]}], "a:(x,y)"),
        ([{"a": TRACK_ALL}, {"a": TRACK_ALL}], "a:*"),
        ([{"a": ("x",)}], "a:(x)"),
        ([{"a": frozenset("zyx")}], "a:(x,y,z)"),
        ([{"a": dict.fromkeys("ba")}], "a:(a,b)"),
        ([{"user_id": "Z9_"}], "user_id:(Z9_)"),
        ([{}], ""),
    ],
)
def test_context_filters(driver: Driver, service: FakeService, calls: list[dict], filters: str):
    """Calls add up; features and values are sorted; what no call names is not tracked."""
    client = driver.create(service, features=["a", "b", "d", "user_id"])
    for call in calls:
        client.native.track_contexts(**call)
    client.start()
    assert [filters] == [query["context_filters"] for query in service.queries()]


@pytest.mark.parametrize(("first", "second"), [(TRACK_ALL, "x"), ("x", TRACK_ALL), (["x"], TRACK_ALL)])
def test_all_values_and_single_ones_do_not_mix(driver: Driver, service: FakeService, first: object, second: object):
    """``TRACK_ALL`` and values for one feature are a RuntimeError, and change nothing."""
    client = driver.create(service).native
    client.track_contexts(a=first)
    before = client._context.tracked
    with pytest.raises(RuntimeError, match="'a' is tracked both"):
        client.track_contexts(b="y", a=second)
    assert before == client._context.tracked


@pytest.mark.trap(15)
@pytest.mark.parametrize("values", ["", "x y", "x,y", "(x)", "ü", "x\n", ["ok", "no-t"], [], (), set(), {}])
def test_values_that_a_query_cannot_carry_are_refused(driver: Driver, service: FakeService, values: object):
    """They are a ValueError at the call, which names the feature; queries stay as they were."""
    client = driver.create(service)
    with pytest.raises(ValueError, match="context feature 'a'"):
        client.native.track_contexts(a=values)
    client.start()
    assert ["*"] == [query["context_filters"] for query in service.queries()]


@pytest.mark.trap(15)
@pytest.mark.parametrize("feature", ["", "a-b", "a,b", "a:b", "ä", "a\n"])
def test_features_that_a_query_cannot_carry_are_refused(driver: Driver, service: FakeService, feature: str):
    """The same holds for the features."""
    with pytest.raises(ValueError, match="no context feature can have the name"):
        driver.create(service).native.track_contexts(**{feature: TRACK_ALL})


@pytest.mark.trap(15)
@pytest.mark.parametrize("values", [5, None, [5], ["x", None], b"x"])
def test_tracked_values_are_strings(driver: Driver, service: FakeService, values: object):
    """Anything but strings is a TypeError at the call."""
    with pytest.raises(TypeError):
        driver.create(service).native.track_contexts(a=values)


@pytest.mark.trap(27)
def test_reading_an_untracked_value_warns_once(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture):
    """The first read of a setting with an untracked value is a warning; further ones are counted."""
    settings = [Setting(name, int, ["a", "b"], 0) for name in ("one", "two")]
    client = driver.create(service)
    client.native.track_contexts(a=["x", "y"])
    client.start()
    caplog.clear()
    for _ in range(5):
        for setting in settings:
            setting.get(a="x")
            setting.get(a="z")
    settings[0].get(a="x", b="anything")
    expected = {("one", "a"): 5, ("two", "a"): 5, ("one", "b"): 1}
    assert (3, expected) == (len(warnings_of(caplog)), dict(client.native.untracked_reads))
    assert "setting one is read with a='z', for which no rules are fetched" in warnings_of(caplog)[0]


@pytest.mark.trap(27)
def test_nothing_is_untracked_without_track_contexts(
    driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """A client that tracks everything warns of nothing."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    setting.get(a="x")
    assert ([], {}) == (warnings_of(caplog), dict(client.native.untracked_reads))


# ---- consistent sets


@pytest.mark.trap(20)
def test_a_snapshot_shows_one_update(driver: Driver, service: FakeService):
    """Whatever the moment, all settings of a snapshot come from the same update, and never from an older one."""
    settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(20)]
    version = iter(range(1, 1_000_000))

    def answer_next(request):
        number = next(version)
        content = {setting.name: {"default_value": number, "rules": []} for setting in settings}
        return answer(200, {"settings": content}, **{"Heksher-Context-Features": "a,b,c"})(request)

    with service.behaving(QUERY, answer_next):
        client = driver.start(service, interval_s=SHORT_S / 10)
        is_over = threading.Event()
        observations: list[list[set[int]]] = [[], [], []]

        def observe(seen: list[set[int]]) -> None:
            while not is_over.is_set():
                snapshot = client.native.snapshot()
                seen.append({snapshot.get(setting) for setting in settings})

        threads = [threading.Thread(target=observe, args=(seen,)) for seen in observations]
        for thread in threads:
            thread.start()
        service.await_calls(QUERY, 40)
        is_over.set()
        for thread in threads:
            thread.join()
        client.close()
    for seen in observations:
        numbers = [number for values in seen for number in values]
        assert (len(seen), sorted(numbers)) == (len(numbers), numbers)
    assert len(set.union(*observations[0])) > 1


@pytest.mark.trap(20)
def test_a_snapshot_stays_as_it_is(driver: Driver, service: FakeService):
    """A snapshot keeps the values of its moment; it has the settings of the client and no others."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    client = driver.start(service)
    snapshot = client.native.snapshot()
    service.add_rule("s", 1, 11, a="x")
    client.reload()
    later = Setting("later", int, ["a"], 0)
    assert (10, 11) == (snapshot.get(setting, a="x"), setting.get(a="x"))
    assert (10, [setting]) == (snapshot.explain(setting, a="x").value, list(snapshot))
    assert (True, False) == (setting in snapshot, later in snapshot)
    with pytest.raises(KeyError, match="setting 'later' is not in this snapshot"):
        snapshot.get(later)
