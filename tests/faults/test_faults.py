"""Each fault, for both clients, while threads read. ``make faults-table`` does it with one that reads without pause."""

from pathlib import Path

import pytest

from tests.faults.backstage import Backstage
from tests.faults.catalogue import FAULTS, NO_FAULT, Effect, Fault
from tests.faults.play import play

# Without it, most of the time that the tests take would be the readers'.
REST_S = 0.003
# Most take a fraction of a second, and two with Retry-After: 1; a busy machine takes longer (see the table).
MAX_RECOVERY_S = 8.0


@pytest.mark.parametrize("fault", [NO_FAULT, *FAULTS], ids=lambda fault: fault.name)
def test_fault(kind: str, backstage: Backstage, short_turns: None, fault: Fault, tmp_path: Path, record_property):
    """Readers notice nothing, the client says what is the matter, and is current again soon after."""
    seen = play(kind, backstage, fault, tmp_path / "state", rest_s=REST_S)
    record_property("worst_get_ms", seen.reads.worst_s * 1000)
    assert ((), ()) == (seen.exceptions, seen.wrong[:5])
    if fault.effect in {Effect.STALE, Effect.REJECTED}:
        assert fault.effect is seen.effect
    if fault.effect is Effect.NONE:
        # A busy machine may cause one.
        assert seen.failures <= 1
    assert frozenset({2} if fault.effect in {Effect.NONE, Effect.SOME} else {1}) == seen.shown
    assert seen.recovery_s < MAX_RECOVERY_S
    # The turn may end between a line and the call of the function that is told of the same change.
    assert len(seen.log) <= seen.changes + 1 + fault.remarks, seen.log
    assert () == seen.strays
