"""Units of reading work on an SQL database: the methods of a reader inside its transaction.

Statements are built once, in this module, because building one costs more than running it. No method sends a statement
per setting.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Connection, Select, bindparam, func, literal, null, select, tuple_, union_all

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords, PolicyRecord
from heksher.server.storage.base import (
    Conditions,
    LastChange,
    LogEntry,
    LoggedChange,
    Reader,
    RuleOfSetting,
    RuleRecord,
    Selection,
    SettingRecord,
)
from heksher.server.storage.dialect import MAX_BIG_KEY, Dialect
from heksher.server.storage.json_text import decode_json, decode_json_object, is_storable
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord, ProposalState
from heksher.server.storage.sql_access import SqlAccess
from heksher.server.storage.sql_history import SqlHistory
from heksher.server.storage.sql_log import SqlLog
from heksher.server.storage.sql_proposals import SqlProposals
from heksher.server.storage.sql_statements import AnyRow, Query, Statements, digest_conditions, in_batches
from heksher.server.storage.sql_usage import SqlUsage
from heksher.server.storage.sql_webhooks import SqlWebhooks
from heksher.server.storage.tables import (
    CONTEXT_FEATURE,
    RULE,
    SETTING,
    SETTING_FEATURE,
    SETTING_NAME,
    WRITE_STATE,
)
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord

_FEATURES_REVISION: Final = select(WRITE_STATE.c.features_revision)
_FEATURES: Final = select(CONTEXT_FEATURE.c.name).order_by(CONTEXT_FEATURE.c.position)
_SETTING_COUNT: Final = select(func.count().label("found")).select_from(SETTING)
_RULE_COUNT: Final = select(func.count().label("found")).select_from(RULE)
_SETTINGS: Final = select(SETTING)
_SETTING_NAMES: Final = select(SETTING_NAME.c.setting_id, SETTING_NAME.c.name)
_SETTING_FEATURES: Final = select(SETTING_FEATURE.c.setting_id, SETTING_FEATURE.c.feature.label("name"))
_ID_BY_NAME: Final = select(SETTING_NAME.c.setting_id).where(SETTING_NAME.c.name == bindparam("name"))
_ASKED_IDS: Final = select(SETTING_NAME.c.setting_id).where(SETTING_NAME.c.name.in_(bindparam("names", expanding=True)))
# The parts of some settings in one statement: each setting's attributes, its names, and what it is configurable by.
_ATTRIBUTES: Final = "attributes"
_NAME: Final = "name"
_CONFIGURABLE_BY: Final = "feature"
_NONE: Final = (null(), null(), null(), null(), null())
_PARTS_OF_SETTINGS: Final = union_all(
    select(
        literal(_ATTRIBUTES).label("part"),
        SETTING.c.id.label("setting_id"),
        SETTING.c.name,
        SETTING.c.type,
        SETTING.c.default_value,
        SETTING.c.version,
        SETTING.c.metadata,
        SETTING.c.revision,
    ).where(SETTING.c.id.in_(_ASKED_IDS)),
    select(literal(_NAME), SETTING_NAME.c.setting_id, SETTING_NAME.c.name, *_NONE).where(
        SETTING_NAME.c.setting_id.in_(_ASKED_IDS)
    ),
    select(literal(_CONFIGURABLE_BY), SETTING_FEATURE.c.setting_id, SETTING_FEATURE.c.feature, *_NONE).where(
        SETTING_FEATURE.c.setting_id.in_(_ASKED_IDS)
    ),
)
_RULES: Final = select(
    RULE.c.id, SETTING.c.name.label("setting"), RULE.c.conditions, RULE.c.value, RULE.c.metadata, RULE.c.revision
).join(SETTING)
_RULES_OF_SETTINGS: Final = _RULES.where(SETTING.c.name.in_(bindparam("names", expanding=True)))
_CONDITIONS: Final = select(RULE.c.id, RULE.c.conditions).where(RULE.c.id.in_(bindparam("rule_ids", expanding=True)))
_RULE_BY_ID: Final = _RULES.add_columns(RULE.c.setting_id).where(RULE.c.id == bindparam("rule_id"))
_RULE_OF_SETTING_BY_ID: Final = _RULE_BY_ID.add_columns(SETTING.c.type, SETTING.c.metadata.label("setting_metadata"))
_RULES_BY_IDS: Final = _RULES.where(RULE.c.id.in_(bindparam("rule_ids", expanding=True)))
_RULES_BY_KEYS: Final = _RULES.where(
    tuple_(RULE.c.setting_id, RULE.c.conditions_digest).in_(bindparam("keys", expanding=True))
)
_RULE_BY_CONDITIONS: Final = _RULES.where(
    SETTING.c.name == bindparam("setting"), RULE.c.conditions_digest == bindparam("digest")
)


class SqlReader(Reader):
    """The state as one transaction sees it."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._statements = Statements(connection, dialect)
        self._log = SqlLog(self._statements)
        self._history = SqlHistory(self._statements)
        self._access = SqlAccess(self._statements)
        self._webhooks = SqlWebhooks(self._statements)
        self._proposals = SqlProposals(self._statements)
        self._usage = SqlUsage(self._statements)
        # The numbers of settings by canonical name, as far as they are known.
        self._setting_ids: dict[str, int] = {}

    def revision_id(self) -> RevisionId:
        return self._log.revision_id()

    def context_features(self) -> tuple[str, ...]:
        return tuple(row.name for row in self._statements.fetch(_FEATURES))

    def features_revision(self) -> int:
        return int(self._statements.fetch(_FEATURES_REVISION)[0].features_revision)

    def last_change(self, revision: int) -> LastChange | None:
        return self._log.find_last_change(revision)

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        forgotten = self._log.find_forgotten(kind, key)
        return None if forgotten is None or self._log.find_last(kind, key) else forgotten.action

    def access(self) -> AccessRecords:
        return self._access.read()

    def policies(self) -> tuple[PolicyRecord, ...]:
        return self._access.list_policies()

    def webhooks(self) -> tuple[WebhookRecord, ...]:
        return self._webhooks.list_webhooks()

    def deliveries(self) -> tuple[DeliveryRecord, ...]:
        return self._webhooks.list_deliveries()

    def find_lease(self, task: str) -> LeaseRecord:
        return self._webhooks.find_lease(task)

    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> list[ProposalRecord]:
        return self._proposals.list_page(state, before_id, limit, subjects)

    def find_proposal(self, proposal_id: int) -> ProposalRecord | None:
        return self._proposals.find(proposal_id)

    def proposal_content(self, proposal_id: int) -> ProposalContent | None:
        return self._proposals.find_content(proposal_id)

    def due_proposals(self, now: datetime, limit: int = 100) -> list[int]:
        return self._proposals.list_due(now, limit)

    def next_proposal_time(self, now: datetime) -> datetime | None:
        return self._proposals.find_next_time(now)

    def proposals_about(self, subjects: Collection[str]) -> list[int]:
        return self._proposals.list_about(subjects)

    def proposals_after(self, proposal_id: int) -> list[int]:
        return self._proposals.list_after(proposal_id)

    def count_open_proposals(self) -> int:
        return self._proposals.count_open()

    def counted_since(self) -> datetime | None:
        return self._usage.find_start()

    def setting_uses(self, names: Collection[str] | None = None) -> dict[str, SettingUse]:
        return self._usage.list_uses(names)

    def clients(self) -> list[ClientRecord]:
        return self._usage.list_clients()

    def find_setting(self, name: str) -> SettingRecord | None:
        return self.find_settings((name,)).get(name)

    def find_settings(self, names: Collection[str]) -> dict[str, SettingRecord]:
        found: dict[str, SettingRecord] = {}
        for batch in in_batches(name for name in frozenset(names) if is_storable(name)):
            parts: dict[str, list[AnyRow]] = {_ATTRIBUTES: [], _NAME: [], _CONFIGURABLE_BY: []}
            for row in self._statements.fetch(_PARTS_OF_SETTINGS, {"names": batch}):
                parts[row.part].append(row)
            names_by_id = _group_by_setting(parts[_NAME])
            features = _group_by_setting(parts[_CONFIGURABLE_BY])
            for row in parts[_ATTRIBUTES]:
                self._setting_ids[row.name] = row.setting_id
                setting = _read_setting(row, names_by_id[row.setting_id], features[row.setting_id])
                found.update((name, setting) for name in frozenset(names_by_id[row.setting_id]).intersection(batch))
        return found

    def settings(self) -> list[SettingRecord]:
        names = _group_by_setting(self._statements.fetch(_SETTING_NAMES))
        features = _group_by_setting(self._statements.fetch(_SETTING_FEATURES))
        settings = [_read_setting(row, names[row.id], features[row.id]) for row in self._statements.fetch(_SETTINGS)]
        # Sorted here, because databases sort by the rules of a language.
        return sorted(settings, key=lambda setting: setting.name)

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        rules = map(_read_rule, self._statements.fetch(_RULES) if settings is None else self._fetch_rules_of(settings))
        return sorted(rules, key=lambda rule: rule.rule_id)

    def count_settings(self) -> int:
        return int(self._statements.fetch(_SETTING_COUNT)[0].found)

    def count_rules(self) -> int:
        return int(self._statements.fetch(_RULE_COUNT)[0].found)

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        return _read_first_rule(self._fetch_rule(rule_id, _RULE_BY_ID))

    def find_rule_of_setting(self, rule_id: int) -> RuleOfSetting | None:
        rows = self._fetch_rule(rule_id, _RULE_OF_SETTING_BY_ID)
        if not rows:
            return None
        row = rows[0]
        return RuleOfSetting(_read_rule(row), row.type, decode_json_object(row.setting_metadata))

    def find_rules(self, rule_ids: Collection[int]) -> dict[int, RuleRecord]:
        rows = self._fetch_by_ids(_RULES_BY_IDS, rule_ids)
        return {row.id: _read_rule(row) for row in rows}

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        if not is_storable(setting):
            return None
        parameters = {"setting": setting, "digest": digest_conditions(conditions)}
        return _read_first_rule(self._statements.fetch(_RULE_BY_CONDITIONS, parameters))

    def find_rules_by_conditions(self, wanted: Collection[tuple[str, Conditions]]) -> list[RuleRecord]:
        self.find_settings({setting for setting, _ in wanted}.difference(self._setting_ids))
        keys = {
            (self._setting_ids[setting], digest_conditions(conditions))
            for setting, conditions in wanted
            if setting in self._setting_ids
        }
        return [
            _read_rule(row)
            for some in in_batches(keys)
            for row in self._statements.fetch(_RULES_BY_KEYS, {"keys": some})
        ]

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        return self._log.list_forwards(after_revision, limit, max_changes)

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        if selection.setting is not None:
            subject = self._find_subject(selection.setting)
            wanted = selection.subjects
            found = [] if subject is None or not (wanted is None or subject in wanted) else [subject]
            selection = replace(selection, subjects=found)
        return self._history.select(selection, before_revision, limit, max_changes, max_bytes)

    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        return self._history.list_changes(revision, first, limit, max_bytes)

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        return self._history.list_changed_subjects(after_revision, until_revision, after_subject, max_changes)

    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        rows = self._fetch_by_ids(_CONDITIONS, rule_ids)
        found: dict[int, Conditions] = {row.id: _read_conditions(row.conditions) for row in rows}
        return {**self._history.find_deleted(frozenset(rule_ids).difference(found)), **found}

    def _find_subject(self, name: str) -> int | None:
        """Return the number of the setting that has a name, or else of the one that had it last."""
        if not is_storable(name):
            return None
        for row in self._statements.fetch(_ID_BY_NAME, {"name": name}):
            return int(row.setting_id)
        return self._log.find_last_id(name)

    def _fetch_rule(self, rule_id: int, statement: Select[Any]) -> Sequence[AnyRow]:
        rows = self._statements.fetch(statement, {"rule_id": rule_id}) if _can_be_id(rule_id) else ()
        self._setting_ids.update((row.setting, row.setting_id) for row in rows)
        return rows

    def _fetch_by_ids(self, statement: Query, rule_ids: Collection[int]) -> Iterator[AnyRow]:
        for batch in in_batches(rule_id for rule_id in frozenset(rule_ids) if _can_be_id(rule_id)):
            yield from self._statements.fetch(statement, {"rule_ids": batch})

    def _fetch_rules_of(self, settings: Iterable[str]) -> Iterator[AnyRow]:
        for names in in_batches(name for name in frozenset(settings) if is_storable(name)):
            yield from self._statements.fetch(_RULES_OF_SETTINGS, {"names": names})


def _can_be_id(rule_id: int) -> bool:
    # An integer too large for the column is no rule's id, but the database would raise an error.
    return 0 < rule_id <= MAX_BIG_KEY


def _group_by_setting(rows: Iterable[AnyRow]) -> defaultdict[int, list[str]]:
    """Return the names in some rows by the number of their setting."""
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows:
        groups[row.setting_id].append(row.name)
    return groups


def _read_setting(row: AnyRow, names: Iterable[str], features: Iterable[str]) -> SettingRecord:
    return SettingRecord(
        name=row.name,
        type=row.type,
        default_value=decode_json(row.default_value),
        configurable_features=frozenset(features),
        version=row.version,
        metadata=decode_json_object(row.metadata),
        aliases=frozenset(names).difference({row.name}),
        revision=row.revision,
    )


def _read_first_rule(rows: Sequence[AnyRow]) -> RuleRecord | None:
    return _read_rule(rows[0]) if rows else None


def _read_rule(row: AnyRow) -> RuleRecord:
    return RuleRecord(
        rule_id=row.id,
        setting=row.setting,
        conditions=_read_conditions(row.conditions),
        value=decode_json(row.value),
        metadata=decode_json_object(row.metadata),
        revision=row.revision,
    )


def _read_conditions(text: str) -> Conditions:
    return cast("Conditions", decode_json_object(text))
