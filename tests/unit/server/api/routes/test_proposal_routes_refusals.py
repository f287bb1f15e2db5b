"""What is refused when something is proposed, and what becomes of proposals that nobody could foresee."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.api.proposed import make_reader
from heksher.server.api.routes.bulk_routes import V1_WRITES
from heksher.server.config import Config
from heksher.server.operations.applying import Applier
from heksher.server.operations.deletion_protection import NO_PROTECTION
from heksher.server.operations.proposed_writes import MAX_CHAIN
from heksher.server.storage.proposal_records import ProposalRecord
from tests.support.access import give_token, take_token
from tests.support.api import Api
from tests.support.proposers import PROPOSALS, Proposers, op, set_value, soon
from tests.support.storages import see_everything

ADD = op("POST", "/rules", {"setting": "b", "feature_values": {"theme": "light"}, "value": 9})


@pytest.fixture
def people(ruled: Api) -> Proposers:
    return Proposers(ruled)


def apply(people: Proposers, proposal_id: int, *, after_s: float = 7200) -> list[ProposalRecord]:
    """Apply a proposal as the service does at some time from now."""
    config = Config("unused", has_access=True)
    reader = make_reader(V1_WRITES, config, lambda: NO_PROTECTION)
    applier = Applier(
        people.api.storage, reader, has_access=True, find_now=lambda: datetime.now(UTC) + timedelta(seconds=after_s)
    )
    return applier.apply(proposal_id)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"operations": []}, ["body", "operations"]),
        ({"operations": [set_value(1, 5)] * 10_001}, ["body", "operations"]),
        ({"operations": [set_value(1, 5)], "at": "2027-01-01T00:00:00"}, ["body", "at"]),
        ({"operations": [set_value(1, 5)], "at": "0001-01-01T00:00:00+02:00"}, ["body", "at"]),
        ({"operations": [set_value(1, 5)], "after": 7}, ["body", "after"]),
        ({"operations": [set_value(1, 5)], "after": 2**70}, ["body", "after"]),
        ({"operations": [set_value(1, 5)], "needs_approval": "yes"}, ["body", "needs_approval"]),
        ({"operations": [set_value(1, 5)], "when": "2027"}, ["body", "when"]),
        ({"operations": [set_value(1, 5), op("POST", "/bulk", {})]}, ["body", "operations", 1, "path"]),
        ({"operations": [op("PUT", "/rules/x/value", {})]}, ["body", "operations", 0, "path", "rule_id"]),
    ],
)
def test_a_proposal_that_cannot_be_is_refused(people: Proposers, body: object, place: list[str | int]):
    response = people.ask("ada", "POST", PROPOSALS, body)
    assert 422 == response.status_code, response.text
    assert place == response.json()["errors"][0]["loc"]
    assert [] == people.list_ids()


def test_what_would_be_refused_is_not_proposed(people: Proposers):
    """With the status that it would be refused with alone, and its number: also for who may not make it."""
    for who, operation, status in (
        ("ada", op("DELETE", "/rules/99"), 404),
        ("ada", set_value(1, "x"), 400),
        ("ada", op("DELETE", "/settings/b"), 403),
        ("eve", set_value(1, 5), 403),
    ):
        response = people.propose(who, set_value(1, 6) if who == "ada" else operation, operation)
        number = 1 if who == "ada" else 0
        assert (status, number) == (response.status_code, response.json()["operation"]), response.text
    assert ([], 1) == (people.list_ids(), people.ask("eve", "GET", "/api/v1/rules/1").json()["value"])
    assert 404 == people.ask("eve", "GET", f"{PROPOSALS}/1").status_code
    assert 404 == people.decide("bob", 1, "approve").status_code


def test_a_rule_that_is_not_there_yet_has_no_id(people: Proposers):
    """Which one it gets is known when it is added."""
    first = people.make("ada", ADD, at=soon())
    response = people.propose("ada", set_value(5, 6), after=first)
    assert (409, True) == (response.status_code, "rule 5 is not there yet" in response.json()["detail"])


def test_a_chain_has_an_end(people: Proposers):
    last = people.make("ada", set_value(1, 5), at=soon())
    for _ in range(MAX_CHAIN):
        response = people.propose("ada", set_value(1, 5), after=last)
        last = response.json().get("id", last)
    response = people.propose("ada", set_value(1, 5), after=last)
    assert (409, True) == (response.status_code, "proposals come one after the other" in response.json()["detail"])


def test_nothing_comes_after_what_cannot_be_applied(people: Proposers):
    """It says why that cannot be."""
    first = people.make("ada", op("DELETE", "/rules/1"), at=soon())
    assert 204 == people.ask("root", "DELETE", "/api/v1/rules/1").status_code
    response = people.propose("ada", set_value(2, 5), after=first)
    detail = f"proposal {first}, which comes first, cannot be applied as things are: operation 0: there is no rule"
    assert (409, True) == (response.status_code, response.json()["detail"].startswith(detail))


def test_so_many_may_be_open(people: Proposers, monkeypatch: pytest.MonkeyPatch):
    """What is applied at once is not."""
    monkeypatch.setattr("heksher.server.operations.proposing.MAX_OPEN_PROPOSALS", 2)
    for _ in range(2):
        people.make("ada", set_value(1, 5), at=soon())
    response = people.propose("ada", set_value(1, 5), at=soon())
    assert 507 == response.status_code
    assert "decline or withdraw some first" in response.json()["detail"]


def test_without_access_there_are_no_approvals(ruled: Api):
    """But times, and who is claimed to have made a proposal withdraws it."""
    ruled.get("/api/v1/query")
    body = {"operations": [set_value(1, 5)]}
    refused = ruled.post(PROPOSALS, json={**body, "needs_approval": True})
    assert (409, True) == (refused.status_code, "nobody can approve of anything" in refused.json()["detail"])
    actor = {"Heksher-Actor": "Ada"}
    made = ruled.post(PROPOSALS, json={**body, "at": soon()}, headers=actor).json()
    assert ("Ada", "nobody") == (made["author"], made["author_kind"])
    path = f"{PROPOSALS}/{made['id']}"
    assert 409 == ruled.post(f"{path}/approve").status_code
    assert 403 == ruled.post(f"{path}/withdraw", json={}).status_code
    assert "withdrawn" == ruled.post(f"{path}/withdraw", json={}, headers=actor).json()["state"]
    assert "applied" == ruled.post(PROPOSALS, json=body).json()["state"]


def test_a_deleted_setting_takes_no_rule_along_that_was_added_since(people: Proposers):
    """Its rules are remembered with it."""
    proposal_id = people.make("root", op("DELETE", "/settings/b"), at=soon())
    other = people.make("ada", set_value(1, 5), at=soon())
    assert ([proposal_id], [other]) == (
        people.get(other)["open_conflicts"],
        people.get(proposal_id)["open_conflicts"],
    )
    assert 201 == people.ask("ada", "POST", "/api/v1/rules", ADD["body"]).status_code
    (stale,) = apply(people, proposal_id)
    assert stale.end is not None
    assert "what it would change is not what it was: setting 'b' was changed since, by ada" == stale.end.reason
    assert 200 == people.ask("eve", "GET", "/api/v1/settings/b").status_code


@pytest.mark.parametrize(
    ("operation", "change", "reason"),
    [
        (ADD, ADD, "rule 5 of setting 'b' has these conditions since, by ada"),
        (op("DELETE", "/rules/1"), op("DELETE", "/rules/1"), "rule 1 was deleted since, by ada"),
        (
            op("PUT", "/settings/old/metadata/a", {"value": 1, "version": "2.0"}),
            op("PUT", "/settings/b/name", {"name": "c", "version": "1.2"}),
            "setting 'b' was changed since, by ada",
        ),
    ],
)
def test_it_says_what_was_changed(people: Proposers, operation: object, change: dict[str, str], reason: str):
    """A new rule whose place is taken, a rule that is gone, a setting that has another name."""
    proposal_id = people.make("ada", operation, at=soon())
    answer = people.ask("ada", change["method"], change["path"], change["body"])
    assert answer.is_success, answer.text
    (stale,) = apply(people, proposal_id)
    assert stale.end is not None
    assert f"what it would change is not what it was: {reason}" == stale.end.reason


def test_its_author_must_still_be_allowed(people: Proposers):
    """A token that was revoked, has ended, or may less; nothing of the proposal is done."""
    give_token(people.api.storage, "edit", name="short", expires_in=timedelta(seconds=3600))
    people.api.app.services.catalog.refresh()
    ids = [people.make(who, set_value(1, 5), set_value(2, 5), at=soon()) for who in ("ada", "short", "bob")]
    take_token(people.api.storage, "ada")
    give_token(people.api.storage, "edit:c.", name="bob")
    before = see_everything(people.api.storage)
    reasons = [record.end.reason for number in ids for record in apply(people, number) if record.end is not None]
    assert [
        "the token 'ada', who has made it, was revoked since",
        "the token 'short', which has made it, has ended since",
        "it is refused now: operation 0: this needs the grant edit for setting 'b' (edit)",
    ] == [reason.removesuffix(": ask an admin of this service for it") for reason in reasons]
    assert before == see_everything(people.api.storage)


def test_each_is_applied_once_and_not_before_its_time(people: Proposers):
    """Whoever looks at it again, or too early, does nothing."""
    proposal_id = people.make("ada", set_value(1, 5), at=soon())
    assert [] == apply(people, proposal_id, after_s=3500)
    assert ["applied"] == [record.state for record in apply(people, proposal_id)]
    revision = people.api.revision()
    assert ([], []) == (apply(people, proposal_id), apply(people, 99))
    assert revision == people.api.revision()


def test_a_policy_that_was_made_since_has_it_wait(people: Proposers):
    """For the person whom it demands."""
    proposal_id = people.make("ada", set_value(1, 5), at=soon())
    assert 204 == people.ask("root", "PUT", "/api/v1/policies/*").status_code
    revision = people.api.revision()
    assert [] == apply(people, proposal_id)
    told = people.get(proposal_id)
    assert ("open", True, True, revision) == (
        told["state"],
        told["needs_approval"],
        told["is_waiting_for_approval"],
        people.api.revision(),
    )
    people.decide("bob", proposal_id, "approve")
    assert ["applied"] == [record.state for record in apply(people, proposal_id)]


def test_it_is_stale_if_it_would_be_refused_whoever_approves(people: Proposers):
    """By what it did not remember: the setting of a rule to add has another type."""
    proposal_id = people.make("ada", ADD, needs_approval=True)
    change = {"configurable_features": ["user", "environment"], "version": "1.2"}
    for rule_id in (3, 4):
        people.ask("ada", "DELETE", f"/api/v1/rules/{rule_id}")
    assert 204 == people.ask("ada", "PUT", "/api/v1/settings/b/configurable_features", change).status_code
    response = people.decide("bob", proposal_id, "approve")
    assert (409, True) == (response.status_code, "it would be refused now: operation 0" in response.json()["detail"])
    assert ("stale", []) == (people.get(proposal_id)["state"], people.get(proposal_id)["end"]["conflicts"])


def test_what_was_applied_can_be_taken_back(people: Proposers):
    """As any change."""
    assert 201 == people.propose("ada", set_value(1, 5), op("DELETE", "/rules/2")).status_code
    response = people.ask("bob", "POST", f"/api/v1/changes/{people.api.revision()}/revert")
    assert (200, 2) == (response.status_code, response.json()["size"])
    assert 1 == people.ask("eve", "GET", "/api/v1/rules/1").json()["value"]


def test_the_list_of_context_features_is_remembered(people: Proposers):
    proposal_id = people.make("root", op("PATCH", "/context_features/user/index", {"to_before": "theme"}), at=soon())
    assert ["context_features"] == [each["kind"] for each in people.get(proposal_id)["objects"]]
    people.ask("root", "POST", "/api/v1/context_features", {"context_feature": "country"})
    (stale,) = apply(people, proposal_id)
    assert stale.end is not None
    assert stale.end.reason.endswith("the list of context features was changed since, by root")
