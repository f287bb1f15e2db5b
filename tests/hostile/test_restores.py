"""Writes, backups, kills, copies put in place and restores, in any order: never a silent wrong state.

``make restore-drills`` runs 200 sequences, in some minutes.
"""

import pytest

from tests.hostile.restores import DrillError, run_drills

SEQUENCES = 5


def test_the_database_is_always_what_it_has_to_be() -> None:
    """Or is refused, with the remedy."""
    counts = run_drills(range(SEQUENCES))
    for what in ("killed", "put in place", "refused", "restore", "onto the database"):
        assert counts[what] > 0


def test_a_drill_notices_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check of what lies beside a file, a sequence ends with a state that is wrong, or none."""
    monkeypatch.setattr("heksher.server.storage.sqlite.require_own_log", lambda _: None)
    with pytest.raises(DrillError, match="seed"):
        run_drills(range(SEQUENCES))
