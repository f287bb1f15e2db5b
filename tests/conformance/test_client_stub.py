"""The stub clients: what programs' tests may do with them, the same for both kinds."""

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import Enum
from unittest import mock
from unittest.mock import AsyncMock, MagicMock

import pytest

from heksher import Setting, main_client
from heksher.clients.stub import AsyncStubHeksherClient, Rule, SyncStubHeksherClient
from tests.support.drivers import Driver

STUBS = {"thread": SyncStubHeksherClient, "async": AsyncStubHeksherClient}


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture
def stub(driver: Driver):
    """A stub client of the driver's kind, within its block."""
    stub = STUBS[driver.kind]("http://ignored", 60, ["a"], http_client_args={}, token=None, client_name="program")
    assert stub is driver.run(getattr(stub, driver.enter_method))
    yield stub
    driver.run(getattr(stub, driver.exit_method), None, None, None)


def test_without_anything_said_settings_answer_their_defaults(stub):
    """In every context, whether created before or within the block."""
    setting = Setting("s", int, ["a", "b"], 5)
    assert (5, 5) == (setting.get(), setting.get(a="x", b="y"))


def test_one_value_for_all_contexts(stub):
    """``rules = value`` is what get answers from then on, whatever the context."""
    setting = Setting("s", int, ["a", "b"], 0)
    stub[setting].rules = 5
    assert (5, 5) == (setting.get(), setting.get(a="x"))
    stub[setting].rules = 6
    assert 6 == setting.get()


def test_rules(stub):
    """``rules = [Rule, ...]``: the rule that matches, else the default."""
    setting = Setting("s", str, ["a", "b"], "default")
    stub[setting].rules = [Rule({"a": "x"}, "by a"), Rule({"a": "y", "b": "z"}, "by both")]
    assert ("by a", "by both", "default") == (
        setting.get(a="x", b="-"),
        setting.get(a="y", b="z"),
        setting.get(a="y", b="-"),
    )


def test_on_missing_context(driver: Driver):
    """A stub passes over rules on missing features where the client that it stands in for does."""
    stub = STUBS[driver.kind]("http://ignored", 60, ["a"], on_missing_context="no_match")
    driver.run(getattr(stub, driver.enter_method))
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = [Rule({"a": "x"}, 10)]
    assert (0, 10, {"s": {"a": 1}}) == (setting.get(), setting.get(a="x"), stub.status.missing_contexts)
    driver.run(getattr(stub, driver.exit_method), None, None, None)


def test_a_tuple_of_rules(stub):
    """Rules may be any sequence of them."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = (Rule({"a": "x"}, 1),)
    assert (1, 0) == (setting.get(a="x"), setting.get(a="y"))


@pytest.mark.parametrize("features", ["ab", "ba"])
def test_the_order_of_the_listed_features_decides(stub, features: str):
    """Without a service, the feature that the setting lists last is the most specific one."""
    setting = Setting("s", str, features, "default")
    rules = [Rule({"a": "x"}, "a"), Rule({"b": "x"}, "b")]
    for given in (rules, rules[::-1]):
        stub[setting].rules = given
        assert features[-1] == setting.get(a="x", b="x")


def test_none_is_a_wildcard(stub):
    """A condition of ``None`` holds in every context, and does not make its rule more specific."""
    setting = Setting("s", str, ["a", "b"], "default")
    stub[setting].rules = [Rule({"a": None, "b": None}, "always"), Rule({"a": "x", "b": None}, "by a")]
    assert ("by a", "always") == (setting.get(a="x", b="y"), setting.get(a="z", b="y"))


def test_a_missing_feature_is_an_error(stub):
    """As with a real client: a test that forgets a context learns it."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = [Rule({"a": "x"}, 1)]
    with pytest.raises(RuntimeError, match="'a'"):
        setting.get()
    with pytest.raises(ValueError, match="not configurable by b"):
        setting.get(b="x")


def test_values_are_taken_as_they_are(stub):
    """No conversion, no validator, no check: what was said is the very object that get gives."""
    setting = Setting("s", Sequence[int], ["a"], ())
    setting.add_validator(lambda value, rule, setting: pytest.fail("a validator ran"))
    for value in ([1, 2], ["no ints"], "text", None, object(), {}, Color.RED):
        stub[setting].rules = value
        assert value is setting.get()
        stub[setting].rules = [Rule({"a": "x"}, value)]
        assert value is setting.get(a="x")


def test_empty_lists(stub):
    """An empty list is a value, whatever the type: it has no first element that would make it one of rules."""
    sequence, number = Setting("s", Sequence[int], ["a"], (1,)), Setting("n", int, ["a"], 5)
    mapping = Setting("m", Mapping[str, int], ["a"], {"k": 1})
    for setting in (sequence, number, mapping):
        stub[setting].rules = []
    assert ([], [], []) == (sequence.get(), number.get(), mapping.get())


def test_defaults_of_a_setting_can_be_set(stub):
    """They are answered where no rule matches, whoever set them, and subscribers are told."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = [Rule({"a": "x"}, 1)]
    told: list[int] = []
    stub.on_change(lambda change: told.append(change.after(a="y")))
    with mock.patch.object(setting, "default_value", 5):
        assert (1, 5) == (setting.get(a="x"), setting.get(a="y"))
        setting.server_default_value = 6
        assert (1, 6) == (setting.get(a="x"), setting.get(a="y"))
        stub[setting].rules = [Rule({"a": "x"}, 2)]
        assert (2, 6) == (setting.get(a="x"), setting.get(a="y"))
        del setting.server_default_value
    assert (2, 0) == (setting.get(a="x"), setting.get(a="y"))
    assert [5, 6, 6, 5, 0] == told


def test_a_reset_brings_back_what_settings_answered_before(stub):
    """The stub is main no longer, and sets nothing any more."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = 5
    main_client.reset()
    assert (None, 0) == (main_client.get(), setting.get())
    stub[setting].rules = 6
    assert 0 == setting.get()


def test_defaults(stub):
    """``set_defaults`` completes contexts, as with a real client; every feature is known."""
    variable: ContextVar[str] = ContextVar("variable")
    setting = Setting("s", int, ["a", "b"], 0)
    stub[setting].rules = [Rule({"a": "x", "b": "y"}, 1)]
    stub.set_defaults(a="x")
    stub.set_defaults(b=variable)
    token = variable.set("y")
    assert (1, 0, {"a": "x", "b": "y"}) == (setting.get(), setting.get(a="z"), stub.context_namespace({}))
    variable.reset(token)
    with pytest.raises(ValueError, match="already has the default"):
        stub.set_defaults(a="x")


def test_track_contexts_does_nothing(stub, caplog: pytest.LogCaptureFixture):
    """A stub has all the rules that it was given."""
    setting = Setting("s", int, ["a"], 0)
    stub.track_contexts(a="x")
    stub[setting].rules = [Rule({"a": "y"}, 1)]
    assert (1, []) == (setting.get(a="y"), caplog.records)


def test_reading_and_setting_again_restores(stub):
    """What ``rules`` reads as can be set again, at any depth, also before anything was said."""
    setting = Setting("s", Sequence[int], ["a"], (9,))
    nothing = stub[setting].rules
    stub[setting].rules = [1]
    first = stub[setting].rules
    stub[setting].rules = [Rule({"a": "x"}, [2])]
    second = stub[setting].rules
    stub[setting].rules = first
    assert [1] == setting.get()
    stub[setting].rules = second
    assert [2] == setting.get(a="x")
    stub[setting].rules = nothing
    assert (9,) == setting.get()


def test_monkeypatch(stub):
    """``monkeypatch.setattr(client[setting], 'rules', ...)``, also nested, is undone at the end."""
    setting = Setting("s", int, ["a"], 0)
    with pytest.MonkeyPatch.context() as outer:
        outer.setattr(stub[setting], "rules", 1)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(stub[setting], "rules", 2)
            inner.setattr(stub[setting], "rules", [Rule({"a": "x"}, 3)])
            assert (3, 0) == (setting.get(a="x"), setting.get(a="y"))
        assert 1 == setting.get()
    assert 0 == setting.get()


def test_mock_patch_object(stub):
    """``mock.patch.object(client[setting], 'rules', ...)``, as a context manager or decorator, also nested."""
    setting = Setting("s", int, ["a"], 0)

    @mock.patch.object(stub[setting], "rules", 1)
    def read() -> int:
        with mock.patch.object(stub[setting], "rules", 2):
            assert 2 == setting.get()
        return setting.get()

    assert (1, 0) == (read(), setting.get())
    with pytest.raises(ZeroDivisionError), mock.patch.object(stub[setting], "rules", 3):
        raise ZeroDivisionError
    assert 0 == setting.get()


def test_rules_is_the_only_attribute(stub):
    """A misspelt attribute is an error, and changes nothing."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = 1
    with pytest.raises(AttributeError):
        stub[setting].rule = 2
    assert 1 == setting.get()


def test_patch_is_deprecated(stub):
    """``client.patch`` warns, at the caller's line, and restores at the end of its block, also after an error."""
    setting = Setting("s", int, ["a"], 0)
    with warnings.catch_warnings(record=True, action="always") as caught:
        with stub.patch(setting, 1):
            assert 1 == setting.get()
            with stub.patch(setting, [Rule({"a": "x"}, 2)]):
                assert (2, 0) == (setting.get(a="x"), setting.get(a="y"))
            assert 1 == setting.get()
        assert 0 == setting.get()
        with pytest.raises(ZeroDivisionError), stub.patch(setting, 1):
            raise ZeroDivisionError
    assert 0 == setting.get()
    assert [(DeprecationWarning, __file__)] * 3 == [(warning.category, warning.filename) for warning in caught]


def test_mocks(driver: Driver, stub):
    """``reload``, ``close`` or ``aclose``, and ``ping`` are mocks that can be called and asserted on."""
    expected = MagicMock if driver.kind == "thread" else AsyncMock
    for name in ("reload", "ping", driver.close_method):
        method = getattr(stub, name)
        driver.run(method)
        method.assert_called_once_with()
        assert isinstance(method, expected)
    assert stub is main_client.get()


def test_a_stub_that_is_given_to_a_program(driver: Driver, stub):
    """A program that starts the client that it was given can be given a stub."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = 1
    driver.run(stub.set_as_main)
    assert (1, stub) == (setting.get(), main_client.get())


def test_a_snapshot_of_a_stub(stub):
    """A program that reads from snapshots can be given a stub."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = 1
    assert 1 == stub.snapshot().get(setting)


def test_explain(stub):
    """A stub says why, too."""
    setting = Setting("s", int, ["a"], 0)
    stub[setting].rules = [Rule({"a": "x"}, 1)]
    assert ("rule", "local default") == (setting.explain(a="x").source, setting.explain(a="y").source)


def test_after_the_block_settings_are_as_before(driver: Driver):
    """Nothing of a stub is left: neither its values, nor its defaults, nor the client itself."""
    setting = Setting("s", int, ["a"], 0)
    stub = STUBS[driver.kind]()
    driver.run(getattr(stub, driver.enter_method))
    stub.set_defaults(a="x")
    stub[setting].rules = [Rule({"a": "x"}, 1)]
    created_within = Setting("t", int, ["a"], 5)
    stub[created_within].rules = 6
    assert (1, 6) == (setting.get(), created_within.get())
    driver.run(getattr(stub, driver.exit_method), None, None, None)
    assert (0, 5, None) == (setting.get(), created_within.get(), main_client.get())
    stub[setting].rules = 2
    assert 0 == setting.get()


def test_nested_stubs(driver: Driver):
    """The inner one answers within its block, the outer one before and after it."""
    setting = Setting("s", int, ["a"], 0)
    outer, inner = SyncStubHeksherClient(), SyncStubHeksherClient()
    with outer:
        outer[setting].rules = 1
        with inner:
            assert 0 == setting.get()
            inner[setting].rules = 2
            outer[setting].rules = 3
            assert 2 == setting.get()
        assert (3, outer) == (setting.get(), main_client.get())
    assert 0 == setting.get()


@pytest.mark.trap(29)
def test_stubs_that_end_in_another_order(driver: Driver):
    """Fixtures may be torn down in any order: in the end nothing of either stub is left."""
    setting = Setting("s", int, ["a"], 0)
    first, second = SyncStubHeksherClient(), SyncStubHeksherClient()
    first.__enter__()
    first[setting].rules = 1
    second.__enter__()
    second[setting].rules = 2
    first.__exit__(None, None, None)
    assert 2 == setting.get()
    second.__exit__(None, None, None)
    assert (0, None) == (setting.get(), main_client.get())


def test_a_stub_can_be_used_again(driver: Driver):
    """A second block of the same stub works as the first."""
    setting = Setting("s", int, ["a"], 0)
    stub = SyncStubHeksherClient()
    for value in (1, 2):
        with stub:
            stub[setting].rules = value
            assert value == setting.get()
        assert 0 == setting.get()


def test_errors_pass_through_the_block(driver: Driver):
    """An error in the block ends it, and is not swallowed."""
    with pytest.raises(ZeroDivisionError), SyncStubHeksherClient():
        raise ZeroDivisionError

    async def fail_in_block() -> None:
        async with AsyncStubHeksherClient():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail_in_block())
    assert main_client.get() is None
