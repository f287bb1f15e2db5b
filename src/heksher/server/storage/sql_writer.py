"""Units of writing work on an SQL database: what a writer does inside its transaction.

That names and rules are unique, and that features are in the list, is judged by the database: its constraints hold
whatever a program does. Only what no constraint can see is asked here: whether the object to be changed is there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Delete, Insert, Update, bindparam, delete, insert, select, update

from heksher.server.storage.base import Conditions, LoggedChange, Origin, RuleRecord, SettingRecord, Writer
from heksher.server.storage.dialect import Dialect
from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.sql_reader import SqlReader, digest_conditions, write_conditions
from heksher.server.storage.storage_errors import ContractError, StorageCorruptError
from heksher.server.storage.tables import (
    CHANGE_LOG,
    CONTEXT_FEATURE,
    RULE,
    SETTING,
    SETTING_FEATURE,
    SETTING_NAME,
    WRITE_STATE,
)
from heksher.server.storage.unit import UnitOfWork
from heksher.value_type import JSON

_Parameters = Mapping[str, object] | Sequence[Mapping[str, object]]

_LOCK_WRITE_STATE: Final = select(WRITE_STATE.c.last_rule_id).with_for_update()
_SET_LAST_RULE_ID: Final = update(WRITE_STATE).values(last_rule_id=bindparam("last_rule_id"))

_FEATURE: Final = CONTEXT_FEATURE.c.name == bindparam("feature")
_ADD_FEATURE: Final = insert(CONTEXT_FEATURE)
_DELETE_FEATURE: Final = delete(CONTEXT_FEATURE).where(_FEATURE)
_FREE_POSITIONS: Final = update(CONTEXT_FEATURE).values(position=-1 - CONTEXT_FEATURE.c.position)
_MOVE_FEATURE: Final = update(CONTEXT_FEATURE).where(_FEATURE).values(position=bindparam("to"))

_SETTING: Final = SETTING.c.name == bindparam("setting")
_SETTING_ID: Final = select(SETTING.c.id).where(_SETTING)
_ADD_SETTING: Final = insert(SETTING)
_REPLACE_SETTING: Final = update(SETTING).where(SETTING.c.id == bindparam("setting_id"))
_DELETE_SETTING: Final = delete(SETTING).where(_SETTING)
_ADD_NAME: Final = insert(SETTING_NAME)
_DELETE_NAMES: Final = delete(SETTING_NAME).where(SETTING_NAME.c.setting_id == bindparam("setting_id"))
_ADD_CONFIGURABLE: Final = insert(SETTING_FEATURE)
_DELETE_CONFIGURABLE: Final = delete(SETTING_FEATURE).where(SETTING_FEATURE.c.setting_id == bindparam("setting_id"))

_RULE_TEXTS: Final = ("conditions_digest", "conditions", "value", "metadata")
# Inserts no row if there is no such setting, so the number of rows is asked for.
_ADD_RULE: Final = (
    insert(RULE)
    .from_select(
        ["id", "setting_id", *_RULE_TEXTS],
        select(
            bindparam("rule_id", type_=RULE.c.id.type),
            SETTING.c.id,
            *(bindparam(column, type_=RULE.c[column].type) for column in _RULE_TEXTS),
        ).where(_SETTING),
    )
    .execution_options(preserve_rowcount=True)
)
_REPLACE_RULE: Final = update(RULE).where(
    RULE.c.id == bindparam("rule_id"),
    RULE.c.conditions_digest == bindparam("digest"),
    RULE.c.setting_id == _SETTING_ID.scalar_subquery(),
)
_DELETE_RULE: Final = delete(RULE).where(RULE.c.id == bindparam("rule_id"))

_ADD_ENTRY: Final = insert(CHANGE_LOG)


class SqlWriter(SqlReader, Writer):
    """The state as one transaction sees and changes it. ``lock()`` comes first, ``finish()`` last."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        unit: UnitOfWork,
        origin: Origin,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__(connection, dialect)
        self._unit = unit
        self._origin = origin
        self._now = now
        # The newest id of a rule, and the one that the database knows of.
        self._last_rule_id = self._stored_rule_id = 0

    def lock(self) -> None:
        """Wait until no other transaction writes, and keep others from writing until this one ends."""
        rows = self._fetch(_LOCK_WRITE_STATE)
        if len(rows) != 1:
            raise StorageCorruptError(f"the table write_state of {self._dialect.place} has {len(rows)} rows, not one")
        self._last_rule_id = self._stored_rule_id = rows[0].last_rule_id

    def finish(self) -> None:
        """Store what a unit of work changes by the way; to be called before the transaction is committed."""
        if self._last_rule_id != self._stored_rule_id:
            self._run(_SET_LAST_RULE_ID, {"last_rule_id": self._last_rule_id}, "storing the last id of a rule")

    def set_context_features(self, features: Sequence[str]) -> None:
        with self._unit.change():
            if len(set(features)) < len(features):
                raise ContractError(f"a context feature stands twice in {list(features)}")
            doing = f"making the list of context features {list(features)}"
            positions = {feature: position for position, feature in enumerate(features)}
            stored = set(self.context_features())
            self._run_each(_DELETE_FEATURE, ({"feature": feature} for feature in stored.difference(features)), doing)
            # No two features ever have one position, not even between two statements.
            self._run(_FREE_POSITIONS, {}, doing)
            kept = stored.intersection(features)
            self._run_each(_MOVE_FEATURE, ({"feature": name, "to": positions[name]} for name in kept), doing)
            added = positions.keys() - stored
            self._run_each(_ADD_FEATURE, ({"name": name, "position": positions[name]} for name in added), doing)

    def add_setting(self, setting: SettingRecord) -> None:
        with self._unit.change():
            self._run(_ADD_SETTING, _setting_row(setting), f"adding setting {setting.name!r}")
            self._add_names_and_features(self._setting_id(setting.name), setting)

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        with self._unit.change():
            doing = f"replacing setting {name!r}"
            key = {"setting_id": self._setting_id(name)}
            self._run(_DELETE_NAMES, key, doing)
            self._run(_DELETE_CONFIGURABLE, key, doing)
            self._run(_REPLACE_SETTING, {**key, **_setting_row(setting)}, doing)
            self._add_names_and_features(key["setting_id"], setting)

    def delete_setting(self, name: str) -> None:
        with self._unit.change():
            if not self._run(_DELETE_SETTING, {"setting": name}, f"deleting setting {name!r}"):
                raise _no_setting(name)

    def add_rule(self, setting: str, conditions: Conditions, value: JSON, metadata: Mapping[str, JSON]) -> RuleRecord:
        with self._unit.change():
            doing = f"adding a rule with the conditions {dict(conditions)} to setting {setting!r}"
            value_text, metadata_text = encode_json(value), encode_json(metadata)
            row = {
                "rule_id": self._last_rule_id + 1,
                "setting": setting,
                "conditions_digest": digest_conditions(conditions),
                "conditions": write_conditions(conditions),
                "value": value_text,
                "metadata": metadata_text,
            }
            if not self._run(_ADD_RULE, row, doing):
                raise _no_setting(setting)
            self._last_rule_id += 1
            return RuleRecord(
                rule_id=self._last_rule_id,
                setting=setting,
                conditions=dict(conditions),
                value=decode_json(value_text),
                metadata=decode_json_object(metadata_text),
            )

    def replace_rule(self, rule: RuleRecord) -> None:
        with self._unit.change():
            parameters = {
                "rule_id": rule.rule_id,
                "setting": rule.setting,
                "digest": digest_conditions(rule.conditions),
                "value": encode_json(rule.value),
                "metadata": encode_json(rule.metadata),
            }
            if not self._run(_REPLACE_RULE, parameters, f"replacing rule {rule.rule_id}"):
                raise ContractError(
                    f"there is no rule {rule.rule_id} of setting {rule.setting!r} with the conditions"
                    f" {dict(rule.conditions)}"
                )

    def delete_rule(self, rule_id: int) -> None:
        with self._unit.change():
            if not self._run(_DELETE_RULE, {"rule_id": rule_id}, f"deleting rule {rule_id}"):
                raise ContractError(f"there is no rule {rule_id} to delete")

    def record(self, change: LoggedChange) -> None:
        with self._unit.record():
            row = {
                "revision": self.revision() + 1,
                "at": self._now().astimezone(UTC).isoformat(),
                "actor": encode_json(self._origin.actor),
                "reason": encode_json(self._origin.reason),
                "action": change.action,
                "kind": change.kind,
                "key": change.key,
                "before": encode_json(change.before),
                "after": encode_json(change.after),
            }
            self._run(_ADD_ENTRY, row, f"recording the change {change.action!r}")

    def _setting_id(self, name: str) -> int:
        for row in self._fetch(_SETTING_ID, {"setting": name}):
            return int(row.id)
        raise _no_setting(name)

    def _add_names_and_features(self, setting_id: int, setting: SettingRecord) -> None:
        doing = f"naming setting {setting.name!r}"
        names = (setting.name, *setting.aliases)
        self._run_each(_ADD_NAME, ({"setting_id": setting_id, "name": name} for name in names), doing)
        features = setting.configurable_features
        doing = f"making setting {setting.name!r} configurable by {sorted(features)}"
        rows = ({"setting_id": setting_id, "feature": feature} for feature in features)
        self._run_each(_ADD_CONFIGURABLE, rows, doing)

    def _run_each(self, statement: Insert | Update | Delete, rows: Iterable[Mapping[str, object]], doing: str) -> None:
        # To SQLAlchemy, an empty list of rows means one row of default values.
        if parameters := list(rows):
            self._run(statement, parameters, doing)

    def _run(self, statement: Insert | Update | Delete, parameters: _Parameters, doing: str) -> int:
        """Run a statement and give the number of rows that it changed."""
        with self._dialect.translating(doing):
            return self._connection.execute(statement, parameters).rowcount


def _setting_row(setting: SettingRecord) -> dict[str, object]:
    return {
        "name": setting.name,
        "type": setting.type,
        "default_value": encode_json(setting.default_value),
        "version": setting.version,
        "metadata": encode_json(setting.metadata),
    }


def _no_setting(name: str) -> ContractError:
    return ContractError(f"there is no setting with the canonical name {name!r}")
