"""What the drill of webhooks says of what receivers got; no time is judged."""

import json

import pytest

from benchmarks.webhook_drill import Outcome, describe
from tests.support.webhook_receiver import Behaviour, Received, WebhookReceiver

WRITTEN_S = {revision: float(revision) for revision in (7, 8, 9)}


def make_receiver(*got: tuple[int, Behaviour], forged: int = 0) -> WebhookReceiver:
    """Make a receiver that has got some revisions, each half a second after the one before."""
    receiver = WebhookReceiver()
    receiver.__enter__()
    receiver.__exit__()
    for turn, (revision, behaviour) in enumerate(got):
        body = json.dumps({"data": {"revision": revision}}).encode()
        headers = {"webhook-id": f"{revision}-stamp"}
        receiver.requests.append(Received("/", headers, body, behaviour, WRITTEN_S[7] + turn / 2))
    receiver.forged = ["No matching signature found"] * forged
    return receiver


def read_figures(*receivers: WebhookReceiver, growth_mib: float = 1.0) -> dict[str, tuple[str, bool | None]]:
    lines = describe(Outcome([7, 8, 9], list(receivers), WRITTEN_S, growth_mib))
    return {line.what: (line.figure, line.is_met) for line in lines}


def test_what_receivers_got_is_told() -> None:
    """What was sent again because it was not received is no repetition; a revision is late until it is received."""
    receiver = make_receiver((7, 500), (7, 200), (8, 200), (8, 204), (9, "hang"), (9, "slow"))
    assert {
        "webhooks / revisions each": ("1 / 3", None),
        "messages sent / received": ("6 / 4", None),
        "received more than once": ("1", None),
        "lost": ("0", True),
        "out of order": ("0", True),
        "not verified": ("0", True),
        "delay, p50 / p99 / longest": ("0.5 / 0.5 / 0.5 s", None),
        "memory of a replica has grown by at most": ("1 MiB", True),
    } == read_figures(receiver)


@pytest.mark.parametrize(
    ("got", "forged", "growth_mib", "broken"),
    [
        ([7, 8, 9], 0, 1.0, set()),
        ([7, 8, 7, 8, 9], 0, 1.0, set()),
        ([7, 9], 0, 1.0, {"lost"}),
        ([8, 7, 9], 0, 1.0, {"out of order"}),
        ([7, 8, 9], 1, 1.0, {"not verified"}),
        ([7, 8, 9], 0, 99.0, {"memory of a replica has grown by at most"}),
    ],
)
def test_broken_promises_are_found(got: list[int], forged: int, growth_mib: float, broken: set[str]) -> None:
    """Each by itself, at any receiver; what comes twice is allowed."""
    good, bad = (
        make_receiver((7, 200), (8, 200), (9, 200)),
        make_receiver(*((number, 200) for number in got), forged=forged),
    )
    figures = read_figures(good, bad, growth_mib=growth_mib)
    assert broken == {what for what, (_, is_met) in figures.items() if is_met is False}
