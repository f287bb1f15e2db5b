"""Units of writing work on an SQL database: the methods of a writer inside its transaction.

The database's constraints ensure that names and rules are unique and that features are in the list, whatever a program
does. This module checks only what no constraint can: whether the object to change exists.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import PersonRecord, PolicyRecord, TokenRecord
from heksher.server.storage.base import RULE as RULE_KIND
from heksher.server.storage.base import Conditions, LoggedChange, Origin, RuleRecord, SettingRecord, Writer, Written
from heksher.server.storage.ceilings import Counts
from heksher.server.storage.dialect import Dialect
from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.sql_identity import SqlIdentity
from heksher.server.storage.sql_log import SqlLogAppender
from heksher.server.storage.sql_notes import SqlNotes
from heksher.server.storage.sql_statements import digest_conditions, in_batches, write_conditions
from heksher.server.storage.sql_write_state import read_write_state
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import (
    CONTEXT_FEATURE,
    RULE,
    SETTING,
    SETTING_FEATURE,
    SETTING_NAME,
    WRITE_STATE,
)
from heksher.server.storage.unit import UnitOfWork, require_new_ids, require_same_rule, require_storable
from heksher.server.storage.webhook_records import WebhookRecord
from heksher.value_type import JSON, shorten

T = TypeVar("T")

_SET_WRITE_STATE: Final = update(WRITE_STATE)

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

_ADD_RULE: Final = insert(RULE)
_REPLACE_RULE: Final = update(RULE).where(
    RULE.c.id == bindparam("rule_id"),
    RULE.c.conditions_digest == bindparam("digest"),
    RULE.c.setting_id == _SETTING_ID.scalar_subquery(),
)
_DELETE_RULES: Final = delete(RULE).where(RULE.c.id.in_(bindparam("rule_ids", expanding=True)))


class Clock(NamedTuple):
    """The parts of a log entry that do not come from the unit of work."""

    now: Callable[[], datetime]
    stamp: Callable[[], str]


class SqlWriter(SqlNotes, Writer):
    """The state as one transaction sees and changes it. Call ``lock()`` first and ``finish()`` last."""

    def __init__(
        self, connection: Connection, dialect: Dialect, unit: UnitOfWork, origin: Origin, clock: Clock
    ) -> None:
        super().__init__(connection, dialect)
        self._unit = unit
        self._appender = SqlLogAppender(self._statements, origin, clock.now, clock.stamp)
        # The new and the stored contents of the only row of write_state.
        self._counters: dict[str, int] = {}
        self._stored_counters: dict[str, int] = {}
        # The newest revision before this unit of work. No other writer can create one meanwhile.
        self._old_revision = RevisionId(0)
        self._features: tuple[str, ...] = ()
        self._has_policies = False
        self._identity = SqlIdentity(self._statements, self._log, self._setting_ids, self._counters)

    def lock(self) -> None:
        """Wait until no other transaction writes, and keep others from writing until this one ends.

        Raises:
            SchemaChangedError: the schema is not the one that this process works with any more.
        """
        self._statements.lock_writers()
        # Another statement than the one that locks: what it reads has to be as new as the lock, which a migration takes
        # as well.
        state = read_write_state(self._statements)
        self._stored_counters = state.counters
        self._counters.update(state.counters)
        self._old_revision, self._features, self._has_policies = state.newest, state.features, state.has_policies

    def make_written(self, result: T) -> Written[T]:
        """Return the result of the unit of work with what it has appended to the log."""
        previous_stamp = self._old_revision.stamp or None if self._unit.has_record else None
        is_change = self._unit.has_record
        return Written(result, *self.revision_id(), self._appender.entry, previous_stamp, is_change=is_change)

    def finish(self) -> None:
        """Store the counters that the unit of work changed. Call this before the transaction is committed."""
        if self._counters != self._stored_counters:
            self._statements.run_later(_SET_WRITE_STATE, self._counters, "storing the last ids")

    def revision_id(self) -> RevisionId:
        if self._unit.has_record:
            return RevisionId(self._new_revision, self._appender.stamp)
        return self._old_revision

    def features_revision(self) -> int:
        return self._counters["features_revision"]

    def context_features(self) -> tuple[str, ...]:
        return self._features

    def policies(self) -> tuple[PolicyRecord, ...]:
        return super().policies() if self._has_policies else ()

    @property
    def _new_revision(self) -> int:
        """The revision that this unit of work creates."""
        return self._old_revision.number + 1

    def set_context_features(self, features: Sequence[str]) -> None:
        with self._unit.change():
            if len(set(features)) < len(features):
                raise ContractError(f"a context feature stands twice in {list(features)}")
            doing = f"making the list of context features {list(features)}"
            positions = {feature: position for position, feature in enumerate(features)}
            stored = set(self._features)
            self._statements.run_each(
                _DELETE_FEATURE, ({"feature": feature} for feature in stored.difference(features)), doing
            )
            # Two features must never have the same position, not even between two statements.
            self._statements.run(_FREE_POSITIONS, {}, doing)
            kept = stored.intersection(features)
            self._statements.run_each(_MOVE_FEATURE, ({"feature": name, "to": positions[name]} for name in kept), doing)
            added = positions.keys() - stored
            self._statements.run_each(
                _ADD_FEATURE, ({"name": name, "position": positions[name]} for name in added), doing
            )
            self._features = tuple(features)
            self._counters["features_revision"] = self._new_revision

    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        self._unit.room.take(self, Counts(settings, rules))

    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        if subject is None:
            self.add_settings((setting,))
            return
        with self._unit.change():
            self._add_settings([(self._identity.revive(setting.name, subject), setting)])

    def add_settings(self, settings: Collection[SettingRecord]) -> None:
        with self._unit.change():
            for some in in_batches(settings):
                numbers = self._identity.choose([setting.name for setting in some])
                self._add_settings(list(zip(numbers, some, strict=True)))

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        with self._unit.change():
            doing = f"replacing setting {name!r}"
            setting_id = self._identity.find(name)
            key = {"setting_id": setting_id}
            self._statements.run_later(_DELETE_NAMES, key, doing)
            self._statements.run_later(_DELETE_CONFIGURABLE, key, doing)
            self._statements.run_later(_REPLACE_SETTING, {**key, **self._make_setting_row(setting)}, doing)
            self._add_names_and_features([(setting_id, setting)])
            self._identity.rename(name, setting.name)

    def delete_setting(self, name: str) -> None:
        with self._unit.change():
            self._identity.remove(name)
            self._statements.run(_DELETE_SETTING, {"setting": name}, f"deleting setting {name!r}")

    def next_rule_id(self) -> int:
        return self._counters["last_rule_id"] + 1

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        with self._unit.change():
            new_id = self.next_rule_id() if rule_id is None else rule_id
            row = self._make_rule_row(RuleRecord(new_id, setting, conditions, value, metadata))
            if rule_id is not None:
                require_same_rule(rule_id, row["setting_id"], conditions, self._log.find_last(RULE_KIND, str(rule_id)))
            doing = f"adding a rule with the conditions {dict(conditions)} to setting {setting!r}"
            self._statements.run(_ADD_RULE, row, doing)
            self._counters["last_rule_id"] = max(self._counters["last_rule_id"], new_id)
            stored = decode_json(row["value"]), decode_json_object(row["metadata"])
            return RuleRecord(new_id, setting, dict(conditions), *stored, self._new_revision)

    def return_rules(self, rules: Collection[RuleRecord]) -> None:
        with self._unit.change():
            for some in in_batches(rules):
                last = self._log.find_last_of_each(RULE_KIND, [str(rule.rule_id) for rule in some])
                rows = [self._make_rule_row(rule) for rule in some]
                for rule, row in zip(some, rows, strict=True):
                    require_same_rule(rule.rule_id, row["setting_id"], rule.conditions, last.get(str(rule.rule_id)))
                self._statements.run_each(_ADD_RULE, rows, "adding rules again")

    def replace_rule(self, rule: RuleRecord) -> None:
        with self._unit.change():
            if not self._statements.run(_REPLACE_RULE, self._make_replacement(rule), f"replacing rule {rule.rule_id}"):
                raise ContractError(
                    f"there is no rule {rule.rule_id} of setting {rule.setting!r} with the conditions"
                    f" {dict(rule.conditions)}"
                )

    def replace_rules(self, rules: Collection[RuleRecord]) -> None:
        with self._unit.change():
            for some in in_batches(rules):
                rows = [self._make_replacement(rule) for rule in some]
                if self._statements.run(_REPLACE_RULE, rows, "replacing rules") != len(rows):
                    raise ContractError("a rule to replace is not there with its setting and its conditions")

    def delete_rule(self, rule_id: int) -> None:
        self.delete_rules((rule_id,))

    def delete_rules(self, rule_ids: Collection[int]) -> None:
        with self._unit.change():
            for some in in_batches(rule_ids):
                doing = f"deleting {len(some)} rules from {some[0]} on"
                if self._statements.run(_DELETE_RULES, {"rule_ids": some}, doing) != len(some):
                    raise ContractError(f"there is no rule {shorten(str(some))} to delete")

    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        with self._unit.change():
            rule_ids = [rule.rule_id for rule in rules]
            require_new_ids(rule_ids, self._counters["last_rule_id"], next_rule_id, self._is_logged)
            self.add_settings(settings)
            for batch in in_batches(rules):
                self._statements.run_each(_ADD_RULE, map(self._make_rule_row, batch), "loading rules")
            self._counters["last_rule_id"] = max(self._counters["last_rule_id"], next_rule_id - 1)

    def _is_logged(self, rule_id: int) -> bool:
        key = str(rule_id)
        return self._log.find_last(RULE_KIND, key) is not None or self._log.find_forgotten(RULE_KIND, key) is not None

    def put_token(self, token: TokenRecord) -> None:
        with self._unit.change():
            self._access.put_token(token, self._new_revision)

    def remove_token(self, name: str) -> None:
        with self._unit.change():
            self._access.remove_token(name)

    def put_person(self, person: PersonRecord) -> None:
        with self._unit.change():
            self._access.put_person(person, self._new_revision)

    def remove_person(self, name: str) -> None:
        with self._unit.change():
            self._access.remove_person(name)

    def set_signing_key(self, key: str) -> None:
        with self._unit.change():
            self._access.set_signing_key(key)

    def put_policy(self, policy: PolicyRecord) -> None:
        with self._unit.change():
            self._access.put_policy(policy, self._new_revision)
            self._has_policies = True

    def remove_policy(self, prefix: str) -> None:
        with self._unit.change():
            self._access.remove_policy(prefix)

    def put_webhook(self, webhook: WebhookRecord) -> None:
        with self._unit.change():
            self._webhooks.put_webhook(webhook, self._new_revision)

    def remove_webhook(self, name: str) -> None:
        with self._unit.change():
            self._webhooks.remove_webhook(name)

    def count_changes(self) -> int:
        return self._appender.size

    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        with self._unit.record():
            revision = self._new_revision
            if self._appender.append(revision, ((change, self._find_subject_of(change)) for change in changes)):
                self._unit.note_record()

    def _find_subject_of(self, change: LoggedChange) -> int | None:
        """Return the number of the setting that a change is about, after checking that the change can be stored."""
        require_storable(change)
        return self._identity.find_subject(change)

    def _add_settings(self, numbered: Sequence[tuple[int, SettingRecord]]) -> None:
        rows = [{"id": setting_id, **self._make_setting_row(setting)} for setting_id, setting in numbered]
        self._statements.run_each_later(_ADD_SETTING, rows, f"adding setting {numbered[0][1].name!r}")
        self._add_names_and_features(numbered)
        for setting_id, setting in numbered:
            self._identity.note(setting.name, setting_id)

    def _add_names_and_features(self, numbered: Sequence[tuple[int, SettingRecord]]) -> None:
        doing = f"making setting {numbered[0][1].name!r} configurable by its features"
        features = [
            {"setting_id": setting_id, "feature": feature}
            for setting_id, setting in numbered
            for feature in setting.configurable_features
        ]
        self._statements.run_each_later(_ADD_CONFIGURABLE, features, doing)
        # Names last, and at once: there are some in any case.
        names = [
            {"setting_id": setting_id, "name": name}
            for setting_id, setting in numbered
            for name in (setting.name, *setting.aliases)
        ]
        self._statements.run_each(_ADD_NAME, names, f"naming setting {numbered[0][1].name!r}")

    def _make_setting_row(self, setting: SettingRecord) -> dict[str, object]:
        return {
            "name": setting.name,
            "type": setting.type,
            "default_value": encode_json(setting.default_value),
            "version": setting.version,
            "metadata": encode_json(setting.metadata),
            "revision": self._new_revision,
        }

    def _make_replacement(self, rule: RuleRecord) -> dict[str, object]:
        return {
            "rule_id": rule.rule_id,
            "setting": rule.setting,
            "digest": digest_conditions(rule.conditions),
            "value": encode_json(rule.value),
            "metadata": encode_json(rule.metadata),
            "revision": self._new_revision,
        }

    def _make_rule_row(self, rule: RuleRecord) -> dict[str, Any]:
        return {
            "id": rule.rule_id,
            "setting_id": self._identity.find(rule.setting),
            "conditions_digest": digest_conditions(rule.conditions),
            "conditions": write_conditions(rule.conditions),
            "value": encode_json(rule.value),
            "metadata": encode_json(rule.metadata),
            "revision": self._new_revision,
        }
