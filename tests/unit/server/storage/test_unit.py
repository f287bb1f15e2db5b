"""Tests of what decides whether a unit of work may be stored."""

import pytest

from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.unit import UnitOfWork


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
