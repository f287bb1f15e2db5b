"""Requests that take long: others are answered meanwhile."""

from collections.abc import Iterator

import pytest

from tests.hostile.query_stalls import Attack, make_attacks, run
from tests.support.service import ServiceProcess

MAX_WAIT_S = 0.5
# A machine that has other things to do can let anybody wait, whatever the service does.
TRIES = 5

ATTACKS = make_attacks()


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    """A service without settings."""
    with ServiceProcess("memory:", "--context-features", "user") as service:
        yield service


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_request_makes_others_wait(service: ServiceProcess, attack: Attack):
    """Whether it is answered or refused: nobody is kept from being answered."""
    waits_s = []
    while len(waits_s) < TRIES and min(waits_s, default=MAX_WAIT_S) >= MAX_WAIT_S:
        status, longest_s = run(service.url, attack)
        waits_s.append(longest_s)
        assert status < 500
    assert min(waits_s) < MAX_WAIT_S
