"""Repeats an import: brings what a service holds up to date with another one, as one entry of the change log."""

from dataclasses import replace

from heksher.server.operations import logged_change
from heksher.server.operations.loading import IMPORTING, Contents, describe_additions
from heksher.server.operations.update_plan import Keys, Plan, make_plan
from heksher.server.storage.base import Origin, Storage, Writer, Written


def update(
    storage: Storage, theirs: Contents, refused: Keys, origin: Origin, *, is_skipping: bool = False
) -> Written[Plan]:
    """Take over what has changed in another service, except for what was changed here; return what was planned.

    Nothing is stored if something was changed here that is another one there, unless that is to be skipped.

    Args:
        storage: what is to be updated.
        theirs: what the other service holds, checked as for ``load``.
        refused: what it holds besides and cannot be taken.
        origin: who updates it.
        is_skipping: whether what was changed here is left as it is, and the rest is taken over.

    Raises:
        FullError: there would be more settings or rules than there is room for.
    """

    def work(writer: Writer) -> Plan:
        plan = make_plan(writer, theirs, refused)
        if is_skipping or not plan.left:
            _carry_out(writer, plan, theirs.next_rule_id)
        return plan

    return storage.write(work, origin)


def _carry_out(writer: Writer, plan: Plan, next_rule_id: int) -> None:
    # Rules and settings that are gone first, as others may have their names or conditions now. Context features are
    # there before anything depends on them, and until nothing does any more.
    _delete(writer, plan)
    order = writer.context_features()
    _set_features(writer, (*plan.features, *(feature for feature in order if feature not in plan.features)))
    _free_aliases(writer, plan)
    for before, after in plan.changed_settings:
        writer.replace_setting(before.name, after)
        writer.record(logged_change.change_setting(IMPORTING, before, after, writer.context_features()))
    writer.require_room(settings=len(plan.added_settings), rules=len(plan.added_rules))
    if plan.added_settings or plan.added_rules:
        added = Contents(writer.context_features(), plan.added_settings, plan.added_rules, next_rule_id)
        writer.load(added.settings, added.rules, added.next_rule_id)
        writer.record_all(describe_additions(added))
    _change_rules(writer, plan)
    _set_features(writer, plan.features)


def _free_aliases(writer: Writer, plan: Plan) -> None:
    """Take from settings the aliases that they lose, as a setting that changes before them may get one."""
    for before, after in plan.changed_settings:
        kept = before.aliases & after.aliases
        if kept != before.aliases:
            writer.replace_setting(before.name, replace(before, aliases=kept))


def _delete(writer: Writer, plan: Plan) -> None:
    order = writer.context_features()
    for rule in plan.deleted_rules:
        writer.delete_rule(rule.rule_id)
        writer.record(logged_change.delete_rule(rule, order, IMPORTING))
    for setting in plan.deleted_settings:
        rules = writer.rules([setting.name])
        writer.delete_setting(setting.name)
        writer.record_all(logged_change.delete_setting(setting, rules, order, IMPORTING))


def _change_rules(writer: Writer, plan: Plan) -> None:
    order = writer.context_features()
    for before, after in plan.changed_rules:
        writer.replace_rule(after)
        known = replace(before, setting=after.setting)
        writer.record(logged_change.change_rule(IMPORTING, known, after, order))


def _set_features(writer: Writer, features: tuple[str, ...]) -> None:
    before = writer.context_features()
    if features != before:
        writer.set_context_features(features)
        writer.record(logged_change.change_features(IMPORTING, before, features))
