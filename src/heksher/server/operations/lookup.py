"""Finds the objects that a request names, or raises an error."""

from heksher.server.errors import NotFoundError
from heksher.server.storage.base import Reader, RuleOfSetting, RuleRecord, SettingRecord
from heksher.value_type import shorten
from heksher.wire import can_be_stored_name


def find_setting(reader: Reader, name: str) -> SettingRecord | None:
    """Return the setting with a name or alias, which may be any text, or ``None``.

    A text that cannot be a name is not sent to the storage: databases refuse some texts (U+0000) with an error.
    """
    return reader.find_setting(name) if can_be_stored_name(name) else None


def get_setting(reader: Reader, name: str) -> SettingRecord:
    """Return the setting with a name or alias.

    Raises:
        NotFoundError: there is no such setting.
    """
    if setting := find_setting(reader, name):
        return setting
    raise NotFoundError(f"there is no setting named {shorten(repr(name))}", "setting")


def get_rule(reader: Reader, rule_id: int) -> RuleRecord:
    """Return the rule with an id.

    Raises:
        NotFoundError: there is no such rule.
    """
    if rule := reader.find_rule(rule_id):
        return rule
    raise _tell_no_rule()


def get_rule_of_setting(reader: Reader, rule_id: int) -> RuleOfSetting:
    """Return the rule with an id, with what its setting demands of its value.

    Raises:
        NotFoundError: there is no such rule.
    """
    if found := reader.find_rule_of_setting(rule_id):
        return found
    raise _tell_no_rule()


def _tell_no_rule() -> NotFoundError:
    return NotFoundError("there is no rule with this id", "rule")
