"""Makes a setting with its rules again what it was at an earlier revision, as a change of its own."""

from dataclasses import replace

from heksher.server.errors import ConflictError, NotFoundError, PrunedError
from heksher.server.operations.deletion_protection import NO_PROTECTION, DeletionProtection
from heksher.server.operations.imported import is_same_rule, is_same_setting
from heksher.server.operations.policies import is_recent_state
from heksher.server.operations.restoring import Restorer
from heksher.server.operations.rewinding import PastSetting, find_present, require_known, rewind
from heksher.server.storage.base import (
    SETTING,
    Origin,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
    Storage,
    Writer,
    Written,
)
from heksher.server.storage.gathering_writer import NO_LOOKUPS, GatheringWriter, Lookups
from heksher.value_type import shorten


def revert_setting(
    storage: Storage,
    name: str,
    revision: int,
    origin: Origin,
    *,
    is_forced: bool = False,
    protection: DeletionProtection = NO_PROTECTION,
) -> Written[int]:
    """Make a setting what it was, and return how many objects were changed by that; there may be none.

    Args:
        storage: has the setting and the log.
        name: any name of the setting, or a canonical name that a deleted one had.
        revision: the number of the last change that is kept.
        origin: who wants it.
        is_forced: whether a setting that was not there then may be deleted.
        protection: says by whom it is used, if it may not.

    Raises:
        NotFoundError: there was no such setting, neither then nor now, or there is no such revision yet.
        NotPermittedError: who asks may not make one of the writes that this takes.
        RevertConflictError: it cannot be what it was.
        ConflictError: the log does not go back so far.
        FullError: there is no room for what would come back.
    """

    def work(writer: Writer) -> int:
        try:
            require_known(writer, revision)
        except PrunedError as error:
            raise ConflictError(f"this setting cannot be taken back so far: {error}") from error
        present, past = find_present(writer, name), rewind(writer, name, revision)
        if present is None and past.setting is None:
            raise NotFoundError(
                f"there is no setting named {shorten(repr(name))}, and there was none at revision {revision}", "setting"
            )
        is_recent = bool(writer.policies()) and is_recent_state(writer, name, revision)
        gathering = GatheringWriter(writer, NO_LOOKUPS)
        # An incident does not wait for a second person.
        restorer = Restorer(
            gathering,
            replace(origin, is_reviewed=is_recent),
            f"revert to {revision}",
            since=revision,
            is_forced=is_forced,
            protection=protection,
        )
        _restore(gathering, restorer, name, present, past)
        return restorer.finish()

    return storage.write(work, origin)


def _restore(
    writer: GatheringWriter, restorer: Restorer, name: str, present: SettingRecord | None, past: PastSetting
) -> None:
    rules = [] if present is None else writer.rules([present.name])
    if past.setting is None:
        if present is not None:
            restorer.delete_setting(present, rules)
        return
    former = {rule.rule_id: rule for rule in past.list_rules()}
    writer.look_up(Lookups(rule_ids=[rule.rule_id for rule in rules]))
    for rule in rules:
        if rule.rule_id not in former:
            restorer.delete_rule(rule)
    if present is None:
        restorer.add_setting(past.setting, _find_subject(writer, name))
    elif not is_same_setting(present, past.setting):
        restorer.change_setting(present, past.setting)
    _restore_rules(writer, restorer, past.setting, former, {rule.rule_id: rule for rule in rules})


def _restore_rules(
    writer: GatheringWriter,
    restorer: Restorer,
    former_setting: SettingRecord,
    former: dict[int, RuleRecord],
    present: dict[int, RuleRecord],
) -> None:
    # If it could not be made what it was, that was noted, and there is nothing that its rules could be of.
    setting = writer.find_setting(former_setting.name)
    if setting is None or not is_same_setting(setting, former_setting):
        return
    missing = [(setting.name, rule.conditions) for rule_id, rule in former.items() if rule_id not in present]
    writer.look_up(Lookups([setting.name], former, missing))
    for rule_id, rule in former.items():
        if rule_id not in present:
            restorer.add_rule(rule, setting)
        elif not is_same_rule(present[rule_id], rule):
            restorer.change_rule(_of(setting, present[rule_id]), rule)


def _of(setting: SettingRecord, rule: RuleRecord) -> RuleRecord:
    return RuleRecord(rule.rule_id, setting.name, rule.conditions, rule.value, rule.metadata)


def _find_subject(reader: Reader, name: str) -> int | None:
    """Return the number that the log knows a deleted setting by."""
    (entry,) = reader.select(Selection(setting=name, kinds=(SETTING,)), limit=1, max_changes=1)
    return entry.changes[0].subject
