"""Writes that wait, as the commands ask for them and tell of them."""

import json
from typing import NamedTuple

import httpx2
import pytest

from heksher.cli.remote import service
from tests.support.api import Api
from tests.support.commands import ApiTransport, Commands, Ran, ask_as

OPERATION = {"method": "PUT", "path": "/api/v1/rules/1/value", "body": {"value": 5}}
OPEN = {
    "id": 7,
    "state": "open",
    "author": "ada",
    "author_kind": "token",
    "reason": "cheaper",
    "created_at": "2026-11-28T09:30:00.123+00:00",
    "at": None,
    "after": None,
    "needs_approval": True,
    "is_waiting_for_approval": True,
    "size": 1,
    "approvals": [],
    "end": None,
}
PREVIEW = {
    "revision": 7,
    "size": 1,
    "changes": [
        {
            "kind": "rule",
            "key": "1",
            "setting": "cache_ttl",
            "action": "set value",
            "feature_values": [["environment", "dev"]],
            "before": {"value": 20},
            "after": {"value": 5},
        }
    ],
    "effects": [],
    "has_more_effects": False,
}
WHOLE = {**OPEN, "open_conflicts": [], "operations": [OPERATION], "preview": PREVIEW, "problem": None}

LISTED = """\
ID  STATE  AUTHOR  MADE (UTC)           WRITES  HOW IT STANDS              WHY
7   open   ada     2026-11-28 09:30:00  1       waits for a second person  cheaper
"""
TOLD = f"""\
{LISTED}METHOD  PATH                   BODY
PUT     /api/v1/rules/1/value  {{"value": 5}}
"""
TRIED = """\
would change 1 object (tried on revision 7):
WHAT                 CONDITIONS       CHANGE
rule 1 of cache_ttl  environment=dev  value 20 -> 5
no setting would have another value in any context
"""


class Sent(NamedTuple):
    """A request: what was asked for, and with which body."""

    target: str
    body: object


class Proposals(httpx2.BaseTransport):
    """Answers requests about proposals as it is told to, and hands all others to a service.

    Attributes:
        answer: what requests about proposals are answered.
        sent: the requests about proposals.
    """

    def __init__(self, api: Api) -> None:
        self._others = ApiTransport(api)
        self.answer: dict[str, object] = {}
        self.sent: list[Sent] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.startswith("/api/v1/proposals"):
            return self._others.handle_request(request)
        content = request.read()
        target = f"{request.method} {request.url.raw_path.decode()}"
        self.sent.append(Sent(target, json.loads(content) if content else None))
        return httpx2.Response(200, json=self.answer)


@pytest.fixture
def proposals(api: Api, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Proposals:
    transport = Proposals(api)
    monkeypatch.setattr(service, "_CLIENT_ARGS", {"transport": transport})
    return transport


def end(state: str, revision: int | None = None, reason: str | None = None) -> dict[str, object]:
    """Return the proposal as it is when it has ended."""
    ended = {"at": "2026-11-28T10:00:00+00:00", "actor": "bob", "reason": reason, "revision": revision, "conflicts": []}
    return {**OPEN, "state": state, "is_waiting_for_approval": False, "end": ended}


def test_the_writes_of_a_file_are_proposed(commands: Commands, proposals: Proposals):
    """With what they wait for."""
    proposals.answer = {**OPEN, "open_conflicts": [3, 4]}
    arguments = ["propose", "-", "--needs-approval", "--at", "2026-11-28T09:30:00Z", "--after", "3"]
    note = "note: other open proposals are about the same: 3, 4; the first to come wins\n"
    assert Ran(0, "proposal 7 waits for a second person\n", note) == commands.run(
        *arguments, stdin=json.dumps([OPERATION])
    )
    waiting = {"needs_approval": True, "at": "2026-11-28T09:30:00Z", "after": 3}
    assert [Sent("POST /api/v1/proposals", {"operations": [OPERATION], **waiting})] == proposals.sent


def test_what_waits_for_nothing_is_applied(commands: Commands, proposals: Proposals):
    """At once."""
    proposals.answer = {**end("applied", 8), "open_conflicts": []}
    assert Ran(0, "proposal 7 is applied as revision 8\n") == commands.run(
        "propose", "-", stdin=json.dumps([OPERATION])
    )
    assert {"operations": [OPERATION], "needs_approval": False} == proposals.sent[0].body


def test_a_rule_is_proposed_as_it_is_set(commands: Commands, proposals: Proposals):
    """Or removed; a second person has to approve."""
    proposals.answer = {**OPEN, "open_conflicts": []}
    commands.run("set", "cache_ttl", "5", "user=bob", "--propose")
    commands.run("unset", "cache_ttl", "environment=dev", "--propose")
    added, removed = (sent.body["operations"][0] for sent in proposals.sent)
    assert {"setting": "cache_ttl", "feature_values": {"user": "bob"}, "value": 5} == added["body"]
    assert {"method": "DELETE", "path": "/api/v1/rules/1", "body": None} == removed
    assert proposals.sent[0].body["needs_approval"]


def test_a_rule_is_set_later(commands: Commands, proposals: Proposals):
    """Which nobody has to approve."""
    proposals.answer = {**OPEN, "open_conflicts": [], "is_waiting_for_approval": False, "after": 3}
    ran = commands.run("set", "cache_ttl", "5", "environment=dev", "--at", "2026-11-28T09:30:00Z", "--after", "3")
    assert Ran(0, "proposal 7 waits for proposal 3\n") == ran
    waiting = {name: proposals.sent[0].body[name] for name in ("needs_approval", "at", "after")}
    assert {"needs_approval": False, "at": "2026-11-28T09:30:00Z", "after": 3} == waiting


def test_a_dry_run_proposes_nothing(commands: Commands, proposals: Proposals):
    """It tells what the writes would do now."""
    ran = commands.run("propose", "-", "--dry-run", stdin=json.dumps([OPERATION]))
    assert (0, []) == (ran.status, proposals.sent)
    assert ran.stdout.startswith("would change 1 object (tried on revision 7):\n")


def test_what_a_policy_holds_back_cannot_be_tried(api: Api, monkeypatch: pytest.MonkeyPatch):
    """But what it would do is told of the proposal."""
    commands = ask_as(api, monkeypatch, "read")
    ran = commands.run("propose", "-", "--dry-run", stdin=json.dumps([OPERATION]))
    assert (5, "") == (ran.status, ran.stdout)
    assert ran.stderr.endswith("; what is proposed can be tried: heksher proposals ID tells what it would do\n")
    ran = commands.run("propose", "-", "--dry-run", stdin=json.dumps([{**OPERATION, "if_match": "x"}]))
    assert (1, False) == (ran.status, "proposed" in ran.stderr)


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        ({}, "waits for a second person"),
        (
            {"at": "2026-11-29T00:00:00+00:00", "after": 3},
            "waits for a second person and for 2026-11-29 00:00:00 UTC and for proposal 3",
        ),
        ({"is_waiting_for_approval": False, "after": 3}, "waits for proposal 3"),
        ({"is_waiting_for_approval": False}, "waits for its turn"),
        (end("applied", 8), "is applied as revision 8"),
        (end("stale", reason="rule 1 was changed since"), "is stale: rule 1 was changed since"),
        (end("withdrawn"), "is withdrawn"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_a_proposal_stands_is_said(
    commands: Commands, proposals: Proposals, stands: dict[str, object], expected: str
):
    """What it waits for, or how it has ended."""
    proposals.answer = {**OPEN, **stands}
    assert Ran(0, f"proposal 7 {expected}\n") == commands.run("approve", "7")


def test_proposals_are_listed(commands: Commands, proposals: Proposals):
    """Those that were asked for."""
    proposals.answer = {"proposals": [OPEN], "next_cursor": "more"}
    ran = commands.run("proposals", "--state", "open", "--setting", "cache_ttl", "--limit", "1")
    assert Ran(0, LISTED, "note: there are older ones, too; --limit shows more than 1\n") == ran
    assert "GET /api/v1/proposals?state=open&setting=cache_ttl&limit=1" == proposals.sent[0].target
    proposals.answer = {"proposals": [], "next_cursor": None}
    assert Ran(0, "", "no such proposals\n") == commands.run("proposals")


def test_one_is_told_with_what_it_would_do(commands: Commands, proposals: Proposals):
    """Or why it could not be applied."""
    proposals.answer = WHOLE
    assert Ran(0, TOLD + TRIED) == commands.run("proposals", "7")
    proposals.answer = {**WHOLE, "preview": None, "problem": "rule 1 was changed since"}
    assert Ran(0, f"{TOLD}it could not be applied now: rule 1 was changed since\n") == commands.run("proposals", "7")
    proposals.answer = {**WHOLE, "preview": None}
    assert Ran(0, TOLD) == commands.run("proposals", "7")


def test_an_approval_can_be_tried(commands: Commands, proposals: Proposals):
    """Which approves of nothing."""
    proposals.answer = WHOLE
    assert Ran(0, TOLD + TRIED) == commands.run("approve", "7", "--dry-run")
    assert [Sent("GET /api/v1/proposals/7", None)] == proposals.sent


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["approve", "7"], Sent("POST /api/v1/proposals/7/approve", None)),
        (["approve", "7", "--force"], Sent("POST /api/v1/proposals/7/approve?force=true", None)),
        (["decline", "7", "--reason", "no"], Sent("POST /api/v1/proposals/7/decline", {"reason": "no"})),
        (["withdraw", "7"], Sent("POST /api/v1/proposals/7/withdraw", {"reason": ""})),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_proposal_is_decided_on(commands: Commands, proposals: Proposals, arguments: list[str], expected: Sent):
    """And the answer can be had as it is."""
    proposals.answer = end("applied", 8)
    assert Ran(0, "proposal 7 is applied as revision 8\n") == commands.run(*arguments)
    assert proposals.answer == json.loads(commands.run(*arguments, "--json").stdout)
    assert [expected, expected] == proposals.sent


@pytest.mark.parametrize("arguments", [["propose", "-"], ["proposals"], ["proposals", "7"]], ids=" ".join)
def test_answers_can_be_had_as_they_are(commands: Commands, proposals: Proposals, arguments: list[str]):
    """As JSON."""
    proposals.answer = {**WHOLE, "proposals": [], "next_cursor": None}
    assert proposals.answer == json.loads(commands.run(*arguments, "--json", stdin=json.dumps([OPERATION])).stdout)


def test_one_proposal_is_not_chosen_from(commands: Commands):
    """That would be two questions."""
    assert 2 == commands.run("proposals", "7", "--state", "open").status


def test_who_declines_says_why(commands: Commands):
    """Its author is to know."""
    assert 2 == commands.run("decline", "7").status
    assert "it is empty: say why" in commands.run("decline", "7", "--reason", " ").stderr


def test_what_is_proposed_is_not_forced(commands: Commands, proposals: Proposals):
    """Nothing holds a proposal back."""
    ran = commands.run("set", "cache_ttl", "5", "user=bob", "--propose", "--force")
    assert (2, []) == (ran.status, proposals.sent)
    assert "--force is for what is done at once" in ran.stderr
