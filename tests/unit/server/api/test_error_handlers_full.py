"""A service that keeps as many settings and rules as it may: what is added is answered 507, the rest goes on."""

import json

import pytest

from heksher.server.config import Config
from heksher.server.storage.base import Storage
from tests.support.api import Api

DECLARE = "/api/v1/settings/declare"
RULES = "/api/v1/rules"


def declaration(name: str, **attributes: object) -> dict[str, object]:
    return {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 1, **attributes}


def rule(setting: str, user: str) -> dict[str, object]:
    return {"setting": setting, "feature_values": {"user": user}, "value": 2}


def fill(storage: Storage | None = None) -> Api:
    """Return a service with two settings and two rules, which are as many as it keeps."""
    api = Api(storage, Config("unused", max_settings=2, max_rules=2))
    api.add_features("user")
    for name in "ab":
        assert 200 == api.post(DECLARE, json=declaration(name)).status_code
        assert 201 == api.post(RULES, json=rule(name, "x")).status_code
    return api


@pytest.mark.storages
def test_a_new_setting_above_the_ceiling_is_refused():
    """The answer names the ceiling and the remedy; declarations of settings that are there are answered as ever."""
    api = fill()
    refused = api.post(DECLARE, json=declaration("c"))
    assert 507 == refused.status_code
    detail = (
        "there are 2 settings, and 1 more would be above the ceiling of 2: delete some that nobody needs, or start the"
        " service with a higher HEKSHER_MAX_SETTINGS"
    )
    problem = {"type": "about:blank", "title": "Insufficient Storage", "status": 507, "detail": detail}
    assert ("application/problem+json", problem) == (refused.headers["content-type"], refused.json())
    assert "uptodate" == api.post(DECLARE, json=declaration("a")).json()["outcome"]
    assert "upgraded" == api.post(DECLARE, json=declaration("a", version="1.1", default_value=3)).json()["outcome"]
    assert "upgraded" == api.post(DECLARE, json=declaration("c", alias="b", version="1.1")).json()["outcome"]


@pytest.mark.storages
def test_of_many_declarations_those_above_the_ceiling_are_refused():
    """Each on its own: the others are stored."""
    api = Api(config=Config("unused", max_settings=2))
    api.add_features("user")
    answers = api.post(f"{DECLARE}-many", json=[declaration(name) for name in "abca"]).json()
    assert [200, 200, 507, 200] == [answer["status"] for answer in answers]
    assert "HEKSHER_MAX_SETTINGS" in answers[2]["body"]["detail"]
    assert {"a", "b"} == api.query().keys()


@pytest.mark.storages
def test_a_new_rule_above_the_ceiling_is_refused():
    """Rules that are there can be changed, and what would be refused anyway is told its own reason."""
    api = fill()
    refused = api.post(RULES, json=rule("a", "y"))
    assert 507 == refused.status_code
    assert "above the ceiling of 2" in refused.json()["detail"]
    assert "HEKSHER_MAX_RULES" in refused.json()["detail"]
    assert 409 == api.post(RULES, json=rule("a", "x")).status_code
    assert 204 == api.put(f"{RULES}/1/value", json={"value": 3}).status_code


def test_what_is_deleted_makes_room():
    """For as much as was deleted."""
    api = fill()
    with api.app.run():
        assert 507 == api.post(RULES, json=rule("a", "y")).status_code
        assert 204 == api.delete(f"{RULES}/1").status_code
        assert [201, 507] == [api.post(RULES, json=rule("a", user)).status_code for user in "yz"]
        assert 204 == api.request("DELETE", "/api/v1/settings/a", content=json.dumps({"version": "1.1"})).status_code
        assert [200, 507] == [api.post(DECLARE, json=declaration(name)).status_code for name in "cd"]


def test_what_is_above_a_ceiling_already_stays():
    """As after a restore of a larger backup: it is answered, changed and deleted, and nothing is added."""
    full = fill()
    api = Api(full.storage, Config("unused", max_settings=1, max_rules=1))
    assert {"a", "b"} == api.query().keys()
    assert 507 == api.post(DECLARE, json=declaration("c")).status_code
    assert 507 == api.post(RULES, json=rule("a", "y")).status_code
    assert 204 == api.put(f"{RULES}/2/value", json={"value": 3}).status_code
    assert 204 == api.delete(f"{RULES}/1").status_code


def test_the_metrics_have_the_ceilings():
    """Beside the numbers of what is there."""
    lines = fill().get("/metrics").text.splitlines()
    assert {"heksher_max_settings 2.0", "heksher_max_rules 2.0"} <= set(lines)
