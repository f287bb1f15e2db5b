"""Rules of settings, apart from their metadata."""

import json
from dataclasses import replace

from heksher.server.access.grants import Role
from heksher.server.errors import DuplicateError, InvalidInputError, NotAcceptableError, NotFoundError
from heksher.server.json_form import JSONObject, rule_to_json
from heksher.server.operations import logged_change
from heksher.server.operations.lookup import find_setting, get_rule, get_rule_of_setting
from heksher.server.operations.metadata import Metadata
from heksher.server.operations.permission import require
from heksher.server.operations.policies import require_reviewed
from heksher.server.operations.tagged import Tagged, tag
from heksher.server.operations.value_limits import require_value_within
from heksher.server.storage.base import Conditions, Origin, Reader, Storage, Writer, Written
from heksher.value_type import JSON, json_key, parse_value_type, shorten


def get(storage: Storage, rule_id: int) -> Tagged[JSONObject]:
    """Return the JSON form of one rule, with its tag.

    Raises:
        NotFoundError: the rule does not exist.
    """

    def work(reader: Reader) -> Tagged[JSONObject]:
        rule = get_rule(reader, rule_id)
        return tag(reader, rule_to_json(rule, reader.context_features()), rule.revision)

    return storage.read(work)


def search(storage: Storage, setting_name: str, conditions: Conditions) -> int:
    """Return the id of the rule of a setting that has exactly these conditions.

    Raises:
        NotFoundError: there is no such rule, or no such setting.
    """

    def work(reader: Reader) -> int:
        setting = find_setting(reader, setting_name)
        rule = None if setting is None else reader.find_rule_by_conditions(setting.name, conditions)
        if rule is None:
            raise NotFoundError("there is no rule with exactly these conditions", "rule")
        return rule.rule_id

    return storage.read(work)


def add(
    storage: Storage, setting_name: str, conditions: Conditions, value: JSON, metadata: Metadata, origin: Origin
) -> Written[int]:
    """Add a rule with at least one condition to a setting, and return its id.

    Raises:
        InvalidInputError: the setting does not exist.
        NotPermittedError: who asks may not edit this setting's rules.
        NotAcceptableError: the setting is not configurable by a feature, or the value is not of its type or
            breaks its limits.
        DuplicateError: the setting has a rule with these conditions.
        FullError: there is no room for another rule.
    """

    def work(writer: Writer) -> int:
        setting = find_setting(writer, setting_name)
        if setting is None:
            raise InvalidInputError(f"there is no setting named {shorten(repr(setting_name))}", ("setting",))
        require(origin, Role.EDIT, setting.name)
        if foreign := sorted(conditions.keys() - setting.configurable_features):
            raise NotAcceptableError(
                f"setting {setting.name!r} is not configurable by {foreign}, only by"
                f" {sorted(setting.configurable_features)}"
            )
        _check_value(setting.name, setting.type, setting.metadata, value)
        if writer.find_rule_by_conditions(setting.name, conditions):
            raise DuplicateError("rule already exists")
        writer.require_room(rules=1)
        require_reviewed(writer, origin, setting.name)
        rule = writer.add_rule(setting.name, conditions, value, metadata)
        writer.record(logged_change.add_rule(rule, writer.context_features()))
        return rule.rule_id

    return storage.write(work, origin)


def set_value(storage: Storage, rule_id: int, value: JSON, origin: Origin) -> Written[None]:
    """Change the value of a rule.

    Raises:
        NotFoundError: the rule does not exist.
        NotPermittedError: who asks may not edit this setting's rules.
        NotAcceptableError: the value is not of the setting's type, or breaks its limits.
    """

    def work(writer: Writer) -> None:
        rule, value_type, setting_metadata = get_rule_of_setting(writer, rule_id)
        require(origin, Role.EDIT, rule.setting)
        _check_value(rule.setting, value_type, setting_metadata, value)
        if json_key(value) != json_key(rule.value):
            require_reviewed(writer, origin, rule.setting)
            changed = replace(rule, value=value)
            writer.replace_rule(changed)
            writer.record(logged_change.change_rule("set value", rule, changed, writer.context_features()))

    return storage.write(work, origin)


def delete(storage: Storage, rule_id: int, origin: Origin) -> Written[None]:
    """Delete a rule.

    Raises:
        NotFoundError: the rule does not exist.
        NotPermittedError: who asks may not edit this setting's rules.
    """

    def work(writer: Writer) -> None:
        rule = get_rule(writer, rule_id)
        require(origin, Role.EDIT, rule.setting)
        require_reviewed(writer, origin, rule.setting)
        writer.delete_rule(rule_id)
        writer.record(logged_change.delete_rule(rule, writer.context_features()))

    return storage.write(work, origin)


def _check_value(setting: str, value_type: str, setting_metadata: Metadata, value: JSON) -> None:
    if not parse_value_type(value_type).accepts(value):
        raise NotAcceptableError(
            f"{shorten(json.dumps(value))} is not a value of setting {setting!r}, whose type is {shorten(value_type)}"
        )
    require_value_within(setting, setting_metadata, value)
