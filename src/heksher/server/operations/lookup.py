"""Finding what a request names, or saying that it is not there."""

from heksher.server.errors import NotFoundError
from heksher.server.storage.base import Reader, RuleRecord, SettingRecord
from heksher.value_type import shorten
from heksher.wire import is_setting_name


def find_setting(reader: Reader, name: str) -> SettingRecord | None:
    """Find a setting by its name or an alias, which may be any text.

    A text that can be no name is not handed to the storage: databases refuse some of them (U+0000) with an error.
    """
    return reader.find_setting(name) if is_setting_name(name) else None


def get_setting(reader: Reader, name: str) -> SettingRecord:
    """Find a setting by its name or an alias.

    Raises:
        NotFoundError: there is none.
    """
    if setting := find_setting(reader, name):
        return setting
    raise NotFoundError(f"there is no setting named {shorten(repr(name))}", "setting")


def get_rule(reader: Reader, rule_id: int) -> RuleRecord:
    """Find a rule by its id.

    Raises:
        NotFoundError: there is none.
    """
    if rule := reader.find_rule(rule_id):
        return rule
    raise NotFoundError("there is no rule with this id", "rule")
