"""What a proposal remembers of the objects that it is about, and whether that still holds.

An object is remembered by what it is, not by when it was last changed: where it was changed and changed back, whoever
has approved of the proposal has approved of what it would do now.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject, rule_to_json, setting_to_json
from heksher.server.operations.change_form import ChangeForm, ToldEntry, list_changed_rules
from heksher.server.storage.base import (
    CONTEXT_FEATURES,
    RULE,
    SETTING,
    Conditions,
    LoggedChange,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
)
from heksher.server.storage.gathering_writer import Lookups
from heksher.server.storage.records import make_rule_key
from heksher.value_type import JSON, json_key

# How many objects are told that are others than they were, and how many changes of each.
_MAX_CONFLICTS: Final = 20
_MAX_ENTRIES: Final = 5
_MAX_PARTS: Final = 10
_MAX_BYTES: Final = 256 * 1024


def remember(reader: Reader, lookups: Lookups, deleted: Collection[str], *, has_features: bool) -> list[JSONObject]:
    """Return what is to be remembered of the objects that writes are about, before they are made.

    Args:
        reader: has the objects.
        lookups: names them.
        deleted: the canonical names of settings that the writes delete: their rules are remembered with them.
        has_features: whether the writes are about the list of context features.
    """
    names = {*lookups.settings, *deleted}
    settings = reader.find_settings(names)
    # A setting that has a name and an alias among these is one object.
    keys = sorted({settings[name].name if name in settings else name for name in names})
    objects: list[JSONObject] = [{"kind": SETTING, "key": key, "has_rules": key in deleted} for key in keys]
    rules = reader.find_rules(frozenset(lookups.rule_ids))
    for rule_id in sorted(frozenset(lookups.rule_ids)):
        setting = rules[rule_id].setting if rule_id in rules else None
        objects.append({"kind": RULE, "key": str(rule_id), "setting": setting})
    homes = reader.find_settings({name for name, _ in lookups.rules})
    wanted = {
        make_rule_key(homes[name].name, conditions): conditions for name, conditions in lookups.rules if name in homes
    }
    for (setting, _), conditions in wanted.items():
        objects.append({"kind": RULE, "key": None, "setting": setting, "feature_values": _sort(conditions)})
    if has_features:
        objects.append({"kind": CONTEXT_FEATURES, "key": ""})
    present = _Present(reader, objects)
    return [{**each, "content": present.find(each)} for each in objects]


def find_conflicts(reader: Reader, objects: Sequence[JSON], since: int) -> list[JSONObject]:
    """Return which objects are not what was remembered of them: each in words, with what has changed it.

    Args:
        reader: has the objects and the log.
        objects: what was remembered.
        since: the revision after which changes are told.
    """
    remembered = cast("Sequence[JSONObject]", objects)
    present = _Present(reader, remembered)
    changed = [each for each in remembered if json_key(present.find(each)) != json_key(each["content"])]
    return [_tell(reader, each, present, since) for each in changed[:_MAX_CONFLICTS]]


def list_subjects(objects: Iterable[JSONObject], rule_ids: Iterable[int] = ()) -> set[str]:
    """Return the texts by which other proposals and writes find a proposal that is about some objects.

    Args:
        objects: what was remembered.
        rule_ids: of rules that are deleted with their settings.
    """
    subjects = {_name_rule(str(rule_id)) for rule_id in rule_ids}
    for each in objects:
        kind, key = each["kind"], each["key"]
        if kind == RULE and key is None:
            pairs = dict(cast("list[tuple[str, str]]", each["feature_values"]))
            subjects.add(_name_conditions(str(each["setting"]), pairs))
        elif kind == RULE:
            subjects.add(_name_rule(str(key)))
        else:
            subjects.add(_name_other(str(kind), str(key)))
        if (setting := key if kind == SETTING else each.get("setting")) is not None:
            subjects.add(name_home(str(setting)))
    return subjects


def list_subjects_of(changes: Iterable[LoggedChange]) -> set[str]:
    """Return the texts by which proposals are found that are about the same objects as some changes."""
    return {subject for change in changes for subject in _list_subjects_of(change)}


def name_home(setting: str) -> str:
    """Return the text by which proposals are found that are about a setting (canonical name) or its rules."""
    return f"of {setting}"


def _list_subjects_of(change: LoggedChange) -> Iterator[str]:
    if change.kind != RULE:
        former = (change.before or {}).get("name", change.key)
        yield from {_name_other(change.kind, name) for name in (change.key, str(former))}
        return
    yield _name_rule(change.key)
    if change.before is None and change.after is not None:
        pairs = cast("list[tuple[str, str]]", change.after["feature_values"])
        yield _name_conditions(change.setting, dict(pairs))


def _name_rule(key: str) -> str:
    return f"{RULE} {key}"


def _name_conditions(setting: str, conditions: Conditions) -> str:
    return f"{RULE} of {setting} {encode(_sort(conditions)).decode()}"


def _name_other(kind: str, key: str) -> str:
    return f"{kind} {key}"


class _Present:
    """The objects that are remembered, as they are: each kind of them is read at once.

    Args:
        reader: has them.
        objects: which they are.
    """

    def __init__(self, reader: Reader, objects: Collection[Mapping[str, JSON]]) -> None:
        self._reader = reader
        self._settings = reader.find_settings([str(each["key"]) for each in objects if each["kind"] == SETTING])
        ids = [int(str(each["key"])) for each in objects if each["kind"] == RULE and each["key"] is not None]
        self._rules = reader.find_rules(ids) if ids else {}
        new = [_read_place(each) for each in objects if each["kind"] == RULE and each["key"] is None]
        twins = reader.find_rules_by_conditions(new) if new else []
        self._twins = {make_rule_key(twin.setting, twin.conditions): twin for twin in twins}

    def find(self, each: Mapping[str, JSON]) -> JSON:
        """Return the content of an object; ``None`` if it is not there."""
        if each["kind"] == CONTEXT_FEATURES:
            return {"context_features": list(self._reader.context_features())}
        if each["kind"] == SETTING:
            setting = self._settings.get(str(each["key"]))
            return None if setting is None else self._write_setting(setting, has_rules=bool(each["has_rules"]))
        rule = self.find_rule(each)
        return None if rule is None else _write_rule(rule)

    def find_rule(self, each: Mapping[str, JSON]) -> RuleRecord | None:
        """Return a rule, or the one that has the conditions of one to add."""
        if each["key"] is None:
            return self._twins.get(make_rule_key(*_read_place(each)))
        return self._rules.get(int(str(each["key"])))

    def _write_setting(self, setting: SettingRecord, *, has_rules: bool) -> JSONObject:
        content = setting_to_json(setting, sorted(setting.configurable_features))
        if has_rules:
            rules = self._reader.rules([setting.name])
            content["rules"] = sorted((_write_rule(rule) for rule in rules), key=encode)
        return content


def _write_rule(rule: RuleRecord) -> JSONObject:
    # Without its setting: to call that by another name changes no rule.
    content = rule_to_json(rule, sorted(rule.conditions))
    del content["setting"]
    return content


def _read_place(each: Mapping[str, JSON]) -> tuple[str, Conditions]:
    return str(each["setting"]), dict(cast("Any", each["feature_values"]))


def _sort(conditions: Conditions) -> list[JSON]:
    return [[feature, conditions[feature]] for feature in sorted(conditions)]


def _tell(reader: Reader, each: JSONObject, present: _Present, since: int) -> JSONObject:
    rule = present.find_rule(each) if each["kind"] == RULE else None
    selection = _select(each, rule, since)
    entries = reader.select(selection, None, _MAX_ENTRIES, _MAX_PARTS, _MAX_BYTES)
    form = ChangeForm(reader, list_changed_rules(change for entry in entries for change in entry.changes))
    changes = [form.write_entry(ToldEntry(entry, entry.changes, entry.size)) for entry in entries]
    names = sorted({entry.origin.actor or "somebody unknown" for entry in entries})
    by = f", by {' and '.join(names)}" if names else ""
    return {
        "kind": each["kind"],
        "key": each["key"],
        "setting": each.get("setting"),
        "message": f"{_describe(each, rule, is_there=present.find(each) is not None)}{by}",
        "changes": cast("list[JSON]", changes),
    }


def _select(each: JSONObject, rule: RuleRecord | None, since: int) -> Selection:
    if each["kind"] == CONTEXT_FEATURES:
        return Selection(since, kinds=(CONTEXT_FEATURES,))
    if each["kind"] == SETTING:
        return Selection(since, str(each["key"]), kinds=None if each["has_rules"] else (SETTING,))
    return Selection(since, rule_id=rule.rule_id if rule is not None else int(str(each["key"] or 0)))


def _describe(each: JSONObject, rule: RuleRecord | None, *, is_there: bool) -> str:
    if each["kind"] == CONTEXT_FEATURES:
        return "the list of context features was changed since"
    if each["kind"] == RULE and each["key"] is None:
        return (
            f"rule {rule.rule_id} of setting {each['setting']!r} has these conditions since"
            if rule is not None
            else f"the rule of setting {each['setting']!r} with these conditions was deleted since"
        )
    what = f"setting {each['key']!r}" if each["kind"] == SETTING else f"rule {each['key']}"
    if not is_there:
        return f"{what} was deleted since"
    return f"{what} was added since" if each["content"] is None else f"{what} was changed since"
