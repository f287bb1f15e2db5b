"""Every trap that must be absent has a test, findable by its number."""

from tests.support.traps import ALL_TRAPS, REQUIRED_TRAPS, find_marked_traps


def test_every_required_trap_has_a_test() -> None:
    """Each trap that the client and the service can fall into is the mark of at least one test."""
    untested = sorted(REQUIRED_TRAPS - find_marked_traps().keys())
    assert not untested, f"these traps are the mark of no test: {untested}"


def test_marks_name_traps_that_exist() -> None:
    """No mark has a number that is not in the list of traps."""
    unknown = sorted(find_marked_traps().keys() - ALL_TRAPS)
    assert not unknown, f"docs/reference/compatibility.md has no traps with these numbers: {unknown}"
