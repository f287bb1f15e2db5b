"""Each answer of the routes that take changes back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.support.access import make_guarded
from tests.support.api import Api

ADA = {"Heksher-Actor": "Ada%20Lovelace", "Heksher-Reason": "wrong%20tenant"}
VALUE = "/api/v1/rules/1/value"


@pytest.fixture
def changed(api: Api) -> Api:
    """A service with a setting and a rule, whose value was changed at revision 6, the newest one."""
    api.declare("ttl")
    api.add_rule("ttl", {"user": "guest"}, 10)
    assert 204 == api.put(VALUE, json={"value": 20}).status_code
    return api


def revert(api: Api, revision: object, query: str = "", **arguments: Any) -> httpx2.Response:
    return api.post(f"/api/v1/changes/{revision}/revert{query}", **arguments)


def get_value(api: Api) -> object:
    return api.get("/api/v1/rules/1").json()["value"]


@pytest.mark.storages
def test_a_change_is_taken_back(changed: Api):
    """At once, as a change of its own, by whoever asked, and why."""
    answer = revert(changed, 6, headers=ADA)
    assert (200, {"revision": 7, "size": 1}, "7") == (
        answer.status_code,
        answer.json(),
        answer.headers["Heksher-Revision"],
    )
    rule = {"rule_id": 1, "value": 10, "context_features": [["user", "guest"]]}
    assert {"default_value": 60, "rules": [rule]} == changed.query()["ttl"]
    (change, *_) = changed.get("/api/v1/changes").json()["changes"]
    assert ("Ada Lovelace", "wrong tenant", "revert 6") == (
        change["actor"],
        change["reason"],
        change["parts"][0]["action"],
    )
    assert {"revision": 7, "size": 0} == revert(changed, 6).json()
    assert 200 == revert(changed, 7).status_code
    assert 20 == get_value(changed)


def test_a_conflict_is_told_once(changed: Api):
    """Also of an object that the entry has changed more than once."""
    operations = [{"method": "PUT", "path": VALUE, "body": {"value": value}} for value in (30, 40)]
    changed.post("/api/v1/bulk", json={"operations": operations})
    changed.put(VALUE, json={"value": 50})
    assert ["value of rule 1 was changed since"] == revert(changed, 7).json()["conflicts"]


def test_a_misspelt_dry_run_takes_nothing_back(changed: Api):
    """No parameter is passed over: the answer says which there are."""
    answer = revert(changed, 6, "?dryrun=true")
    assert (422, "query.dryrun: there is no such parameter: there are dry_run, force") == (
        answer.status_code,
        answer.json()["detail"],
    )
    assert (20, 6) == (get_value(changed), changed.revision())


@pytest.mark.storages
def test_what_was_changed_since_is_refused(changed: Api):
    """With what came between, and by whom."""
    changed.put(VALUE, json={"value": 30}, headers=ADA)
    answer = revert(changed, 6)
    problem = answer.json()
    assert (409, "application/problem+json", 7) == (
        answer.status_code,
        answer.headers["content-type"],
        changed.revision(),
    )
    assert ["value of rule 1 was changed since"] == problem["conflicts"]
    assert "value of rule 1 was changed since" in problem["detail"]
    assert [(7, "Ada Lovelace", "wrong tenant")] == [
        (change["revision"], change["actor"], change["reason"]) for change in problem["changes"]
    ]


@pytest.mark.storages
def test_a_setting_comes_back(changed: Api):
    """With its rule, and its id."""
    changed.delete("/api/v1/settings/ttl")
    assert {"revision": 8, "size": 2} == revert(changed, 7).json()
    assert (20, 60) == (get_value(changed), changed.get_setting("ttl")["default_value"])


@pytest.mark.storages
def test_settings_are_deleted_only_by_force(changed: Api):
    """That is said in the query."""
    changed.declare("new")
    assert 409 == revert(changed, 7).status_code
    assert 409 == revert(changed, 7, "?force=false").status_code
    assert {"revision": 8, "size": 1} == revert(changed, 7, "?force=true").json()
    assert 404 == changed.get("/api/v1/settings/new").status_code


@pytest.mark.storages
def test_a_setting_is_made_what_it_was(changed: Api):
    """With its rules; also if it is gone."""
    changed.add_rule("ttl", {"user": "admin"}, 5)
    answer = changed.post("/api/v1/settings/ttl/revert", json={"to": 5}, headers=ADA)
    assert (200, {"revision": 8, "size": 2}) == (answer.status_code, answer.json())
    assert [1] == [rule["rule_id"] for rule in changed.query()["ttl"]["rules"]]
    assert 10 == get_value(changed)
    changed.delete("/api/v1/settings/ttl")
    assert 200 == changed.post("/api/v1/settings/ttl/revert", json={"to": 7}).status_code
    assert [20, 5] == [rule["value"] for rule in changed.query()["ttl"]["rules"]]
    assert 409 == changed.post("/api/v1/settings/ttl/revert", json={"to": 3}).status_code
    assert {"revision": 11, "size": 3} == changed.post("/api/v1/settings/ttl/revert?force=true", json={"to": 3}).json()


@pytest.mark.parametrize("revision", ["0", "99", "99999999999999999999999999", "x"])
def test_there_has_to_be_such_a_change(changed: Api, revision: str):
    """Of a whole number."""
    assert (422 if revision == "x" else 404) == revert(changed, revision).status_code


@pytest.mark.parametrize("body", [None, {}, {"to": -1}, {"to": "5"}, {"to": 1.5}, {"to": True}, {"to": 5, "more": 1}])
def test_the_state_has_to_be_said(changed: Api, body: Any):
    """As a revision, and nothing else."""
    assert 422 == changed.post("/api/v1/settings/ttl/revert", json=body).status_code
    assert 404 == changed.post("/api/v1/settings/unheard_of/revert", json={"to": 5}).status_code
    assert 404 == changed.post("/api/v1/settings/ttl/revert", json={"to": 10**30}).status_code


def test_what_was_removed_cannot_be_taken_back(changed: Api):
    """The answer says how far the log goes back."""
    changed.storage.prune(datetime.now(UTC) + timedelta(hours=1))
    for answer in (revert(changed, 5), changed.post("/api/v1/settings/ttl/revert", json={"to": 4})):
        assert (409, True) == (answer.status_code, "goes back to" in answer.json()["detail"])


def test_it_takes_what_the_writes_take(changed: Api):
    """The grant to edit, for a rule."""
    guarded = make_guarded(changed, grants=["read", "declare", "edit"])
    statuses = [
        revert(guarded, 6, headers={"Authorization": f"Bearer hks_with {grant}"}).status_code
        for grant in ("read", "declare", "edit")
    ]
    assert [403, 403, 200] == statuses


def test_it_can_be_tried(changed: Api):
    """Then it tells what would be done, and does nothing."""
    changed.app.services.catalog.load()
    tried = revert(changed, 6, "?dry_run=true")
    assert (200, 1, 6) == (tried.status_code, tried.json()["size"], changed.revision())
    (effect,) = tried.json()["effects"]
    assert (20, 10, {"user": "guest"}) == (effect["before"]["value"], effect["after"]["value"], effect["conditions"])
    changed.delete("/api/v1/settings/ttl")
    changed.app.services.catalog.refresh()
    tried = changed.post("/api/v1/settings/ttl/revert?dry_run=true", json={"to": 5})
    assert (200, 2, 7) == (tried.status_code, tried.json()["size"], changed.revision())
    tried = revert(changed, 7, "?dry_run=true")
    assert (200, ["setting", "rule"]) == (tried.status_code, [part["kind"] for part in tried.json()["changes"]])
    assert 409 == revert(changed, 6, "?dry_run=true").status_code
