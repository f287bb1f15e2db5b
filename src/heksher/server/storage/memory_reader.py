"""Units of reading work on the storage in memory: the methods of a reader."""

from collections.abc import Collection
from datetime import datetime

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords, PolicyRecord
from heksher.server.storage.base import (
    Conditions,
    LastChange,
    LogEntry,
    LoggedChange,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
)
from heksher.server.storage.memory_history import (
    find_conditions,
    list_changed_subjects,
    list_changes,
    select_entries,
)
from heksher.server.storage.memory_proposals import copy_content
from heksher.server.storage.memory_state import MemoryState, copy_rule, copy_setting
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord, ProposalState
from heksher.server.storage.records import make_rule_key
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord


class MemoryReader(Reader):
    """A state, as a unit of work reads it."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def revision_id(self) -> RevisionId:
        return self._state.log[-1].entry.revision_id if self._state.log else RevisionId(0)

    def context_features(self) -> tuple[str, ...]:
        return self._state.features

    def features_revision(self) -> int:
        return self._state.features_revision

    def last_change(self, revision: int) -> LastChange | None:
        for kept in self._state.entries_after(revision - 1)[:1]:
            if kept.entry.revision == revision:
                return kept.describe()
        return self._state.kept_changes.get(revision)

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        forgotten = self._state.forgotten.get((kind, key))
        return None if forgotten is None or (kind, key) in self._state.last_changes else forgotten.action

    def access(self) -> AccessRecords:
        return self._state.access.read()

    def policies(self) -> tuple[PolicyRecord, ...]:
        return self._state.access.list_policies()

    def webhooks(self) -> tuple[WebhookRecord, ...]:
        return self._state.webhooks.list_webhooks()

    def deliveries(self) -> tuple[DeliveryRecord, ...]:
        return self._state.webhooks.list_deliveries()

    def find_lease(self, task: str) -> LeaseRecord:
        return self._state.webhooks.find_lease(task)

    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> list[ProposalRecord]:
        return self._state.proposals.list_page(state, before_id, limit, subjects)

    def find_proposal(self, proposal_id: int) -> ProposalRecord | None:
        return self._state.proposals.records.get(proposal_id)

    def proposal_content(self, proposal_id: int) -> ProposalContent | None:
        content = self._state.proposals.contents.get(proposal_id)
        return None if content is None else copy_content(content)

    def due_proposals(self, now: datetime, limit: int = 100) -> list[int]:
        return self._state.proposals.list_due(now, limit)

    def next_proposal_time(self, now: datetime) -> datetime | None:
        return self._state.proposals.find_next_time(now)

    def proposals_about(self, subjects: Collection[str]) -> list[int]:
        return self._state.proposals.list_about(subjects)

    def proposals_after(self, proposal_id: int) -> list[int]:
        return self._state.proposals.list_after(proposal_id)

    def count_open_proposals(self) -> int:
        return self._state.proposals.count_open()

    def counted_since(self) -> datetime | None:
        return self._state.usage.counted_since

    def setting_uses(self, names: Collection[str] | None = None) -> dict[str, SettingUse]:
        return self._state.usage.list_uses(self._state.setting_ids, names)

    def clients(self) -> list[ClientRecord]:
        return self._state.usage.list_clients()

    def find_setting(self, name: str) -> SettingRecord | None:
        canonical = self._state.names.get(name)
        return None if canonical is None else copy_setting(self._state.settings[canonical])

    def settings(self) -> list[SettingRecord]:
        return [copy_setting(setting) for _, setting in sorted(self._state.settings.items())]

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        wanted = self._state.settings.keys() if settings is None else frozenset(settings)
        return [copy_rule(rule) for rule in self._state.rules.values() if rule.setting in wanted]

    def count_settings(self) -> int:
        return len(self._state.settings)

    def count_rules(self) -> int:
        return len(self._state.rules)

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        rule = self._state.rules.get(rule_id)
        return None if rule is None else copy_rule(rule)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        rule_id = self._state.rule_ids.get(make_rule_key(setting, conditions))
        return None if rule_id is None else self.find_rule(rule_id)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        return [kept.show(max_changes) for kept in self._state.entries_after(after_revision)[: max(limit, 0)]]

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        return select_entries(self._state, selection, before_revision, limit, max_changes, max_bytes)

    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        return list_changes(self._state, revision, first, limit, max_bytes)

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        return list_changed_subjects(self._state, after_revision, until_revision, after_subject, max_changes)

    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        return find_conditions(self._state, rule_ids)
