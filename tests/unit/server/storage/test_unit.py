"""Tests of what decides whether a unit of work may be stored."""

from dataclasses import replace

import pytest

from heksher.server.storage.records import LoggedChange
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.unit import UnitOfWork, require_new_ids, require_same_rule


def test_nothing_is_not_to_be_stored() -> None:
    """A unit that did nothing is in order, but there is nothing to store."""
    assert not UnitOfWork().is_to_store()


def test_recorded_changes_are_to_be_stored() -> None:
    """A unit with changes and one record is to be stored, in whatever order they came."""
    unit = UnitOfWork()
    with unit.change():
        pass
    with unit.record():
        unit.note_record()
    with unit.change():
        pass
    assert unit.is_to_store()


def test_changes_need_a_record() -> None:
    """A unit with changes and no record is a fault."""
    unit = UnitOfWork()
    with unit.change():
        pass
    with pytest.raises(ContractError, match="without recording"):
        unit.is_to_store()


def test_several_records_are_in_order() -> None:
    """Each change may be recorded as it is made; to record nothing at all is no record."""
    unit = UnitOfWork()
    with unit.record():
        pass
    assert not unit.has_record
    for _ in range(2):
        with unit.change():
            pass
        with unit.record():
            unit.note_record()
    assert unit.is_to_store()


def test_errors_are_remembered() -> None:
    """A unit in which a change failed is not stored; the reason given is its first error."""
    unit = UnitOfWork()
    for message in ("first", "second"):
        with pytest.raises(KeyError), unit.change():
            raise KeyError(message)
    with unit.record():
        unit.note_record()
    with pytest.raises(ContractError, match="first") as caught:
        unit.is_to_store()
    assert isinstance(caught.value.__cause__, KeyError)


CHANGE = LoggedChange("delete", "rule", "7", {"feature_values": [["user", "x"]]}, None, "a")


@pytest.mark.parametrize(
    "last",
    [
        None,
        (replace(CHANGE, before=None, after={}), 1),
        (replace(CHANGE, after={}), 1),
        (CHANGE, 2),
        (CHANGE, None),
        (replace(CHANGE, before={}), 1),
        (replace(CHANGE, before={"feature_values": [["user", "y"]]}), 1),
    ],
)
def test_an_id_is_given_again_to_its_rule_alone(last: tuple[LoggedChange, int | None] | None) -> None:
    """What the log says last of it is that a rule of the same setting with the same conditions was deleted."""
    require_same_rule(7, 1, {"user": "x"}, (CHANGE, 1))
    with pytest.raises(ContractError, match="the id 7"):
        require_same_rule(7, 1, {"user": "x"}, last)


@pytest.mark.parametrize(
    ("rule_ids", "next_rule_id", "is_new"),
    [
        ([], 4, True),
        ([4, 9], 10, True),
        ([4], 2**63 - 1, True),
        ([2], 10, True),
        ([], 1, True),
        ([3], 10, False),
        ([0], 10, False),
        ([9], 9, False),
        ([], 2**63, False),
    ],
)
def test_ids_are_new(rule_ids: list[int], next_rule_id: int, is_new: bool) -> None:
    """Above those that were given, here up to 3, or not in the log, as here 2, and below the next one."""

    def is_logged(rule_id: int) -> bool:
        return rule_id != 2

    if is_new:
        require_new_ids(rule_ids, 3, next_rule_id, is_logged)
    else:
        with pytest.raises(ContractError, match="rules cannot be loaded with the ids"):
            require_new_ids(rule_ids, 3, next_rule_id, is_logged)
