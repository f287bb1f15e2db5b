"""Steps of units of work that change something and record it, and how pages of history are looked at."""

from collections.abc import Callable, Sequence

from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange, RuleRecord, SettingRecord, Storage, Writer
from tests.support.storages import a_setting

ORDER = ("user", "theme")


def note(number: int) -> LoggedChange:
    """Return a change that is told from others by its number."""
    return LoggedChange(f"note {number}", "context_features", "", None, {"number": number})


def add_setting(writer: Writer, name: str, *aliases: str, subject: int | None = None) -> SettingRecord:
    setting = a_setting(name, aliases=aliases)
    writer.add_setting(setting, subject)
    writer.record(logged_change.change_setting("declare", None, setting, ORDER))
    return setting


def rename(writer: Writer, name: str, new_name: str, aliases: Sequence[str]) -> None:
    before, after = writer.find_setting(name), a_setting(new_name, aliases=aliases)
    assert before is not None
    writer.replace_setting(name, after)
    writer.record(logged_change.change_setting("rename", before, after, ORDER))


def delete_setting(writer: Writer, name: str) -> None:
    setting, rules = writer.find_setting(name), writer.rules([name])
    assert setting is not None
    writer.delete_setting(setting.name)
    writer.record_all(logged_change.delete_setting(setting, rules, ORDER))


def add_rule(writer: Writer, setting: str, user: str, rule_id: int | None = None) -> RuleRecord:
    rule = writer.add_rule(setting, {"user": user}, 1, {}, rule_id)
    writer.record(logged_change.add_rule(rule, ORDER))
    return rule


def set_value(writer: Writer, rule_id: int, value: int) -> None:
    rule = writer.find_rule(rule_id)
    assert rule is not None
    changed = RuleRecord(rule_id, rule.setting, rule.conditions, value, rule.metadata)
    writer.replace_rule(changed)
    writer.record(logged_change.change_rule("set value", rule, changed, ORDER))


def delete_rule(writer: Writer, rule_id: int) -> None:
    rule = writer.find_rule(rule_id)
    assert rule is not None
    writer.delete_rule(rule_id)
    writer.record(logged_change.delete_rule(rule, ORDER))


def write(storage: Storage, *steps: Callable[[Writer], object]) -> int:
    """Run each step as a unit of work of its own; return the last revision."""
    return [storage.write(step).revision for step in steps][-1]


def history(storage: Storage, *arguments: int | None, **about: object) -> list[tuple[int, list[str]]]:
    """Return a page of history as revisions with the actions of their changes."""
    entries = storage.read(lambda reader: reader.history(*arguments, **about))  # type: ignore[arg-type]
    return [(entry.revision, [change.action for change in entry.changes]) for entry in entries]
