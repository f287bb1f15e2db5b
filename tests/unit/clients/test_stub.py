"""Stub clients: what settings answer under them, how answers are set and restored, and what is left afterwards."""

import asyncio
import gc
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from unittest import mock

import pytest

from heksher import main_client
from heksher.clients.stub import AsyncStubHeksherClient, Rule, SyncStubHeksherClient
from heksher.exceptions import MissingContextError
from heksher.setting import Setting
from heksher.setting_type import Conversion, SettingType
from heksher.value_type import JSON


@pytest.fixture
def client() -> Iterator[SyncStubHeksherClient]:
    with SyncStubHeksherClient() as client:
        yield client


def make_setting() -> Setting[int]:
    return Setting("size", int, ["a", "b"], 0)


# ---- answers


def test_local_default(client: SyncStubHeksherClient) -> None:
    """Without rules a setting answers its local default, in any context."""
    setting = make_setting()
    assert (setting.get(), setting.get(a="x")) == (0, 0)
    assert setting.explain().source == "local default"


def test_value_for_all_contexts(client: SyncStubHeksherClient) -> None:
    """A plain value is the answer to everyone."""
    setting = make_setting()
    client[setting].rules = 5
    assert (setting.get(), setting.get(a="x", b="y")) == (5, 5)


def test_setting_from_before() -> None:
    """Answers can be set before the stub is main, for settings from before; they hold at once."""
    setting = make_setting()
    client = SyncStubHeksherClient()
    client[setting].rules = 5
    assert setting.get() == 5
    with client:
        assert setting.get() == 5
    assert setting.get() == 0


@pytest.mark.trap(13)
def test_rules(client: SyncStubHeksherClient) -> None:
    """Rules compete as those of a service; the order of features is the one in which the setting lists them."""
    setting = make_setting()
    client[setting].rules = [Rule({"b": "y"}, 2), Rule({"a": "x"}, 1), Rule({"a": "x", "b": "y"}, 3)]
    assert [setting.get(a=a, b=b) for a in "xz" for b in "yz"] == [3, 1, 2, 0]


def test_missing_feature(client: SyncStubHeksherClient) -> None:
    """A feature that a rule depends on must be given here, too."""
    setting = make_setting()
    client[setting].rules = [Rule({"a": "x"}, 1)]
    with pytest.raises(MissingContextError):
        setting.get()


def test_none_is_a_wildcard(client: SyncStubHeksherClient) -> None:
    """A condition of None is no condition, and a rule without any is for all contexts."""
    setting = make_setting()
    client[setting].rules = (Rule({"a": "x", "b": None}, 1), Rule({"a": None}, 2))
    assert (setting.get(a="x"), setting.get(a="z")) == (1, 2)


def test_empty_list(client: SyncStubHeksherClient) -> None:
    """An empty list is a value, whatever the type of the setting."""
    size, sizes = make_setting(), Setting("sizes", Sequence[int], ["a"], [1])
    client[size].rules = []
    client[sizes].rules = []
    assert (size.get(), sizes.get()) == ([], [])


def test_list_as_a_value(client: SyncStubHeksherClient) -> None:
    """A list of anything but rules is a value."""
    sizes = Setting("sizes", Sequence[int], ["a"], [])
    client[sizes].rules = [1, 2]
    assert sizes.get() == [1, 2]


def test_values_are_taken_as_they_are(client: SyncStubHeksherClient) -> None:
    """There is no conversion and no validation, so a test may use any object."""
    setting = make_setting()
    setting.add_validator(lambda value, _rule, _setting: value + 1)
    anything = object()
    client[setting].rules = anything
    assert setting.get() is anything


class Upper(SettingType[str]):
    """A type of a program's own."""

    def heksher_string(self) -> str:
        return "str"

    def convert_from_heksher(self, x: object) -> Conversion[str]:
        return Conversion(str(x).upper())

    def convert_to_heksher(self, x: str) -> JSON:
        return x.lower()


def test_own_type(client: SyncStubHeksherClient) -> None:
    """Settings of a program's own types are like others."""
    setting = Setting("word", Upper(), ["a"], "A")
    assert setting.get() == "A"
    client[setting].rules = "b"
    assert setting.get() == "b"


def test_feature_that_the_setting_does_not_have(client: SyncStubHeksherClient) -> None:
    """A condition on a feature that no read can name never holds by itself, but a default can fulfil it."""
    setting = make_setting()
    client[setting].rules = [Rule({"planet": "mars"}, 4)]
    client.set_defaults(planet="mars")
    assert setting.get() == 4


# ---- setting and restoring


def test_rules_can_be_read(client: SyncStubHeksherClient) -> None:
    """Reading the rules gives what was set last; before that, something that sets the default again."""
    setting = make_setting()
    before = client[setting].rules
    assert repr(before) == "<no rules>"
    rules = [Rule({"a": "x"}, 1)]
    client[setting].rules = rules
    assert client[setting].rules is rules
    client[setting].rules = before
    assert setting.get() == 0


def test_no_rules_of_a_list_setting(client: SyncStubHeksherClient) -> None:
    """What the rules read as before they are set restores the default of a setting with lists, too."""
    sizes = Setting("sizes", Sequence[int], ["a"], [1])
    client[sizes].rules = client[sizes].rules
    assert sizes.get() == [1]


def test_monkeypatch(client: SyncStubHeksherClient) -> None:
    """monkeypatch.setattr sets the answers, and undoing it restores them, at any depth."""
    setting = make_setting()
    with pytest.MonkeyPatch.context() as outer:
        outer.setattr(client[setting], "rules", 1)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(client[setting], "rules", [Rule({"a": "x"}, 2)])
            assert setting.get(a="x") == 2
        assert setting.get(a="x") == 1
    assert setting.get(a="x") == 0


def test_mock_patch_object(client: SyncStubHeksherClient) -> None:
    """mock.patch.object does the same."""
    setting = make_setting()
    with mock.patch.object(client[setting], "rules", 1):
        with mock.patch.object(client[setting], "rules", 2):
            assert setting.get() == 2
        assert setting.get() == 1
    assert setting.get() == 0


def test_patch(client: SyncStubHeksherClient) -> None:
    """The deprecated patch sets answers at once, restores them after a block that fails, and points to its caller."""
    setting = make_setting()
    client[setting].rules = 1
    with pytest.warns(DeprecationWarning, match="patch") as warned:
        patch = client.patch(setting, [Rule({"a": "x"}, 2)])
    assert warned[0].filename == __file__
    assert setting.get(a="x") == 2
    with pytest.raises(ZeroDivisionError), patch:
        raise ZeroDivisionError
    assert setting.get() == 1


def test_only_rules_can_be_set(client: SyncStubHeksherClient) -> None:
    """A misspelt attribute is an error and not a test that tests nothing."""
    with pytest.raises(AttributeError, match="only the attribute rules, not 'rule'"):
        client[make_setting()].rule = 1


def test_answers_of_a_dead_setting(client: SyncStubHeksherClient) -> None:
    """Setting the rules of a setting that is gone does no harm."""
    stub = client[make_setting()]
    gc.collect()
    stub.rules = 1
    assert stub.rules == 1


# ---- contexts


def test_defaults(client: SyncStubHeksherClient) -> None:
    """Defaults are used as with a real client, for any feature, without warnings."""
    variable: ContextVar[str] = ContextVar("b", default="y")
    setting = make_setting()
    client[setting].rules = [Rule({"a": "x", "b": "y"}, 1)]
    client.set_defaults(a="x", b=variable)
    assert (setting.get(), setting.get(a="z")) == (1, 0)
    assert client.context_namespace({"a": "z"}) == {"a": "z", "b": "y"}


def test_tracking_does_nothing(client: SyncStubHeksherClient) -> None:
    """A program may call track_contexts; the stub has all its rules all the same."""
    setting = make_setting()
    client[setting].rules = [Rule({"a": "x"}, 1)]
    client.track_contexts(a="other", self="z")
    assert setting.get(a="x") == 1


def test_snapshot(client: SyncStubHeksherClient) -> None:
    """A stub gives snapshots, too."""
    setting = make_setting()
    client[setting].rules = 1
    snapshot = client.snapshot()
    client[setting].rules = 2
    assert (snapshot.get(setting), setting.get()) == (1, 2)


# ---- begin and end


def test_arguments_are_ignored() -> None:
    """A stub is created like the client that it stands in for."""
    for kind in (SyncStubHeksherClient, AsyncStubHeksherClient):
        assert kind("http://heksher", 60, ["a"], http_client_args={"headers": {}}, start_timeout=3)._is_stub


@pytest.mark.trap(29)
def test_end() -> None:
    """At the end of its block a stub is not main any more, and settings answer as before, also after an error."""
    setting = make_setting()
    before = setting._evaluation
    with pytest.raises(ZeroDivisionError), SyncStubHeksherClient() as client:  # noqa: PT012
        assert main_client.get() is client
        client[setting].rules = 1
        raise ZeroDivisionError
    assert main_client.get() is None
    assert before is setting._evaluation


def test_answers_after_the_end() -> None:
    """Rules that are set after the end show when the stub is main the next time."""
    setting = make_setting()
    client = SyncStubHeksherClient()
    with client:
        pass
    client[setting].rules = 1
    assert setting.get() == 0
    with client:
        assert setting.get() == 1


def test_stub_in_a_stub() -> None:
    """Stubs can be nested; the outer one's answers are back when the inner one has ended."""
    setting = make_setting()
    with SyncStubHeksherClient() as outer:
        outer[setting].rules = 1
        with SyncStubHeksherClient() as inner:
            assert setting.get() == 0
            inner[setting].rules = 2
            outer[setting].rules = 3
            assert setting.get() == 2
        assert setting.get() == 3
    assert setting.get() == 0


@pytest.mark.trap(29)
def test_stubs_that_end_in_another_order() -> None:
    """An outer stub that has ended first does not become main again when the inner one ends."""
    outer, inner = SyncStubHeksherClient(), SyncStubHeksherClient()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert main_client.get() is inner
    inner.__exit__(None, None, None)
    assert main_client.get() is None


def test_started_by_the_program_once_more() -> None:
    """A program that is given a stub and starts it does not make it forget which client it follows."""
    with SyncStubHeksherClient() as outer:
        with SyncStubHeksherClient() as inner:
            inner.set_as_main()
        assert main_client.get() is outer


def test_set_as_main() -> None:
    """A stub can become main without a with block."""
    client = SyncStubHeksherClient()
    client.set_as_main()
    assert main_client.get() is client
    assert not client._has_undeclared_settings()


def test_async_stub() -> None:
    """The asynchronous stub does the same in an async with block."""

    async def use() -> None:
        setting = make_setting()
        async with AsyncStubHeksherClient() as client:
            client[setting].rules = 1
            assert setting.get() == 1
            await client.set_as_main()
            for method in (client.reload, client.ping, client.aclose, client.close):
                await method()
                method.assert_awaited_once_with()
        assert (main_client.get(), setting.get()) == (None, 0)

    asyncio.run(use())


def test_mocks(client: SyncStubHeksherClient) -> None:
    """What would talk to a service is a mock."""
    for method in (client.reload, client.ping, client.close):
        method()
        method.assert_called_once_with()


def test_settings_are_held_weakly(client: SyncStubHeksherClient) -> None:
    """A setting that the program drops dies at once, also when it has rules."""
    setting = make_setting()
    client[setting].rules = [Rule({"a": "x"}, 1)]
    reference = weakref.ref(setting)
    del setting
    assert reference() is None
    assert len(client.snapshot()) == 0


def test_mapping_value(client: SyncStubHeksherClient) -> None:
    """A mapping is a value."""
    limits = Setting("limits", Mapping[str, int], ["a"], {})
    client[limits].rules = {"m": 1}
    assert limits.get() == {"m": 1}


def test_repr() -> None:
    """A stub shows how many settings it has, and what stands for one of them which rules it has."""
    setting = Setting("size", int, ["a"], 0)
    stub = SyncStubHeksherClient()
    stub[setting].rules = 5
    assert ["<SyncStubHeksherClient: 1 setting>", "<StubSetting size: 5>"] == [repr(stub), repr(stub[setting])]
