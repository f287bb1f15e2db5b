"""The attacks at a small scale, on one worker and on two."""

import pytest

from tests.hostile.run import ATTACKS, find_faults, suffer

SCALE = 0.1
# A machine that runs other tests meanwhile may take long for anything.
MAX_LIVE_S = 5.0


@pytest.mark.parametrize("name", ATTACKS)
def test_a_service_under_attack_answers_others(name: str):
    """In time, and with the memory that it has said it takes; afterwards it has as much as before."""
    seen = suffer(ATTACKS[name], scale=SCALE)
    assert [] == find_faults(seen, max_live_s=MAX_LIVE_S), seen


def test_each_of_several_workers_has_the_limits():
    """They share the address, not the descriptors."""
    seen = suffer(ATTACKS["all kinds of them at once"], scale=2 * SCALE, workers=2)
    assert [] == find_faults(seen, 2, MAX_LIVE_S), seen
