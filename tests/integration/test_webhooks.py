"""Webhooks of real processes: what one was about to tell when it was killed, another one tells."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.service import ServiceProcess
from tests.support.storages import make_place
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import HANG, WebhookReceiver

WEBHOOKS = "/api/v1/webhooks"
ALLOWED = ("--webhook-networks", "127.0.0.1")
# Longer than another process waits before it takes over.
DEADLINE_S = 120.0


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def call(service: ServiceProcess, method: str, path: str, **body: object) -> httpx2.Response:
    response = httpx2.request(method, f"{service.url}{path}", json=body or None, timeout=60)
    return response.raise_for_status()


def list_revisions(receiver: WebhookReceiver) -> list[int]:
    return [request.content["data"]["revision"] for request in receiver.requests if request.behaviour != HANG]


def read_progress(service: ServiceProcess) -> tuple[int, int]:
    """Return how far the only webhook was told, and how often that has failed."""
    (webhook,) = call(service, "GET", WEBHOOKS).json()["webhooks"]
    return webhook["told_revision"], webhook["failures"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_another_process_goes_on_when_one_is_killed(kind: str, tmp_path: Path, receiver: WebhookReceiver):
    """With the message that was on its way; neither of them has written anywhere what is secret."""
    with make_place(kind, tmp_path) as place:
        go_on_when_killed(place.url, receiver)


def go_on_when_killed(database: str, receiver: WebhookReceiver) -> None:
    with ServiceProcess(database, "--context-features", "user", *ALLOWED) as first:
        body = {"name": "chat", "url": receiver.url}
        receiver.secret = secret = call(first, "POST", WEBHOOKS, **body).json()["secret"]
        assert {"is_received": True, "status": 200, "problem": None} == call(
            first, "POST", f"{WEBHOOKS}/chat/test"
        ).json()
        receiver.requests.clear()
        receiver.behaviours = [200, HANG]
        declaration = {"name": "ttl", "configurable_features": ["user"], "type": "int", "default_value": 0}
        call(first, "POST", "/api/v1/settings/declare", **declaration)
        rule = {"setting": "ttl", "feature_values": {"user": "x"}, "value": 1}
        rule_id = call(first, "POST", "/api/v1/rules", **rule).json()["rule_id"]
        assert wait_until(lambda: len(receiver.requests) == 2, DEADLINE_S)
        with ServiceProcess(database, *ALLOWED) as second:
            first.kill()
            newest = int(call(second, "PUT", f"/api/v1/rules/{rule_id}/value", value=2).headers["Heksher-Revision"])
            assert wait_until(lambda: list_revisions(receiver)[-1] == newest, DEADLINE_S)
            # How far it was told is noted a moment later.
            assert wait_until(lambda: read_progress(second) == (newest, 0), DEADLINE_S)
            metrics = call(second, "GET", "/metrics").text
    revisions = list_revisions(receiver)
    # What was not noted when the process was killed comes twice.
    assert list(range(newest - 2, newest + 1)) == list(dict.fromkeys(revisions))
    assert sorted(revisions) == revisions
    assert [] == receiver.forged
    assert re.search(r'heksher_webhook_messages_total\{is_received="true",webhook="chat"\} [23]\.0', metrics)
    assert "heksher_webhooks 1.0" in metrics
    written = "".join(first.lines + second.lines)
    assert [False, False] == [text in written for text in ("T0p-s3cret", secret)]


def test_of_several_workers_one_tells(tmp_path: Path, receiver: WebhookReceiver):
    """Whichever of them has taken a write: each message comes once, and in order."""
    with ServiceProcess(tmp_path / "heksher.db", "--context-features", "user", "--workers", "2", *ALLOWED) as service:
        receiver.secret = call(service, "POST", WEBHOOKS, name="chat", url=receiver.url).json()["secret"]
        written = [
            call(service, "POST", "/api/v1/context_features", context_feature=f"feature_{number}")
            for number in range(10)
        ]
        revisions = [int(response.headers["Heksher-Revision"]) for response in written]
        assert wait_until(lambda: list_revisions(receiver)[-1:] == revisions[-1:], DEADLINE_S)
    assert (revisions, []) == (list_revisions(receiver), receiver.forged)


def test_a_copy_that_is_tried_out_tells_nobody(tmp_path: Path, receiver: WebhookReceiver):
    """With ``--no-webhooks``; what was changed there is told when it is started without."""
    database = tmp_path / "heksher.db"
    with ServiceProcess(database, "--context-features", "user", "--no-webhooks", *ALLOWED) as service:
        call(service, "POST", WEBHOOKS, name="chat", url=receiver.url)
        newest = int(
            call(service, "POST", "/api/v1/context_features", context_feature="theme").headers["Heksher-Revision"]
        )
    assert [] == receiver.requests
    with ServiceProcess(database, *ALLOWED):
        assert wait_until(lambda: list_revisions(receiver) == [newest], DEADLINE_S)
