"""Writes that wait, for a second person, for a time, or for another proposal."""

import pytest

from tests.support.api import Api
from tests.support.operations import read_last
from tests.support.proposers import PROPOSALS, Proposers, op, set_value, soon

RULE_2 = {"setting": "b", "value": 2, "feature_values": [["user", "admin"]], "metadata": {}}


@pytest.fixture
def people(ruled: Api) -> Proposers:
    return Proposers(ruled)


def find_rule(people: Proposers, rule_id: int) -> dict:
    return people.ask("eve", "GET", f"/api/v1/rules/{rule_id}").json()


@pytest.mark.storages
def test_one_is_applied_when_another_person_has_approved(people: Proposers):
    """As one change, whose entry names the proposal, its author and who has approved."""
    before = people.api.revision()
    proposal_id = people.make("ada", set_value(1, 5), op("DELETE", "/rules/2"), reason="cheaper", needs_approval=True)
    assert before == people.api.revision()
    response = people.decide("bob", proposal_id, "approve")
    assert (200, "applied", str(before + 1)) == (
        response.status_code,
        response.json()["state"],
        response.headers["Heksher-Revision"],
    )
    told = people.get(proposal_id)
    assert ("applied", "ada", "token", "cheaper") == tuple(
        told[name] for name in ("state", "author", "author_kind", "reason")
    )
    assert [("bob", "token", False)] == [
        (each["actor"], each["actor_kind"], each["is_forced"]) for each in told["approvals"]
    ]
    assert (before + 1, None, []) == (told["end"]["revision"], told["end"]["reason"], told["end"]["conflicts"])
    entry = read_last(people.api.storage)
    assert ("ada", "token", f"proposal {proposal_id}, approved by bob: cheaper") == (
        entry.origin.actor,
        entry.origin.actor_kind,
        entry.origin.reason,
    )
    assert [("rule", "1"), ("rule", "2"), ("proposal", str(proposal_id))] == [
        (change.kind, change.key) for change in entry.changes
    ]
    fields = entry.changes[-1].after
    assert fields is not None
    assert ("ada", "bob") == (fields["author"], fields["approvals"][0]["actor"])  # type: ignore[index,call-overload]
    assert 5 == find_rule(people, 1)["value"]
    assert 404 == people.ask("eve", "GET", "/api/v1/rules/2").status_code


@pytest.mark.storages
def test_one_that_waits_for_nothing_is_applied_at_once(people: Proposers):
    before = people.api.revision()
    response = people.propose("ada", set_value(1, 5))
    told = response.json()
    assert (201, "applied", False, []) == (
        response.status_code,
        told["state"],
        told["needs_approval"],
        told["open_conflicts"],
    )
    assert f"{PROPOSALS}/{told['id']}" == response.headers["Location"]
    assert str(before + 1) == response.headers["Heksher-Revision"]
    assert 5 == find_rule(people, 1)["value"]
    assert "applied" == people.propose("ada", set_value(1, 6), at="2020-01-01T00:00:00+01:00").json()["state"]


@pytest.mark.storages
def test_one_is_told_with_what_it_would_do(people: Proposers):
    """With what it remembers, and which others are about the same; also when that is not there yet."""
    first = people.make("ada", set_value(2, 7), at=soon())
    added = op("POST", "/rules", {"setting": "old", "feature_values": {"theme": "light"}, "value": 9})
    second = people.make("bob", set_value(2, 8), added, after=first)
    third = people.propose("bob", set_value(2, 8), at=soon())
    assert [first, second] == third.json()["open_conflicts"]
    told = people.get(second)
    content = {name: RULE_2[name] for name in ("value", "feature_values", "metadata")}
    rule = {"kind": "rule", "key": "2", "setting": "b", "content": {**content, "value": 7}}
    new = {"kind": "rule", "key": None, "setting": "b", "feature_values": [["theme", "light"]], "content": None}
    assert [rule, new] == told["objects"]
    assert [set_value(2, 8), added] == told["operations"]
    assert ([first, third.json()["id"]], None, first, 2) == (
        told["open_conflicts"],
        told["problem"],
        told["after"],
        told["size"],
    )
    preview = told["preview"]
    assert [("2", {"value": 7}, {"value": 8}), (None, None)] == [
        (preview["changes"][0]["key"], preview["changes"][0]["before"], preview["changes"][0]["after"]),
        (preview["changes"][1]["key"], preview["changes"][1]["before"]),
    ]
    effects = [(effect["before"]["value"], effect["after"]["value"]) for effect in preview["effects"]]
    assert {(7, 8), (60, 9)} < set(effects)


@pytest.mark.storages
def test_one_is_stale_when_something_was_changed_since(people: Proposers):
    """It says what, and by whom, and changes nothing."""
    proposal_id = people.make("ada", set_value(1, 5), set_value(2, 5), needs_approval=True)
    people.ask("root", "PUT", "/api/v1/rules/2/value", {"value": 4}, headers={"Heksher-Reason": "incident"})
    told = people.get(proposal_id)
    assert ("open", None) == (told["state"], told["preview"])
    assert "what it would change is not what it was: rule 2 was changed since, by root" == told["problem"]
    before = people.api.revision()
    response = people.decide("bob", proposal_id, "approve")
    assert 409 == response.status_code
    assert f"proposal {proposal_id} is stale: {told['problem']}" == response.json()["detail"]
    stale = people.get(proposal_id)
    assert ("stale", before, told["problem"]) == (stale["state"], people.api.revision(), stale["end"]["reason"])
    (conflict,) = stale["end"]["conflicts"]
    assert ("rule", "2", "b") == (conflict["kind"], conflict["key"], conflict["setting"])
    (entry,) = conflict["changes"]
    assert ("root", "incident", {"value": 4}) == (entry["actor"], entry["reason"], entry["parts"][0]["after"])
    assert 1 == find_rule(people, 1)["value"]


def test_what_was_changed_back_holds(people: Proposers):
    """What counts is what there is; whoever has approved has approved of what is done."""
    proposal_id = people.make("ada", set_value(1, 5), needs_approval=True)
    for value in (4, 1):
        people.ask("root", "PUT", "/api/v1/rules/1/value", {"value": value})
    assert "applied" == people.decide("bob", proposal_id, "approve").json()["state"]


@pytest.mark.storages
def test_a_chain_is_applied_in_its_order(people: Proposers):
    """Each as soon as the one before it was, if its time has come; what one does the next one expects."""
    first = people.make("ada", set_value(1, 5), needs_approval=True)
    second = people.make("ada", set_value(1, 25), after=first)
    third = people.make("ada", set_value(1, 100), after=second, needs_approval=True)
    assert "open" == people.decide("bob", third, "approve").json()["state"]
    assert "applied" == people.decide("bob", first, "approve").json()["state"]
    assert ["applied"] * 3 == [people.get(each)["state"] for each in (first, second, third)]
    assert 100 == find_rule(people, 1)["value"]


@pytest.mark.parametrize(("how", "who", "became"), [("decline", "bob", "declined"), ("withdraw", "ada", "withdrawn")])
def test_those_that_come_after_one_that_is_not_applied_are_stale(people: Proposers, how: str, who: str, became: str):
    """All of them, with its reason; nothing can come after them any more."""
    first = people.make("ada", set_value(1, 5), needs_approval=True)
    second = people.make("ada", set_value(1, 25), after=first)
    third = people.make("ada", set_value(1, 100), after=second, needs_approval=True)
    response = people.decide(who, first, how, reason="too early")
    told = response.json()
    assert (200, became, who, "too early") == (
        response.status_code,
        told["state"],
        told["end"]["actor"],
        told["end"]["reason"],
    )
    reason = f"proposal {first}, which was to come first, was {became} by {who}: too early"
    assert ("stale", reason) == (people.get(second)["state"], people.get(second)["end"]["reason"])
    assert f"proposal {second}, which was to come first, is stale: {reason}" == people.get(third)["end"]["reason"]
    response = people.propose("ada", set_value(1, 5), after=first)
    assert 409 == response.status_code
    assert f"proposal {first} was {became} by {who}, so nothing can come after it" == response.json()["detail"]
    for decision in ("approve", "decline", "withdraw"):
        again = (
            people.decide(who, first, decision, reason="x")
            if decision != "approve"
            else people.decide(who, first, decision)
        )
        assert (409, f"proposal {first} was {became} by {who}, so nothing more can become of it") == (
            again.status_code,
            again.json()["detail"],
        )


def test_a_proposal_is_withdrawn_without_a_reason(people: Proposers):
    """Then no body is needed."""
    proposal_id = people.make("ada", set_value(1, 5), needs_approval=True)
    response = people.ask("ada", "POST", f"/api/v1/proposals/{proposal_id}/withdraw")
    assert (200, "withdrawn", None) == (
        response.status_code,
        response.json()["state"],
        response.json()["end"]["reason"],
    )


def test_only_another_person_approves(people: Proposers):
    """Who may make each of the writes; nobody else declines it, and nobody else withdraws it."""
    proposal_id = people.make("ada", set_value(1, 5), needs_approval=True)
    response = people.decide("ada", proposal_id, "approve")
    assert 403 == response.status_code
    assert "another person has to approve" in response.json()["detail"]
    for how in ("approve", "decline"):
        body = {"reason": "no"} if how == "decline" else {}
        response = people.decide("eve", proposal_id, how, **body)
        assert (403, 0) == (response.status_code, response.json()["operation"])
    response = people.decide("bob", proposal_id, "withdraw", reason="")
    assert (403, "only its author withdraws a proposal, here ada: others decline it") == (
        response.status_code,
        response.json()["detail"],
    )
    assert 403 == people.decide("bob", proposal_id, "approve?force=true").status_code
    assert "declined" == people.decide("ada", proposal_id, "decline", reason="no").json()["state"]


def test_an_admin_can_do_without_another_person(people: Proposers):
    """The entry says so."""
    proposal_id = people.make("root", set_value(1, 5), needs_approval=True)
    assert 403 == people.decide("root", proposal_id, "approve").status_code
    response = people.decide("root", proposal_id, "approve?force=true")
    assert ("applied", True) == (response.json()["state"], response.json()["approvals"][0]["is_forced"])
    entry = read_last(people.api.storage)
    assert f"proposal {proposal_id}, approved by root (forced: without a second person)" == entry.origin.reason
    # Who is another person anyway has forced nothing.
    other = people.make("ada", set_value(1, 6), needs_approval=True)
    assert not people.decide("root", other, "approve?force=true").json()["approvals"][0]["is_forced"]


def test_one_with_a_time_waits_for_it(people: Proposers):
    """Though it is approved; who approves twice has approved once."""
    proposal_id = people.make("ada", set_value(1, 5), at="2999-06-30T12:00:00+02:00", needs_approval=True)
    assert people.get(proposal_id)["is_waiting_for_approval"]
    for who in ("bob", "root", "bob"):
        response = people.decide(who, proposal_id, "approve")
        assert (200, "open", False) == (
            response.status_code,
            response.json()["state"],
            response.json()["is_waiting_for_approval"],
        )
    assert ["root", "bob"] == [each["actor"] for each in people.get(proposal_id)["approvals"]]
    assert "2999-06-30T10:00:00+00:00" == people.get(proposal_id)["at"].replace(".000", "")


def test_lists_are_newest_first(people: Proposers):
    """By state, by setting and its rules under any of its names, in pages."""
    first = people.make("ada", set_value(1, 5), at=soon())
    second = people.make("ada", op("DELETE", "/rules/4"), at=soon())
    about_a = people.make("ada", op("PUT", "/settings/A/type", {"type": "int", "version": "1.1"}), at=soon())
    people.decide("ada", second, "withdraw", reason="")
    assert [about_a, second, first] == people.list_ids()
    assert [about_a, first] == people.list_ids("?state=open")
    assert [second, first] == people.list_ids("?setting=old") == people.list_ids("?setting=b")
    assert ([about_a], []) == (people.list_ids("?setting=A&state=open"), people.list_ids("?setting=c"))
    page = people.ask("eve", "GET", f"{PROPOSALS}?limit=2").json()
    assert [first] == people.list_ids(f"?limit=2&cursor={page['next_cursor']}")
    assert page["proposals"][0] == {
        name: field for name, field in people.get(about_a).items() if name in page["proposals"][0]
    }


@pytest.mark.storages
def test_writes_tell_of_open_proposals_about_the_same(people: Proposers):
    """Those that are asked to, and dry runs; all others are answered as before."""
    first = people.make("ada", set_value(1, 5), at=soon())
    added = {"setting": "b", "feature_values": {"theme": "light"}, "value": 9}
    second = people.make("ada", set_value(1, 6), op("POST", "/rules", added), at=soon())
    prefer = {"Prefer": "respond-async, open-proposals; x=1"}

    def tell(method: str, path: str, body: object, **headers: str) -> str | None:
        answer = people.ask("bob", method, f"/api/v1{path}", body, headers=headers)
        assert answer.is_success, answer.text
        return answer.headers.get("Heksher-Open-Proposals")

    assert f"{first}, {second}" == tell("PUT", "/rules/1/value?dry_run=true", {"value": 8}, **prefer)
    assert f"{first}, {second}" == tell("PUT", "/rules/1/value", {"value": 8}, **prefer)
    assert None is tell("PUT", "/rules/1/value", {"value": 8}, **prefer)
    assert None is tell("PUT", "/rules/1/value", {"value": 7}, Prefer="open-proposal")
    assert None is tell("PUT", "/rules/2/value", {"value": 8}, **prefer)
    bulk = {"operations": [set_value(2, 7), op("POST", "/rules", added)]}
    assert f"{second}" == tell("POST", "/bulk", bulk, **prefer)
