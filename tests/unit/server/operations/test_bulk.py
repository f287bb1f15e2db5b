"""Several operations as one."""

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.errors import DuplicateError, NotFoundError, NotPermittedError, StepError
from heksher.server.operations import rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY, Origin, Storage
from tests.support.operations import SOMEBODY, declaring, read_last
from tests.support.storages import see_everything


def add(user: str, origin: Origin = NOBODY, setting: str = "cache_ttl"):
    return lambda storage: rules.add(storage, setting, {"user": user}, 1, {}, origin).result


def test_operations_are_one_entry(declared: Storage):
    """With a part for each change, in their order; each operation sees what those before it have changed."""
    steps = [
        add("a"),
        add("b"),
        lambda storage: settings.rename(storage, "cache_ttl", "ttl", "1.1", NOBODY).result,
        add("c", setting="ttl"),
        lambda storage: rules.set_value(storage, 1, 7, NOBODY).result,
        lambda storage: declare(storage, declaring("other"), NOBODY).result.outcome,
    ]
    written = run_all(declared, steps, SOMEBODY)
    assert ([1, 2, None, 3, None, "created"], 5) == (written.result, written.revision)
    entry = read_last(declared)
    assert (SOMEBODY, 6) == (entry.origin, entry.size)
    assert ["add", "add", "rename", "add", "set value", "declare"] == [change.action for change in entry.changes]


def test_the_first_that_is_refused_takes_all_back(declared: Storage):
    """And says which one it was, and why."""
    before = see_everything(declared)
    steps = [add("a"), add("b"), add("a"), lambda storage: rules.delete(storage, 99, NOBODY)]
    with pytest.raises(StepError, match=r"^operation 2: rule already exists$") as caught:
        run_all(declared, steps, NOBODY)
    assert (2, DuplicateError) == (caught.value.number, type(caught.value.cause))
    assert before == see_everything(declared)


def test_each_operation_needs_its_grants(declared: Storage):
    """As it does alone."""
    origin = Origin("ci", grants=parse_grants(["edit:cache_ttl."]))
    with pytest.raises(StepError) as caught:
        run_all(declared, [add("a", origin)], origin)
    assert isinstance(caught.value.cause, NotPermittedError)


def test_what_changes_nothing_is_no_entry(declared: Storage):
    """The revision is the newest one."""
    run_all(declared, [add("a")], NOBODY)
    written = run_all(declared, [lambda storage: rules.set_value(storage, 1, 1, NOBODY).result] * 2, NOBODY)
    assert ([None, None], 5) == (written.result, written.revision)


def test_a_fault_is_none_of_an_operation(declared: Storage):
    """It passes as it is."""
    with pytest.raises(ZeroDivisionError):
        run_all(declared, [lambda _: 1 // 0], NOBODY)


def test_what_another_operation_has_deleted_is_gone(declared: Storage):
    """Also for what is refused because of that."""
    steps = [
        add("a"),
        lambda storage: rules.delete(storage, 1, NOBODY),
        lambda storage: rules.delete(storage, 1, NOBODY),
    ]
    with pytest.raises(StepError) as caught:
        run_all(declared, steps, NOBODY)
    assert (2, NotFoundError) == (caught.value.number, type(caught.value.cause))
