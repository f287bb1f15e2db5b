"""Starts, updates and what they log, as operators and programs know them from the published client."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient
from tests.compatibility.conftest import IS_OURS, MakeClient, OldService

DEADLINE_S = 10.0
SHORT_S = 0.05


@pytest.fixture(autouse=True)
def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Capture the records of all loggers."""
    caplog.set_level(logging.DEBUG)


def await_queries(client: Any, service: OldService, number: int) -> None:
    """Let the client go on until so many more queries were answered."""
    wanted = sum(path == "query" for _, path in service.calls) + number
    for _ in range(int(DEADLINE_S / 0.01)):
        if sum(path == "query" for _, path in service.calls) >= wanted:
            return
        client.wait(0.01)
    raise AssertionError("no such query came")


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 503])
def test_row_26_a_declaration_that_fails(make_client: MakeClient, service: OldService, status: int):
    """The start succeeds, and all other settings are declared, and updated at their interval."""
    bad, good = Setting("bad", int, ["a"], 1), Setting("good", int, ["a"], 1)
    service.outcomes["bad"] = (status, {"detail": "no"})
    calls: list[str] = []
    client = make_client(interval=SHORT_S)
    client.native.on_update_ok = lambda: calls.append("ok")
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    service.default_value = 7
    await_queries(client, service, 3)
    assert (7, True) == (good.get(a="x"), bool(calls))
    assert {"bad", "good"} == {body["name"] for body in service.declared}
    assert 1 <= bad.get(a="x") <= 7


def test_row_26_the_program_hears_of_updates(make_client: MakeClient, service: OldService):
    """``on_update_ok`` comes after each; of ours, after those alone that succeed."""
    setting = Setting("size", int, ["a"], 5)
    calls: list[str] = []
    client = make_client(interval=SHORT_S)
    client.native.on_update_ok = lambda: calls.append("ok")
    client.native.on_update_error = lambda _: calls.append("error")
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    await_queries(client, service, 2)
    assert {"ok"} == set(calls)
    service.failures["query"] = 500
    await_queries(client, service, 2)
    service.failures.clear()
    calls.clear()
    await_queries(client, service, 2)
    assert "ok" in calls
    assert 1 == setting.get(a="x")


def test_row_27_the_first_query_fails(make_client: MakeClient, service: OldService):
    """The asynchronous client raises that; the thread client logs it, and goes on."""
    setting = Setting("size", int, ["a"], 5)
    service.failures["query"] = 500
    client = make_client(interval=SHORT_S)
    client.native.track_contexts(a="*")
    if isinstance(client.native, AsyncHeksherClient):
        with pytest.raises(httpx.HTTPError):
            client.call("set_as_main")
        assert 5 == setting.get(a="x")
        return
    client.call("set_as_main")
    assert 5 == setting.get(a="x")
    service.failures.clear()
    await_queries(client, service, 2)
    assert 1 == setting.get(a="x")


def test_row_28_declarations_one_at_a_time(make_client: MakeClient, service: OldService):
    """Where the service is the existing one."""
    settings = [Setting(f"s{number}", int, ["a"], number) for number in range(5)]
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert {setting.name for setting in settings} == {body["name"] for body in service.declared}
    assert 1 == service.most_at_once


def test_row_29_reload_while_the_service_is_away(make_client: MakeClient, service: OldService):
    """Of ours it raises in both clients, on purpose."""
    Setting("size", int, ["a"], 5)
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    service.failures["query"] = 503
    if IS_OURS or isinstance(client.native, AsyncHeksherClient):
        with pytest.raises(httpx.HTTPError):
            client.call("reload")
    else:
        assert client.call("reload") is None


OUTDATED = {
    "outcome": "outdated",
    "latest_version": "2.0",
    "differences": [{"level": "major", "attribute": "default_value", "latest_value": 9}],
}


def test_row_30_a_default_that_an_outdated_declaration_is_told(make_client: MakeClient, service: OldService):
    """It holds at once, although no query has been answered."""
    setting = Setting("size", int, ["a"], 5)
    service.outcomes["size"] = (200, OUTDATED)
    service.failures["query"] = 500
    client = make_client()
    client.native.track_contexts(a="*")
    if isinstance(client.native, ThreadHeksherClient):
        client.call("set_as_main")
    else:
        with pytest.raises(httpx.HTTPError):
            client.call("set_as_main")
    assert 9 == setting.get(a="x")


def test_row_30a_get_settings(make_client: MakeClient, service: OldService):
    """Of the published thread client it fails."""
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    if IS_OURS or isinstance(client.native, AsyncHeksherClient):
        assert ["size"] == [*client.call("get_settings")]
    else:
        # It asks for names alone, so the answer is not what it expects.
        with pytest.raises(ValueError, match="validation errors"):
            client.call("get_settings")


# ---- row 31


def change(**attributes: Any) -> Callable[[OldService], None]:
    """Make what changes a service."""

    def apply(service: OldService) -> None:
        for name, value in attributes.items():
            setattr(service, name, value)

    return apply


A_RULE = {"rule_id": 1, "context_features": [["a", "x"]]}
# What the service says; the beginning of the line, the most that its level may be, and the keys that it carries.
LINES = {
    "features": (
        change(features=["b", "a"]),
        "context feature mismatch",
        "WARNING",
        {"features_in_service", "features_in_client"},
    ),
    "conflict": (
        change(outcomes={"size": (409, {"outcome": "mismatch", "differences": []})}),
        "conflict when declaring setting",
        "ERROR",
        {"setting_name", "response_content"},
    ),
    "refusal": (
        change(outcomes={"size": (422, {"detail": "no"})}),
        "error when declaring setting",
        "ERROR",
        {"setting_name", "response_content"},
    ),
    "outdated": (
        change(outcomes={"size": (200, OUTDATED | {"latest_version": "1.1"})}),
        "setting is outdated",
        "INFO",
        {"setting_name", "latest_version", "differences"},
    ),
    "outdated by a major version": (
        change(outcomes={"size": (200, OUTDATED)}),
        "setting is outdated by a major version",
        "WARNING",
        {"setting_name", "latest_version", "differences"},
    ),
    "rejected": (
        change(rules=[A_RULE | {"value": "text"}]),
        "setting update rejected rules",
        "WARNING",
        {"setting_name", "rejected_rules"},
    ),
    "no default": (
        change(default_value="text"),
        "setting default value discarded default due to conversion error",
        "WARNING",
        {"setting_name"},
    ),
    "no update": (change(failures={"query": 500}), "error during heksher update", "ERROR", {"response_content"}),
    "no features": (
        change(failures={"context_features": 500}),
        "failure to get context_features from heksher service",
        "ERROR",
        {"service_url"},
    ),
}


@pytest.mark.parametrize("what", LINES)
def test_row_31_lines_of_the_log(
    make_client: MakeClient, service: OldService, caplog: pytest.LogCaptureFixture, what: str
):
    """They begin with the same words, and carry the same keys."""
    apply, text, level, keys = LINES[what]
    setting = Setting("size", int, ["a", "b"], 5)
    apply(service)
    client = make_client()
    client.native.track_contexts(a="x", b="*")
    try:
        client.call("set_as_main")
    except httpx.HTTPError:
        assert service.failures
    assert setting.name == "size"
    if what == "no update" and isinstance(client.native, ThreadHeksherClient) and not IS_OURS:
        keys = set()
    expect_line(caplog, text, level, keys)


def test_row_31_contexts_that_nobody_specified(
    make_client: MakeClient, service: OldService, caplog: pytest.LogCaptureFixture
):
    """Of defaults, of tracked values, and of reads."""
    setting = Setting("size", int, ["a", "b"], 5)
    client = make_client()
    client.native.set_defaults(nobody="x")
    expect_line(caplog, "context features are not specified in the client", "WARNING", {"redundant_keys"})
    client.native.track_contexts(nobody="x", a="x", b="*")
    client.call("set_as_main")
    setting.get(a="other", b="x")
    expect_line(
        caplog,
        "context feature value is not tracked by client",
        "WARNING",
        {"context_feature", "context_feature_value"},
    )


def test_row_31_a_setting_that_the_service_lacks(
    make_client: MakeClient, service: OldService, caplog: pytest.LogCaptureFixture
):
    """It was never retrieved."""
    setting = Setting("size", int, ["a"], 5)
    client = make_client()
    client.native.track_contexts(a="*")
    service.is_empty = True
    client.call("set_as_main")
    assert 5 == setting.get(a="x")
    expect_line(caplog, "the value of setting was never retrieved from service", "INFO", {"setting"})


def expect_line(caplog: pytest.LogCaptureFixture, text: str, level: str, keys: set[str]) -> None:
    """Expect a record that begins with a text, is of a level at most, and carries keys."""
    records = [record for record in caplog.records if record.getMessage().startswith(text)]
    assert records, [record.getMessage() for record in caplog.records]
    assert records[0].levelno <= logging.getLevelNamesMapping()[level]
    assert keys <= vars(records[0]).keys()
