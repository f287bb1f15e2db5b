"""Which client is main: how settings get to it, how the main client changes, and how that is undone."""

import gc
import logging
import weakref
from typing import Any

import pytest

from heksher import main_client
from heksher.context import ClientContext
from heksher.exceptions import ClientStateError
from heksher.setting import Setting


class FakeClient:
    """A client as far as ``main_client`` knows them; notes the settings that it has."""

    def __init__(self, *features: str, is_stub: bool = False) -> None:
        self._is_stub = is_stub
        self._context = ClientContext(features)
        self.settings: list[Setting[Any]] = []
        self.followed: list[Setting[Any]] = []
        self.has_undeclared = False
        self.has_ended = False

    def _adopt(self, settings: list[Setting[Any]]) -> None:
        self.settings += settings

    def _release(self) -> None:
        self.settings = []

    def _follow_default(self, setting: Setting[Any]) -> None:
        self.followed.append(setting)

    def _has_undeclared_settings(self) -> bool:
        return self.has_undeclared

    def _is_over(self) -> bool:
        return self.has_ended


def make_setting(name: str = "size") -> Setting[int]:
    return Setting(name, int, ["a"], 0)


def test_no_main_client() -> None:
    """In the beginning there is no main client; settings wait for one."""
    assert main_client.get() is None
    make_setting()


def test_settings_go_to_the_main_client() -> None:
    """A client that becomes main gets the settings that there are, and from then on each new one."""
    early = make_setting()
    client = FakeClient("a")
    assert main_client.make_main(client) is None
    assert main_client.get() is client
    late = make_setting()
    assert [early, late] == client.settings


def test_settings_wait_weakly() -> None:
    """A setting that the program drops before there is a client is gone."""
    make_setting()
    kept = make_setting()
    gc.collect()
    client = FakeClient()
    main_client.make_main(client)
    assert [kept] == client.settings


def test_setting_is_forgotten_when_it_dies() -> None:
    """Nothing is left of settings that were dropped, however many there were."""
    reference = weakref.ref(make_setting())
    assert reference() is None
    assert not main_client._settings


def test_becoming_main_twice() -> None:
    """The main client does not get its settings a second time."""
    setting = make_setting()
    client = FakeClient()
    main_client.make_main(client)
    assert main_client.make_main(client) is None
    assert [setting] == client.settings


def test_second_main_client(caplog: pytest.LogCaptureFixture) -> None:
    """A second client takes all settings over, with a warning."""
    setting = make_setting()
    first, second = FakeClient("a", "b"), FakeClient("b", "a")
    main_client.make_main(first)
    assert main_client.make_main(second) is first
    assert ([], [setting]) == (first.settings, second.settings)
    [record] = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "heksher.main_client")
    assert "multiple clients in a process is NOT recommended!" in record.getMessage()


def test_second_main_client_tracks_others(caplog: pytest.LogCaptureFixture) -> None:
    """That the second client tracks other values is a warning of its own."""
    first, second = FakeClient("a"), FakeClient("a")
    second._context.track({"a": "x"})
    main_client.make_main(first)
    main_client.make_main(second)
    assert ["NOT recommended!" in record.getMessage() for record in caplog.records] == [True, False]
    assert "the new main client tracks different context values" in caplog.records[1].getMessage()


def test_second_main_client_with_other_features() -> None:
    """A client with other features cannot become main; everything stays as it was."""
    setting = make_setting()
    first, second = FakeClient("a"), FakeClient("a", "b")
    main_client.make_main(first)
    text = r"features \['a', 'b'\] cannot become main: the main client has \['a'\]; close that one first"
    with pytest.raises(ClientStateError, match=text):
        main_client.make_main(second)
    assert main_client.get() is first
    assert ([setting], []) == (first.settings, second.settings)


def test_second_main_client_before_the_first_has_declared() -> None:
    """As long as the main client has settings to declare, no other one can become main."""
    first = FakeClient()
    main_client.make_main(first)
    first.has_undeclared = True
    with pytest.raises(ClientStateError, match="settings that are still to be declared"):
        main_client.make_main(FakeClient())
    assert main_client.get() is first


@pytest.mark.trap(29)
@pytest.mark.parametrize(("is_first_stub", "is_second_stub"), [(True, False), (False, True), (True, True)])
def test_stubs_mind_nothing(is_first_stub: bool, is_second_stub: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A stub follows any client, and any client follows a stub; that a real one does is warned of."""
    setting = make_setting()
    first, second = FakeClient("a", is_stub=is_first_stub), FakeClient("b", is_stub=is_second_stub)
    first.has_undeclared = True
    main_client.make_main(first)
    assert main_client.make_main(second) is first
    assert ([], [setting]) == (first.settings, second.settings)
    assert ["stub" in message for message in caplog.messages] == [True] * (is_first_stub and not is_second_stub)


def test_restore() -> None:
    """The previous client is main again, with all settings, also those that came meanwhile."""
    first, second = FakeClient(), FakeClient()
    early = make_setting()
    main_client.make_main(first)
    previous = main_client.make_main(second)
    late = make_setting()
    main_client.restore_main(second, previous)
    assert main_client.get() is first
    assert ([early, late], []) == (first.settings, second.settings)


def test_restore_without_a_previous_client() -> None:
    """Without a previous client there is none in the end, and settings wait again."""
    client = FakeClient()
    setting = make_setting()
    main_client.restore_main(client, main_client.make_main(client))
    assert (main_client.get(), client.settings) == (None, [])
    main_client.make_main(client)
    assert [setting] == client.settings


def test_restore_by_a_client_that_is_not_main() -> None:
    """A client that is not main any more changes nothing for the one that is; it has no settings itself."""
    setting = make_setting()
    first, second = FakeClient(), FakeClient()
    main_client.make_main(first)
    main_client.make_main(second)
    main_client.restore_main(first, None)
    assert main_client.get() is second
    assert ([], [setting]) == (first.settings, second.settings)


@pytest.mark.trap(29)
def test_restore_of_a_client_that_has_ended() -> None:
    """A previous client that was closed meanwhile does not become main again."""
    first, second = FakeClient(), FakeClient()
    main_client.make_main(first)
    previous = main_client.make_main(second)
    first.has_ended = True
    main_client.restore_main(second, previous)
    assert main_client.get() is None


def test_one_client_after_the_other(caplog: pytest.LogCaptureFixture) -> None:
    """A change from a client that was closed, which is the usual way, is no news."""
    caplog.set_level(logging.DEBUG)
    first, second = FakeClient(), FakeClient()
    main_client.make_main(first)
    main_client.restore_main(first, None)
    main_client.make_main(second)
    assert caplog.records == []


def test_reset() -> None:
    """After a reset there is no main client, and the next one gets the settings that are alive."""
    setting = make_setting()
    first, second = FakeClient("a"), FakeClient("b")
    main_client.make_main(first)
    main_client.reset()
    assert (main_client.get(), first.settings) == (None, [])
    main_client.reset()
    # Neither other features nor undeclared settings are in its way.
    first.has_undeclared = True
    assert main_client.make_main(second) is None
    assert [setting] == second.settings


def test_default_that_is_set() -> None:
    """The main client is told of it, as it has the lock; without one the setting follows by itself."""
    setting = make_setting()
    setting.default_value = 1
    assert setting.get() == 1
    client = FakeClient("a")
    main_client.make_main(client)
    setting.default_value = 2
    assert ([setting], 1) == (client.followed, setting.get())
