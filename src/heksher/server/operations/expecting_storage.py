"""A storage for whoever changes an object only if it is still what they have read.

So that operations need not know of it, each write through this storage expects it, and what is refused says what there
is instead, and who has made it so.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.errors import OperationError, OutdatedError
from heksher.server.json_form import JSONObject, rule_to_json, setting_to_json
from heksher.server.operations.change_form import ChangeForm, ToldEntry, list_changed_rules
from heksher.server.operations.lookup import get_rule, get_setting
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    NOBODY,
    RULE,
    SETTING,
    Expectation,
    LastChange,
    LogEntry,
    Origin,
    Reader,
    Selection,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.passing_storage import PassingStorage
from heksher.server.storage.storage_errors import ExpectationError
from heksher.server.storage.unit import parse_id
from heksher.value_type import shorten

T = TypeVar("T")

_ALL_CHANGES: Final = 2**31 - 1


class ExpectingStorage(PassingStorage):
    """A storage whose writes expect something of an object.

    A write raises ``OutdatedError`` if that does not hold, and what the operation itself would raise if there never was
    such an object.

    Args:
        inner: the storage proper, which is open, and stays so.
        expected: of a setting, a rule, or the list of context features.
    """

    def __init__(self, inner: Storage, expected: Expectation) -> None:
        super().__init__(inner)
        self._expected = expected

    def expect_of(self, storage: Storage) -> "ExpectingStorage":
        """Return a storage that expects the same of another one."""
        return ExpectingStorage(storage, self._expected)

    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        try:
            return self._inner.write(work, origin, expected or self._expected)
        except ExpectationError as error:
            raise self._inner.read(partial(_describe, kind=error.kind, key=error.key)) from error


def _describe(reader: Reader, kind: str, key: str) -> OperationError:
    """Return the error of a write that expects an object to be another one than it is."""
    selection = _select(kind, key)
    newest = next(iter(reader.select(selection, limit=1, max_changes=_ALL_CHANGES)), None)
    is_gone = newest is not None and newest.changes[-1].is_deletion
    if newest is not None and is_gone:
        told = ToldEntry(newest, newest.changes[-1:], newest.size)
        return OutdatedError(f"{_name(kind, key)} is gone: {_tell(told)}", last_change=_write(reader, told))
    if reader.forgotten_deletion(kind, key) is not None:
        return OutdatedError(f"{_name(kind, key)} is gone, and the change log does not say any more who has deleted it")
    return _describe_present(reader, kind, key, selection)


def _describe_present(reader: Reader, kind: str, key: str, selection: Selection) -> OperationError:
    try:
        current, revision = _get(reader, kind, key)
    except OperationError as error:
        return error
    told = _find_last(reader, selection, revision)
    message = f"{_name(kind, key)} is not what it was expected to be: {_tell(told)}. Read it again, and decide"
    return OutdatedError(message, current, RevisionId(revision, told.entry.stamp), _write(reader, told))


def _get(reader: Reader, kind: str, key: str) -> tuple[JSONObject, int]:
    """Return an object as its route answers it, and the revision of its last change.

    Raises:
        NotFoundError: it does not exist.
    """
    order = reader.context_features()
    if kind == CONTEXT_FEATURES:
        return {"context_features": [*order]}, reader.features_revision()
    if kind == SETTING:
        setting = get_setting(reader, key)
        return setting_to_json(setting, order), setting.revision
    rule = get_rule(reader, parse_id(key) or 0)
    return rule_to_json(rule, order), rule.revision


def _select(kind: str, key: str) -> Selection:
    if kind == RULE:
        return Selection(rule_id=parse_id(key) or 0)
    return Selection(setting=key if kind == SETTING else None, kinds=(kind,))


def _find_last(reader: Reader, selection: Selection, revision: int) -> ToldEntry:
    """Return the last change of an object, which has a revision, as far as it is known."""
    newest = next(iter(reader.select(selection, revision + 1, 1, _ALL_CHANGES)), None)
    if newest is not None and newest.revision == revision:
        return ToldEntry(newest, newest.changes[-1:], newest.size)
    kept = reader.last_change(revision)
    if kept is None:
        raise LookupError(f"nobody knows of the last change of {selection}, which is revision {revision}")
    return ToldEntry(_restore(kept), (), 0)


def _restore(kept: LastChange) -> LogEntry:
    return LogEntry(kept.revision, kept.at, Origin(kept.actor, actor_kind=kept.actor_kind), kept.stamp, 0, ())


def _write(reader: Reader, told: ToldEntry) -> JSONObject:
    return ChangeForm(reader, list_changed_rules(told.changes)).write_entry(told)


def _name(kind: str, key: str) -> str:
    return "the list of context features" if kind == CONTEXT_FEATURES else f"{kind} {shorten(repr(key))}"


def _tell(told: ToldEntry) -> str:
    """Return who has made a change, when and why, in words."""
    entry = told.entry
    actor = told.claimed_actor or entry.origin.actor or "somebody unknown"
    reason = f" ({entry.origin.reason})" if entry.origin.reason else ""
    return f"{actor} made the last change of it, revision {entry.revision}, at {entry.at:%Y-%m-%d %H:%M:%S} UTC{reason}"
