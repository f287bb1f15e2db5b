"""Policies: for which settings a second person is demanded, and what that holds back."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.storage.access_records import POLICY
from heksher.server.storage.base import LoggedChange
from tests.support.api import Api
from tests.support.operations import read_last
from tests.support.proposers import Proposers, op, set_value

POLICIES = "/api/v1/policies"
VALUE = {"value": 5}


@pytest.fixture
def people(ruled: Api) -> Proposers:
    """With a setting ``shop.size`` that has a rule 5, which ``root`` alone may change at first."""
    people = Proposers(ruled)
    ruled.declare("shop.size")
    ruled.add_rule("shop.size", {"user": "guest"}, 1)
    people.api.app.services.catalog.refresh()
    return people


def demand(people: Proposers, prefix: str = "shop.") -> None:
    assert 204 == people.ask("root", "PUT", f"{POLICIES}/{prefix}").status_code


@pytest.mark.storages
def test_policies_are_made_listed_and_removed(people: Proposers):
    """By admins; each change is an entry of the log, and one that changes nothing is none."""
    assert {"policies": []} == people.ask("eve", "GET", POLICIES).json()
    demand(people, "shop.")
    demand(people, "*")
    before = people.api.revision()
    demand(people, "shop.")
    assert before == people.api.revision()
    listed = people.ask("eve", "GET", POLICIES).json()["policies"]
    assert [("", "root"), ("shop.", "root")] == [(policy["prefix"], policy["creator"]) for policy in listed]
    assert listed[1] == people.ask("eve", "GET", f"{POLICIES}/shop.").json()
    assert listed[0] == people.ask("eve", "GET", f"{POLICIES}/*").json()
    assert 403 == people.ask("ada", "PUT", f"{POLICIES}/new.").status_code
    assert 403 == people.ask("ada", "DELETE", f"{POLICIES}/shop.").status_code
    assert 204 == people.ask("root", "DELETE", f"{POLICIES}/shop.").status_code
    change = read_last(people.api.storage).changes[0]
    assert ("delete", POLICY, "shop.", None) == (change.action, change.kind, change.key, change.after)
    for method in ("GET", "DELETE"):
        response = people.ask("root", method, f"{POLICIES}/shop.")
        assert (404, "there is no policy for exactly the prefix 'shop.'") == (
            response.status_code,
            response.json()["detail"],
        )


@pytest.mark.parametrize("prefix", ["shop", "a%2Fb.", "..%00", "%20."])
def test_a_prefix_ends_with_a_dot(people: Proposers, prefix: str):
    response = people.ask("root", "PUT", f"{POLICIES}/{prefix}")
    assert response.status_code in {404, 422}, response.text


def test_without_access_nobody_could_approve(ruled: Api):
    response = ruled.put(f"{POLICIES}/shop.")
    assert 403 == response.status_code
    assert "it does not know who approves of anything" in response.json()["detail"]


@pytest.mark.storages
def test_changes_of_its_settings_are_held_back(people: Proposers):
    """Whichever they are; what changes nothing, and all others are not, and neither are declarations."""
    demand(people)
    changes = [
        op("PUT", "/rules/5/value", VALUE),
        op("DELETE", "/rules/5"),
        op("POST", "/rules", {"setting": "shop.size", "feature_values": {"user": "x"}, "value": 5}),
        op("PUT", "/rules/5/metadata/by", {"value": "me"}),
        op("DELETE", "/settings/shop.size"),
        op("PUT", "/settings/shop.size/type", {"type": "float", "version": "2.0"}),
        op("PUT", "/settings/shop.size/name", {"name": "size", "version": "1.1"}),
        op("PUT", "/settings/A/name", {"name": "shop.a", "version": "1.1"}),
        op("PUT", "/settings/shop.size/configurable_features", {"configurable_features": ["user"], "version": "1.1"}),
        op("POST", "/settings/shop.size/metadata", {"metadata": {"a": 1}, "version": "1.1"}),
    ]
    before = people.api.revision()
    for change in changes:
        response = people.ask("root", str(change["method"]), str(change["path"]), change["body"])
        assert (403, ["shop."]) == (response.status_code, response.json()["policies"]), change
        assert "make a proposal of this (POST /api/v1/proposals)" in response.json()["detail"]
        response = people.ask("root", "POST", "/api/v1/bulk", {"operations": [set_value(1, 9), change]})
        assert (403, 1) == (response.status_code, response.json()["operation"])
    assert before == people.api.revision()
    assert 204 == people.ask("ada", "PUT", "/api/v1/rules/5/value", {"value": 1}).status_code
    assert 204 == people.ask("ada", "PUT", "/api/v1/rules/1/value", VALUE).status_code
    declared = {"name": "shop.size", "configurable_features": ["user"], "type": "int", "default_value": 7}
    response = people.ask("ada", "POST", "/api/v1/settings/declare", {**declared, "version": "1.1"})
    assert 200 == response.status_code, response.text


@pytest.mark.storages
def test_a_declared_name_does_not_take_a_setting_out_of_its_policy(people: Proposers):
    """A declaration renames without a second person, and the earlier name is still one of the setting's."""
    declared = {"name": "size", "alias": "shop.size", "configurable_features": ["user"], "type": "int"}
    demand(people)
    declared |= {"default_value": 1, "version": "1.1"}
    assert 200 == people.ask("ada", "POST", "/api/v1/settings/declare", declared).status_code
    changes = [
        set_value(5, 9),
        op("DELETE", "/rules/5"),
        op("POST", "/rules", {"setting": "size", "feature_values": {"user": "x"}, "value": 5}),
        op("PUT", "/settings/size/name", {"name": "shop.size", "version": "1.2"}),
    ]
    for change in changes:
        response = people.ask("ada", str(change["method"]), str(change["path"]), change["body"])
        assert (403, ["shop."]) == (response.status_code, response.json().get("policies")), change
        response = people.ask("ada", "POST", "/api/v1/bulk", {"operations": [change]})
        assert (403, ["shop."]) == (response.status_code, response.json().get("policies")), change
    assert people.propose("ada", set_value(5, 9)).json()["needs_approval"]


@pytest.mark.storages
def test_an_admin_can_do_without_the_second_person(people: Proposers):
    """The entry says so, once; for all others that counts for nothing."""
    demand(people)
    demand(people, "*")
    assert 403 == people.ask("ada", "PUT", "/api/v1/rules/5/value?force=true", VALUE).status_code
    overrides = [LoggedChange("override", POLICY, prefix, {}, {}) for prefix in ("", "shop.")]
    assert 204 == people.ask("root", "PUT", "/api/v1/rules/5/value?force=true", VALUE).status_code
    *told, change = read_last(people.api.storage).changes
    assert (overrides, ("rule", "5")) == (told, (change.kind, change.key))
    operations = [set_value(5, 6), set_value(5, 7), op("DELETE", "/rules/5")]
    response = people.ask("root", "POST", "/api/v1/bulk?force=true", {"operations": operations})
    assert 200 == response.status_code, response.text
    changes = read_last(people.api.storage).changes
    assert (overrides, 5) == ([change for change in changes if change.kind == POLICY], len(changes))


@pytest.mark.storages
def test_a_proposal_waits_for_the_second_person(people: Proposers):
    """Though it does not ask for one; also where the policy was made after it."""
    early = people.make("ada", set_value(5, 9), at="2999-01-01T00:00:00Z")
    demand(people)
    response = people.propose("ada", set_value(5, 5))
    assert ("open", True) == (response.json()["state"], response.json()["needs_approval"])
    assert "applied" == people.decide("bob", response.json()["id"], "approve").json()["state"]
    assert not people.get(early)["needs_approval"]


def test_taking_back_what_is_a_day_old_is_not_held_back(people: Proposers, monkeypatch: pytest.MonkeyPatch):
    """An incident does not wait; older states do."""
    people.ask("root", "PUT", "/api/v1/rules/5/value", {"value": 2})
    revision = people.api.revision()
    demand(people)
    assert 200 == people.ask("ada", "POST", f"/api/v1/changes/{revision}/revert").status_code
    assert 200 == people.ask("ada", "POST", "/api/v1/settings/shop.size/revert", {"to": revision}).status_code
    assert 2 == people.ask("eve", "GET", "/api/v1/rules/5").json()["value"]
    later = datetime.now(UTC) + timedelta(hours=25)
    monkeypatch.setattr("heksher.server.operations.policies.datetime", _Clock(later))
    for path, body in ((f"/changes/{revision}/revert", None), ("/settings/shop.size/revert", {"to": revision - 1})):
        response = people.ask("ada", "POST", f"/api/v1{path}", body)
        assert (403, ["shop."]) == (response.status_code, response.json()["policies"])
        assert 200 == people.ask("root", "POST", f"/api/v1{path}?force=true", body).status_code
        assert 1 == people.ask("eve", "GET", "/api/v1/rules/5").json()["value"]
        assert ["override"] == [c.action for c in read_last(people.api.storage).changes if c.kind == POLICY]
        assert (
            200 == people.ask("root", "POST", f"/api/v1/changes/{people.api.revision()}/revert?force=true").status_code
        )


class _Clock:
    """Says that it is some other time."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self, _: object) -> datetime:
        return self._at
