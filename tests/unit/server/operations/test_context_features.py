"""The ordered list of context features."""

import pytest

from heksher.server.errors import DuplicateError, InUseError, NotAcceptableError, NotFoundError, StartupError
from heksher.server.operations import context_features as operations
from heksher.server.operations.logged_change import change_features
from heksher.server.storage.base import NOBODY, Storage, Written
from heksher.server.storage.memory import MemoryStorage
from tests.support.operations import SOMEBODY, read_last, read_revision


def test_a_write_gives_its_revision_and_is_logged_with_its_origin(storage: Storage):
    """One change, with the list before and after, and who made it."""
    assert Written(None, 4) == operations.add_feature(storage, "trust", SOMEBODY)
    entry = read_last(storage)
    before = ["environment", "user", "theme"]
    assert (4, SOMEBODY, change_features("add", before, [*before, "trust"])) == (
        entry.revision,
        entry.origin,
        entry.change,
    )


def test_features_have_indices(storage: Storage):
    """Counted from 0, in the order of the list."""
    features = operations.list_features(storage).content
    assert ("environment", "user", "theme") == features
    assert [0, 1, 2] == [operations.find_index(storage, feature) for feature in features]


def test_a_feature_is_added_once(storage: Storage):
    """The second time it is there already."""
    with pytest.raises(DuplicateError, match=r"^context feature already exists$"):
        operations.add_feature(storage, "user", NOBODY)


def test_there_is_a_limit_on_features(storage: Storage):
    """The message names it."""
    for number in range(253):
        operations.add_feature(storage, f"f{number}", NOBODY)
    with pytest.raises(NotAcceptableError, match="256"):
        operations.add_feature(storage, "one_more", NOBODY)


@pytest.mark.parametrize(
    ("feature", "side", "target", "expected"),
    [
        ("environment", "after", "theme", ("user", "theme", "environment")),
        ("environment", "before", "theme", ("user", "environment", "theme")),
        ("theme", "before", "environment", ("theme", "environment", "user")),
        ("theme", "after", "environment", ("environment", "theme", "user")),
    ],
)
def test_a_feature_is_moved(storage: Storage, feature: str, side, target: str, expected: tuple[str, ...]):
    """The log has the list before and after."""
    operations.move_feature(storage, feature, side, target, NOBODY)
    assert expected == operations.list_features(storage).content
    before = ["environment", "user", "theme"]
    assert change_features("move", before, expected) == read_last(storage).change


@pytest.mark.parametrize(("side", "target"), [("after", "environment"), ("before", "theme"), ("after", "user")])
def test_a_move_to_the_same_place_is_not_logged(storage: Storage, side, target: str):
    """Nor is a move relative to itself."""
    assert Written(None, 3) == operations.move_feature(storage, "user", side, target, NOBODY)
    assert 3 == read_revision(storage)


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: operations.find_index(storage, "x"),
        lambda storage: operations.move_feature(storage, "x", "after", "user", NOBODY),
        lambda storage: operations.move_feature(storage, "user", "before", "x\x00", NOBODY),
        lambda storage: operations.delete_feature(storage, "x" * 5000, NOBODY),
    ],
)
def test_an_unknown_feature_is_not_found(storage: Storage, call):
    """Whatever it is asked for."""
    with pytest.raises(NotFoundError) as raised:
        call(storage)
    assert "context feature" == raised.value.kind
    assert len(str(raised.value)) < 200


@pytest.mark.trap(37)
def test_a_feature_in_use_stays(declared: Storage):
    """A setting that is configurable by it keeps it."""
    with pytest.raises(InUseError, match="can't be deleted, there is at least one setting configured by it"):
        operations.delete_feature(declared, "user", NOBODY)
    operations.delete_feature(declared, "theme", NOBODY)
    assert ("environment", "user") == operations.list_features(declared).content


@pytest.mark.trap(38)
@pytest.mark.parametrize(
    "wanted",
    [
        ("environment", "user", "theme"),
        ("environment", "trust", "user", "theme"),
        ("a", "environment", "b", "user", "c", "theme", "d"),
    ],
)
def test_a_start_up_list_inserts_anywhere(storage: Storage, wanted: tuple[str, ...]):
    """Afterwards the list is exactly the wanted one, and a second start changes nothing."""
    operations.ensure_features(storage, wanted, SOMEBODY)
    assert wanted == operations.list_features(storage).content
    revision = read_revision(storage)
    assert (3 if len(wanted) == 3 else 4) == revision
    assert Written(None, revision) == operations.ensure_features(storage, wanted, SOMEBODY)


@pytest.mark.trap(38)
def test_a_start_up_list_fills_an_empty_service():
    """With one entry in the log, made by the service itself."""
    storage = MemoryStorage()
    storage.open()
    operations.ensure_features(storage, ("a", "b"), SOMEBODY)
    assert change_features("start-up", [], ["a", "b"]) == read_last(storage).change
    assert ("a", "b") == operations.list_features(storage).content


@pytest.mark.trap(38)
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("environment", "user"), r"lack \['theme'\]"),
        ((), "lack"),
        (("trust", "user", "theme"), r"lack \['environment'\]"),
        (("user", "environment", "theme"), "contradict the service's order"),
        (("theme", "a", "user", "environment"), "contradict the service's order"),
    ],
)
def test_a_start_up_list_that_contradicts_is_refused(storage: Storage, wanted: tuple[str, ...], message: str):
    """A stored feature that it lacks, or another order: the message says which, and nothing changes."""
    with pytest.raises(StartupError, match=message):
        operations.ensure_features(storage, wanted, NOBODY)
    assert ("environment", "user", "theme") == operations.list_features(storage).content
