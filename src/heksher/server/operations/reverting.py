"""Takes a change back: what is as the change left it becomes what it was before, as a change of its own.

What is there already is left, and anything else is refused, with the changes that came between.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from heksher.server.errors import ConflictError, PrunedError
from heksher.server.json_bytes import encode
from heksher.server.json_form import (
    JSONObject,
    rule_from_json,
    rule_to_json,
    setting_from_json,
    setting_to_json,
    update_rule,
    update_setting,
)
from heksher.server.operations.change_list import find_told
from heksher.server.operations.change_origin import ObjectKey, find_origins, identify_object, list_changeable
from heksher.server.operations.deletion_protection import NO_PROTECTION, DeletionProtection
from heksher.server.operations.loading import IMPORTING
from heksher.server.operations.policies import is_override, is_recent_change
from heksher.server.operations.restoring import Restorer
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    RULE,
    SETTING,
    Fields,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.gathering_writer import GatheringWriter, Lookups
from heksher.server.storage.proposal_records import PROPOSAL
from heksher.value_type import JSON

_REVERTIBLE_KINDS: Final = frozenset({CONTEXT_FEATURES, SETTING, RULE})
# Fields that are sets, whatever the order in which they are written.
_SETS: Final = frozenset({"configurable_features", "aliases"})
_ALL_CHANGES: Final = 2**31 - 1


def revert(
    storage: Storage,
    revision: int,
    origin: Origin,
    *,
    is_forced: bool = False,
    protection: DeletionProtection = NO_PROTECTION,
) -> Written[int]:
    """Take a change back, and return how many objects were changed by that; there may be none.

    Args:
        storage: has the log.
        revision: of the change. Of two entries that are told as one, either is both.
        origin: who takes it back.
        is_forced: whether settings may be deleted by that.
        protection: says by whom they are used, if they may not.

    Raises:
        NotFoundError: there is no such change.
        NotPermittedError: who asks may not make one of the writes that this takes.
        RevertConflictError: something is not as the change left it, or cannot be what it was before.
        ConflictError: the change is an import, about something that cannot be taken back, or not in the log any more.
        FullError: there is no room for what would come back.
    """

    def work(writer: Writer) -> int:
        changes, newest, at = _find_changes(writer, revision)
        names = _find_names(writer, changes)
        gathering = GatheringWriter(writer, _foresee(changes, names))
        # An incident does not wait for a second person.
        restorer = Restorer(
            gathering,
            replace(origin, is_reviewed=is_recent_change(at)),
            f"revert {revision}",
            since=newest,
            is_forced=is_forced,
            protection=protection,
        )
        undoing = _Undoing(gathering, restorer, names, find_origins(changes))
        for change in reversed(changes):
            undoing.undo(change)
        return restorer.finish()

    return storage.write(work, origin)


def _find_changes(reader: Reader, revision: int) -> tuple[list[LoggedChange], int, datetime]:
    """Return the changes that are to be taken back, in their order, and the newest entry's number and time.

    Raises:
        NotFoundError: there is no such entry yet.
        ConflictError: it cannot be taken back.
    """
    try:
        told = find_told(reader, revision)
    except PrunedError as error:
        raise ConflictError(f"this cannot be taken back: {error}") from error
    revisions = sorted((told.entry.revision, *told.merged))
    changes = [
        change
        for number in revisions
        for change in reader.changes(number, 0, _ALL_CHANGES)
        if change.kind != PROPOSAL and not is_override(change)
    ]
    if any(change.action == IMPORTING for change in changes):
        raise ConflictError(f"revision {revision} is an import, which cannot be taken back")
    if kinds := sorted({change.kind for change in changes} - _REVERTIBLE_KINDS):
        raise ConflictError(f"revision {revision} is about {', '.join(kinds)}, which cannot be taken back")
    return changes, told.entry.revision, told.entry.at


def _find_names(reader: Reader, changes: Iterable[LoggedChange]) -> dict[int | None, str | None]:
    """Return what the settings that changes are about are called now, by their numbers; ``None`` for gone ones."""
    first = {change.subject: change for change in changes if change.kind != CONTEXT_FEATURES}
    return {subject: _find_name(reader, change) for subject, change in first.items()}


def _find_name(reader: Reader, change: LoggedChange) -> str | None:
    for entry in reader.select(_about_setting(change), limit=1, max_changes=_ALL_CHANGES):
        newest = entry.changes[-1]
        return None if newest.is_deletion else newest.key
    # As nothing has changed the setting since its rule was changed, it is called as it was.
    return change.setting or change.key


def _foresee(changes: Iterable[LoggedChange], names: Mapping[int | None, str | None]) -> Lookups:
    """Return what is looked up to take changes back."""
    of_rules = [change for change in changes if change.kind == RULE]
    deleted = [
        (name, rule_from_json(int(change.key), change.before or {}).conditions)
        for change in of_rules
        if change.is_deletion and (name := names[change.subject]) is not None
    ]
    settings = [name for name in names.values() if name is not None]
    return Lookups(settings, [int(change.key) for change in of_rules], deleted)


class _Undoing:
    """Takes changes back, the newest first.

    Args:
        writer: of the unit of work.
        restorer: does it.
        names: what the settings are called now, by their numbers; ``None`` for those that are gone. Kept up to date.
        origins: what the objects were before all of the changes.
    """

    def __init__(
        self,
        writer: Writer,
        restorer: Restorer,
        names: dict[int | None, str | None],
        origins: Mapping[ObjectKey, Fields | None],
    ) -> None:
        self._writer = writer
        self._restorer = restorer
        self._names = names
        self._origins = origins
        # Whether an object is what it was before all of the changes, as far as objects were looked at.
        self._is_settled: dict[ObjectKey, bool] = {}

    def undo(self, change: LoggedChange) -> None:
        """Take a change back, or have it noted why that is not possible."""
        key = identify_object(change)
        if key not in self._is_settled:
            self._is_settled[key] = self._is_what_it_was(change)
        if self._is_settled[key]:
            return
        if change.kind == CONTEXT_FEATURES:
            self._undo_features(change)
        elif change.kind == SETTING:
            self._undo_setting(change)
        else:
            self._undo_rule(change)

    def _is_what_it_was(self, change: LoggedChange) -> bool:
        origin, now = self._origins[identify_object(change)], self._see(change)
        if origin is None or now is None:
            return origin is now
        return _is_same(now, list_changeable(change.kind, origin))

    def _see(self, change: LoggedChange) -> JSONObject | None:
        """Return the object that a change is about, as it is now, or ``None``."""
        if change.kind == CONTEXT_FEATURES:
            return {"context_features": [*self._writer.context_features()]}
        if change.kind == SETTING:
            setting = self._find_setting(change)
            return None if setting is None else _write(setting)
        rule = self._writer.find_rule(int(change.key))
        return None if rule is None else rule_to_json(rule, sorted(rule.conditions))

    def _undo_features(self, change: LoggedChange) -> None:
        before, after = (_read_features(side) for side in (change.before, change.after))
        present = self._writer.context_features()
        if present == after:
            self._restorer.set_features(present, before)
        else:
            self._restorer.refuse(
                "the list of context features was changed since", Selection(kinds=(CONTEXT_FEATURES,))
            )

    def _undo_setting(self, change: LoggedChange) -> None:
        present = self._find_setting(change)
        if change.after is None:
            self._bring_setting_back(change, present)
        elif present is None:
            self._restorer.refuse(f"setting {change.key!r} is gone", _about(change))
        elif change.before is None:
            self._take_setting_away(change, present)
        else:
            self._put_setting_back(change, present)

    def _take_setting_away(self, change: LoggedChange, present: SettingRecord) -> None:
        if not _is_same(_write(present), change.after):
            self._restorer.refuse(f"setting {present.name!r} was changed since", _about(change))
        elif rules := self._writer.rules([present.name]):
            ids = [rule.rule_id for rule in rules[:10]]
            self._restorer.refuse(f"setting {present.name!r} has rules since: {ids}", _about(change))
        elif self._restorer.delete_setting(present):
            self._names[change.subject] = None

    def _bring_setting_back(self, change: LoggedChange, present: SettingRecord | None) -> None:
        former = setting_from_json(change.before or {})
        if present is not None:
            self._restorer.refuse(f"setting {present.name!r} is there again, and is another one", _about(change))
        elif self._restorer.add_setting(former, change.subject):
            self._names[change.subject] = former.name

    def _put_setting_back(self, change: LoggedChange, present: SettingRecord) -> None:
        fields = self._choose_fields(change, _write(present), f"setting {present.name!r}")
        if fields:
            former = update_setting(present, fields)
            if self._restorer.change_setting(present, former):
                self._names[change.subject] = former.name

    def _undo_rule(self, change: LoggedChange) -> None:
        rule_id = int(change.key)
        present = self._writer.find_rule(rule_id)
        if change.after is None:
            self._bring_rule_back(change, present)
            return
        if present is None:
            self._restorer.refuse(f"rule {rule_id} is gone", _about(change))
            return
        now = rule_to_json(present, sorted(present.conditions))
        if change.before is None:
            if _is_same(now, list_changeable(RULE, change.after)):
                self._restorer.delete_rule(present)
            else:
                self._restorer.refuse(f"rule {rule_id} was changed since", _about(change))
        elif fields := self._choose_fields(change, now, f"rule {rule_id}"):
            self._restorer.change_rule(present, update_rule(present, fields))

    def _bring_rule_back(self, change: LoggedChange, present: RuleRecord | None) -> None:
        setting = self._find_setting(change)
        if present is not None:
            self._restorer.refuse(f"rule {change.key} is there again, and is another one", _about(change))
        elif setting is None:
            self._restorer.refuse(f"the setting of rule {change.key} is gone", Selection(setting=change.setting))
        else:
            self._restorer.add_rule(rule_from_json(int(change.key), change.before or {}), setting)

    def _choose_fields(self, change: LoggedChange, now: JSONObject, what: str) -> JSONObject:
        """Return the fields that are as a change left them, with what they were before it."""
        before, after, origin = change.before or {}, change.after or {}, self._origins[identify_object(change)] or {}
        left = {name for name in after if _is_same_field(name, now[name], after[name])}
        done = {name for name in origin if _is_same_field(name, now[name], origin[name])}
        if others := [name for name in after if name not in left | done]:
            self._restorer.refuse(f"{', '.join(others)} of {what} was changed since", _about(change))
            return {}
        return {name: before[name] for name in after if name in left}

    def _find_setting(self, change: LoggedChange) -> SettingRecord | None:
        """Return the setting that a change is about, as it is now, or ``None``."""
        name = self._names[change.subject]
        return None if name is None else self._writer.find_setting(name)


def _about(change: LoggedChange) -> Selection:
    return Selection(rule_id=int(change.key)) if change.kind == RULE else _about_subject(change)


def _about_setting(change: LoggedChange) -> Selection:
    return Selection(subjects=_list_subjects(change), kinds=(SETTING,))


def _about_subject(change: LoggedChange) -> Selection:
    return Selection(subjects=_list_subjects(change))


def _list_subjects(change: LoggedChange) -> list[int]:
    return [] if change.subject is None else [change.subject]


def _read_features(side: Fields | None) -> tuple[str, ...]:
    return tuple(cast("list[str]", (side or {})["context_features"]))


def _write(setting: SettingRecord) -> JSONObject:
    return setting_to_json(setting, sorted(setting.configurable_features))


def _is_same(fields: Mapping[str, JSON], others: Fields | None) -> bool:
    return others is not None and all(_is_same_field(name, fields[name], others[name]) for name in others)


def _is_same_field(name: str, value: JSON, other: JSON) -> bool:
    if name in _SETS:
        return set(cast("list[str]", value)) == set(cast("list[str]", other))
    return encode(value) == encode(other)
