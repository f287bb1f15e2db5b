"""Clients, stub clients and the main client, as programs written for the published client use them, and their tests."""

import json
import threading
import warnings
from collections import deque
from typing import Any

import httpx
import pytest

from heksher import TRACK_ALL, AsyncHeksherClient, Setting, ThreadHeksherClient, main_client
from heksher.clients.stub import Rule, SyncStubHeksherClient
from tests.compatibility.conftest import IS_OURS, MakeClient, OldService, reset_main_client


def test_row_19_track_all_is_a_string(make_client: MakeClient, service: OldService):
    """It survives JSON, and a program may write it itself."""
    assert ("*", "*") == (TRACK_ALL, json.loads(json.dumps(TRACK_ALL)))
    service.rules = [{"rule_id": 1, "value": 9, "context_features": [["a", "x"]]}]
    setting = Setting("size", int, ["a"], 5)
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert 9 == setting.get(a="x")


@pytest.mark.parametrize("client_class", [AsyncHeksherClient, ThreadHeksherClient])
@pytest.mark.parametrize(
    ("url", "interval"), [("bla", 60), ("", 0), ("host:port", -1), ("http://heksher.test/", None), ("", "soon")]
)
def test_row_20_a_client_takes_any_url_and_interval(client_class: type, url: str, interval: object):
    """To create one does nothing yet."""
    with warnings.catch_warnings():
        # Neither client is ever started.
        warnings.simplefilter("ignore", ResourceWarning)
        assert client_class(url, interval, ["a"]) is not None


@pytest.mark.parametrize("url", ["bla", "", "host:port"])
def test_row_20_the_error_comes_when_the_url_is_used(make_client: MakeClient, url: str):
    """As one of the HTTP library."""
    client = make_client(url)
    with pytest.raises((httpx.HTTPError, httpx.InvalidURL)):
        client.call("ping")


def test_row_20_no_interval_means_no_updates(make_client: MakeClient, service: OldService):
    """But those that are asked for."""
    setting = Setting("size", int, ["a"], 5)
    client = make_client(interval=None)
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert 1 == setting.get(a="x")
    count = len(service.calls)
    threading.Event().wait(0.05)
    assert count == len(service.calls)
    service.default_value = 2
    client.call("reload")
    assert 2 == setting.get(a="x")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_row_21_patch_takes_effect_at_once():
    """What it returns restores on leaving its block."""
    setting = Setting("size", int, ["a"], 5)
    with SyncStubHeksherClient() as stub:
        patch = stub.patch(setting, 6)
        assert 6 == setting.get(a="x")
        with patch:
            assert 6 == setting.get(a="x")
        assert 5 == setting.get(a="x")
        stub.patch(setting, [Rule({"a": "x"}, 7)])
        assert (7, 5) == (setting.get(a="x"), setting.get(a="y"))


def test_row_22_a_stub_need_not_become_main():
    """It sets the answers of any setting."""
    setting = Setting("size", int, ["a"], 5)
    stub = SyncStubHeksherClient()
    stub[setting].rules = 6
    assert 6 == setting.get(a="x")
    stub[setting].rules = [Rule({"a": "x"}, 7)]
    assert (7, 5) == (setting.get(a="x"), setting.get(a="y"))


@pytest.mark.parametrize("collect", [list, tuple, deque, lambda rules: dict(enumerate(rules)).values()])
def test_row_23_rules_may_be_any_collection(collect: Any):
    """The first element decides whether it is one of rules."""
    setting = Setting("size", int, ["a"], 5)
    with SyncStubHeksherClient() as stub:
        stub[setting].rules = collect([Rule({"a": "x"}, 6), Rule({"a": "y"}, 7)])
        assert (6, 7, 5) == tuple(setting.get(a=value) for value in "xyz")


@pytest.mark.parametrize("value", [[], (), {}, "", [4, Rule({"a": "x"}, 6)], {"x": 1}, "ab", None])
def test_row_23_anything_else_is_the_value(value: Any):
    """An empty collection, too."""
    setting = Setting("size", int, ["a"], 5)
    with SyncStubHeksherClient() as stub:
        stub[setting].rules = value
        assert setting.get(a="x") is value


def test_row_24_the_main_client_can_be_reset(make_client: MakeClient):
    """Tests do it between two cases; with ours, settings that are alive are the next main client's."""
    setting = Setting("size", int, ["a"], 5)
    first = make_client()
    first.call("set_as_main")
    reset_main_client()
    second = make_client()
    second.call("set_as_main")
    if IS_OURS:
        assert main_client.get() is second.native
        assert {"size": setting} == second.native.settings
        assert {} == first.native.settings
    else:
        assert main_client.Main is second.native


def test_row_25_a_closed_client_is_not_main(make_client: MakeClient):
    """With the published client it stays main."""
    client = make_client()
    client.call("set_as_main")
    client.close()
    if IS_OURS:
        assert main_client.get() is None
    else:
        assert main_client.Main is client.native
