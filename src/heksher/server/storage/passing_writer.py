"""A writer that passes everything on to another one, for those that do some of it in another way."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords, PersonRecord, PolicyRecord, TokenRecord
from heksher.server.storage.base import (
    Conditions,
    LastChange,
    LogEntry,
    LoggedChange,
    RuleRecord,
    Selection,
    SettingRecord,
    Writer,
)
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord, ProposalState
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord
from heksher.value_type import JSON


class PassingWriter(Writer):
    """Passes on what a unit of work reads and writes; what can be done for many at once, one by one.

    Args:
        inner: the writer of the unit.
    """

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    def revision_id(self) -> RevisionId:
        return self._inner.revision_id()

    def context_features(self) -> tuple[str, ...]:
        return self._inner.context_features()

    def features_revision(self) -> int:
        return self._inner.features_revision()

    def last_change(self, revision: int) -> LastChange | None:
        return self._inner.last_change(revision)

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        return self._inner.forgotten_deletion(kind, key)

    def access(self) -> AccessRecords:
        return self._inner.access()

    def policies(self) -> tuple[PolicyRecord, ...]:
        return self._inner.policies()

    def webhooks(self) -> tuple[WebhookRecord, ...]:
        return self._inner.webhooks()

    def deliveries(self) -> tuple[DeliveryRecord, ...]:
        return self._inner.deliveries()

    def find_lease(self, task: str) -> LeaseRecord:
        return self._inner.find_lease(task)

    def find_setting(self, name: str) -> SettingRecord | None:
        return self._inner.find_setting(name)

    def settings(self) -> list[SettingRecord]:
        return self._inner.settings()

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        return self._inner.rules(settings)

    def count_settings(self) -> int:
        return self._inner.count_settings()

    def count_rules(self) -> int:
        return self._inner.count_rules()

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        return self._inner.find_rule(rule_id)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        return self._inner.find_rule_by_conditions(setting, conditions)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        return self._inner.log(after_revision, limit, max_changes)

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        return self._inner.select(selection, before_revision, limit, max_changes, max_bytes)

    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        return self._inner.changes(revision, first, limit, max_bytes)

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        return self._inner.changed_subjects(after_revision, until_revision, after_subject, max_changes)

    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        return self._inner.find_conditions(rule_ids)

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        self._inner.note_token_uses(uses)

    def put_deliveries(self, deliveries: Collection[DeliveryRecord]) -> None:
        self._inner.put_deliveries(deliveries)

    def put_lease(self, lease: LeaseRecord) -> None:
        self._inner.put_lease(lease)

    def set_context_features(self, features: Sequence[str]) -> None:
        self._inner.set_context_features(features)

    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        self._inner.require_room(settings=settings, rules=rules)

    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        self._inner.add_setting(setting, subject)

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        self._inner.replace_setting(name, setting)

    def delete_setting(self, name: str) -> None:
        self._inner.delete_setting(name)

    def next_rule_id(self) -> int:
        return self._inner.next_rule_id()

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        return self._inner.add_rule(setting, conditions, value, metadata, rule_id)

    def replace_rule(self, rule: RuleRecord) -> None:
        self._inner.replace_rule(rule)

    def delete_rule(self, rule_id: int) -> None:
        self._inner.delete_rule(rule_id)

    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        self._inner.load(settings, rules, next_rule_id)

    def put_token(self, token: TokenRecord) -> None:
        self._inner.put_token(token)

    def remove_token(self, name: str) -> None:
        self._inner.remove_token(name)

    def put_person(self, person: PersonRecord) -> None:
        self._inner.put_person(person)

    def remove_person(self, name: str) -> None:
        self._inner.remove_person(name)

    def set_signing_key(self, key: str) -> None:
        self._inner.set_signing_key(key)

    def put_policy(self, policy: PolicyRecord) -> None:
        self._inner.put_policy(policy)

    def remove_policy(self, prefix: str) -> None:
        self._inner.remove_policy(prefix)

    def put_webhook(self, webhook: WebhookRecord) -> None:
        self._inner.put_webhook(webhook)

    def remove_webhook(self, name: str) -> None:
        self._inner.remove_webhook(name)

    def count_changes(self) -> int:
        return self._inner.count_changes()

    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        self._inner.record_all(changes)

    def counted_since(self) -> datetime | None:
        return self._inner.counted_since()

    def setting_uses(self, names: Collection[str] | None = None) -> dict[str, SettingUse]:
        return self._inner.setting_uses(names)

    def clients(self) -> list[ClientRecord]:
        return self._inner.clients()

    def note_uses(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        self._inner.note_uses(uses, clients, now)

    def forget_count(self) -> None:
        self._inner.forget_count()

    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> list[ProposalRecord]:
        return self._inner.proposals(state, before_id, limit, subjects)

    def find_proposal(self, proposal_id: int) -> ProposalRecord | None:
        return self._inner.find_proposal(proposal_id)

    def proposal_content(self, proposal_id: int) -> ProposalContent | None:
        return self._inner.proposal_content(proposal_id)

    def due_proposals(self, now: datetime, limit: int = 100) -> list[int]:
        return self._inner.due_proposals(now, limit)

    def next_proposal_time(self, now: datetime) -> datetime | None:
        return self._inner.next_proposal_time(now)

    def proposals_about(self, subjects: Collection[str]) -> list[int]:
        return self._inner.proposals_about(subjects)

    def proposals_after(self, proposal_id: int) -> list[int]:
        return self._inner.proposals_after(proposal_id)

    def count_open_proposals(self) -> int:
        return self._inner.count_open_proposals()

    def add_proposal(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str] = ()) -> int:
        return self._inner.add_proposal(record, content, subjects)

    def replace_proposal(self, record: ProposalRecord) -> None:
        self._inner.replace_proposal(record)
