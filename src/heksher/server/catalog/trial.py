"""A storage that is a picture of another one: operations run on it for real, and nothing of it is kept.

So it can be said what a write would do, without a lock of the database, and where no write is possible. The work is
done by the storage in memory, which is given what is asked for of the picture, rule by rule: a picture can have
millions. What no picture has, such as the change log, is read from the other storage.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from heksher.revision_id import RevisionId
from heksher.server.catalog.picture import CatalogRule, Picture, restore_rule
from heksher.server.storage.base import (
    NOBODY,
    RULE,
    Conditions,
    LastChange,
    LogEntry,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
    Storage,
)
from heksher.server.storage.ceilings import Counts
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.memory_access import MemoryAccess
from heksher.server.storage.memory_state import MemoryEntry, MemoryState
from heksher.server.storage.memory_writer import MemoryWriter
from heksher.server.storage.passing_writer import PassingWriter
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord, ProposalState
from heksher.server.storage.records import make_rule_key
from heksher.server.storage.stamp import make_stamp
from heksher.server.storage.unit import UnitOfWork
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord
from heksher.value_type import JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tried:
    """What writes would come to.

    Attributes:
        entry: the entry that the change log would have, with all of its changes; there may be none.
        new_rule_ids: the ids of rules in it that no rule has: which ones they would get is not known.
    """

    entry: LogEntry
    new_rule_ids: frozenset[int]


class TrialStorage(JoinedStorage):
    """A storage for one unit of work, which every write to it is a part of. Belongs to one thread.

    Args:
        picture: what is there.
        source: the storage that it is a picture of, with its ceilings; it is only read.
        origin: who tries.
    """

    def __init__(self, picture: Picture, source: Storage, origin: Origin = NOBODY) -> None:
        self._trial = TrialWriter(picture, source, UnitOfWork(source.ceilings), origin)
        super().__init__(self._trial)

    def finish(self) -> Tried:
        """Return what the writes have come to.

        Raises:
            ContractError: the writes would not have been stored, by a fault of this program.
        """
        return self._trial.finish()


class TrialWriter(PassingWriter):
    """The state in a picture, and what a unit of work has made of it.

    Args:
        picture: what is there.
        source: the storage that it is a picture of.
        unit: what the unit of work has done so far.
        origin: who tries.
    """

    def __init__(self, picture: Picture, source: Storage, unit: UnitOfWork, origin: Origin) -> None:
        self._picture = picture
        self._source = source
        self._unit = unit
        self._state = _make_state(picture)
        self._entry = LogEntry(picture.revision + 1, datetime.now(UTC), origin, make_stamp(), 0, ())
        super().__init__(MemoryWriter(self._state, unit, self._entry))
        # The rules of the picture that the state has been given, and the settings all of whose rules are among them.
        self._given_rules: set[int] = set()
        self._given_settings: set[str] = set()
        # The ids of the rules of the picture by their conditions, of settings where they were asked for.
        self._rule_ids: dict[str, dict[frozenset[tuple[str, str]], int]] = {}
        # The names that settings have in the picture, by the numbers that the state has given them.
        self._former_names = {number: name for name, number in self._state.setting_ids.items()}
        self._has_webhooks = False
        self._new_rule_ids: set[int] = set()

    def finish(self) -> Tried:
        """Return what the unit of work has come to."""
        self._unit.is_to_store()
        entry = self._state.log[-1] if self._state.log else MemoryEntry(self._entry, ())
        return Tried(entry.show(entry.entry.size), frozenset(self._new_rule_ids))

    def revision_id(self) -> RevisionId:
        return self._entry.revision_id if self._unit.has_record else self._picture.revision_id

    def last_change(self, revision: int) -> LastChange | None:
        return self._ask(lambda reader: reader.last_change(revision))

    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        return self._ask(lambda reader: reader.forgotten_deletion(kind, key))

    def webhooks(self) -> tuple[WebhookRecord, ...]:
        self._give_webhooks()
        return self._inner.webhooks()

    def deliveries(self) -> tuple[DeliveryRecord, ...]:
        return self._ask(lambda reader: reader.deliveries())

    def find_lease(self, task: str) -> LeaseRecord:
        return self._ask(lambda reader: reader.find_lease(task))

    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> list[ProposalRecord]:
        return self._ask(lambda reader: reader.proposals(state, before_id, limit, subjects))

    def find_proposal(self, proposal_id: int) -> ProposalRecord | None:
        self._give_proposal(proposal_id)
        return self._inner.find_proposal(proposal_id)

    def proposal_content(self, proposal_id: int) -> ProposalContent | None:
        self._give_proposal(proposal_id)
        return self._inner.proposal_content(proposal_id)

    def due_proposals(self, now: datetime, limit: int = 100) -> list[int]:
        return self._ask(lambda reader: reader.due_proposals(now, limit))

    def next_proposal_time(self, now: datetime) -> datetime | None:
        return self._ask(lambda reader: reader.next_proposal_time(now))

    def proposals_about(self, subjects: Collection[str]) -> list[int]:
        return self._ask(lambda reader: reader.proposals_about(subjects))

    def proposals_after(self, proposal_id: int) -> list[int]:
        return self._ask(lambda reader: reader.proposals_after(proposal_id))

    def count_open_proposals(self) -> int:
        return self._ask(lambda reader: reader.count_open_proposals())

    def counted_since(self) -> datetime | None:
        return self._ask(lambda reader: reader.counted_since())

    def setting_uses(self, names: Collection[str] | None = None) -> dict[str, SettingUse]:
        # The source knows them by the names that they have there.
        numbers = self._state.setting_ids
        wanted = numbers.keys() if names is None else numbers.keys() & names
        former = {name: old for name in wanted if (old := self._former_names.get(numbers[name])) is not None}
        uses = self._ask(lambda reader: reader.setting_uses(former.values()))
        return {name: uses[old] for name, old in former.items() if old in uses}

    def clients(self) -> list[ClientRecord]:
        return self._ask(lambda reader: reader.clients())

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        for name in self._picture.settings if settings is None else settings:
            self._give_setting(name)
        return sorted(self._inner.rules(settings), key=lambda rule: rule.rule_id)

    def count_rules(self) -> int:
        return self._picture.count_rules() - len(self._given_rules) + self._inner.count_rules()

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        self._give_rules((rule_id,))
        return self._inner.find_rule(rule_id)

    def find_rules(self, rule_ids: Collection[int]) -> dict[int, RuleRecord]:
        self._give_rules(rule_ids)
        return self._inner.find_rules(rule_ids)

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        self._give_twin(setting, conditions)
        return self._inner.find_rule_by_conditions(setting, conditions)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        return self._ask(lambda reader: reader.log(after_revision, limit, max_changes))

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        return self._ask(lambda reader: reader.select(selection, before_revision, limit, max_changes, max_bytes))

    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        return self._ask(lambda reader: reader.changes(revision, first, limit, max_bytes))

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        return self._ask(
            lambda reader: reader.changed_subjects(after_revision, until_revision, after_subject, max_changes)
        )

    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        found = {rule_id: rule.conditions for rule_id, rule in self.find_rules(rule_ids).items()}
        gone = frozenset(rule_ids).difference(found)
        return {**self._ask(lambda reader: reader.find_conditions(gone)), **found} if gone else found

    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        self._unit.room.take(self, Counts(settings, rules))

    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        # Which number the log knows it by, no picture says, and nothing that is told of a trial has it.
        del subject
        self._inner.add_setting(setting)

    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        if setting.name != name:
            self._give_setting(name)
        self._inner.replace_setting(name, setting)

    def delete_setting(self, name: str) -> None:
        self._give_setting(name)
        self._inner.delete_setting(name)

    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        if rule_id is not None:
            self.return_rules((RuleRecord(rule_id, setting, conditions, value, metadata),))
            return self._state.rules[rule_id]
        self._give_twin(setting, conditions)
        rule = self._inner.add_rule(setting, conditions, value, metadata)
        self._new_rule_ids.add(rule.rule_id)
        return rule

    def return_rules(self, rules: Collection[RuleRecord]) -> None:
        self._give_rules(rule.rule_id for rule in rules)
        for rule in rules:
            self._give_twin(rule.setting, rule.conditions)
        self._give_deletions(rules)
        self._inner.return_rules(rules)

    def replace_rule(self, rule: RuleRecord) -> None:
        self._give_rules((rule.rule_id,))
        self._inner.replace_rule(rule)

    def delete_rule(self, rule_id: int) -> None:
        self._give_rules((rule_id,))
        self._inner.delete_rule(rule_id)

    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        for rule in rules:
            self._give_twin(rule.setting, rule.conditions)
            self._new_rule_ids.add(rule.rule_id)
        self._inner.load(settings, rules, next_rule_id)

    def add_proposal(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str] = ()) -> int:
        for newest in self.proposals(limit=1):
            self._give_proposal(newest.proposal_id)
        return self._inner.add_proposal(record, content, subjects)

    def replace_proposal(self, record: ProposalRecord) -> None:
        self._give_proposal(record.proposal_id)
        self._inner.replace_proposal(record)

    def put_webhook(self, webhook: WebhookRecord) -> None:
        self._give_webhooks()
        self._inner.put_webhook(webhook)

    def remove_webhook(self, name: str) -> None:
        self._give_webhooks()
        self._inner.remove_webhook(name)

    def _ask(self, work: Callable[[Reader], T]) -> T:
        """Read what no picture has."""
        return self._source.read(work)

    def _give_rules(self, rule_ids: Iterable[int]) -> None:
        """Give the state those of some rules that the picture has."""
        wanted = frozenset(rule_ids).difference(self._given_rules)
        for name, setting in self._picture.settings.items() if wanted else ():
            for rule_id in setting.rules.keys() & wanted:
                self._give_rule(name, setting.rules[rule_id])

    def _give_setting(self, name: str) -> None:
        """Give the state all rules that the picture has of a setting, before that has another name or is gone."""
        if name in self._picture.settings and name not in self._given_settings:
            self._given_settings.add(name)
            for rule in self._picture.settings[name].rules.values():
                self._give_rule(name, rule)

    def _give_twin(self, setting: str, conditions: Conditions) -> None:
        """Give the state the rule that the picture has of a setting with these conditions."""
        if setting not in self._picture.settings or setting in self._given_settings:
            return
        rules = self._picture.settings[setting].rules
        if setting not in self._rule_ids:
            self._rule_ids[setting] = {frozenset(rule.conditions): rule_id for rule_id, rule in rules.items()}
        rule_id = self._rule_ids[setting].get(frozenset(conditions.items()))
        if rule_id is not None:
            self._give_rule(setting, rules[rule_id])

    def _give_rule(self, setting: str, rule: CatalogRule) -> None:
        if rule.rule_id not in self._given_rules:
            self._given_rules.add(rule.rule_id)
            record = restore_rule(setting, rule)
            self._state.rules[rule.rule_id] = record
            self._state.rule_ids[make_rule_key(setting, record.conditions)] = rule.rule_id

    def _give_deletions(self, rules: Iterable[RuleRecord]) -> None:
        """Give the state the deletions of rules that come back, as far as the log has them."""

        def work(reader: Reader) -> None:
            for rule in rules:
                for entry in reader.select(Selection(rule_id=rule.rule_id), limit=1):
                    deletion = (entry.changes[-1], self._state.setting_ids.get(rule.setting))
                    self._state.last_changes[RULE, str(rule.rule_id)] = deletion

        self._ask(work)

    def _give_proposal(self, proposal_id: int) -> None:
        """Give the state a proposal, before it is looked at."""
        proposals = self._state.proposals
        if proposal_id in proposals.records:
            return
        record, content = self._ask(
            lambda reader: (reader.find_proposal(proposal_id), reader.proposal_content(proposal_id))
        )
        if record is not None and content is not None:
            proposals.records[proposal_id], proposals.contents[proposal_id] = record, content

    def _give_webhooks(self) -> None:
        if not self._has_webhooks:
            self._has_webhooks = True
            for webhook in self._ask(lambda reader: reader.webhooks()):
                self._state.webhooks.put_webhook(webhook, webhook.revision)


def _make_state(picture: Picture) -> MemoryState:
    """Return what a picture has, apart from its rules."""
    access = picture.access.records
    return MemoryState(
        features=picture.feature_order,
        features_revision=picture.features_revision,
        names=dict(picture.names),
        settings={name: setting.record for name, setting in picture.settings.items()},
        # Any numbers: no picture has those that the log knows settings by.
        setting_ids={name: number for number, name in enumerate(picture.settings, 1)},
        last_setting_id=len(picture.settings),
        last_rule_id=max((max(setting.rules, default=0) for setting in picture.settings.values()), default=0),
        access=MemoryAccess(
            {token.name: token for token in access.tokens},
            {person.name: person for person in access.persons},
            access.signing_key,
            {policy.prefix: policy for policy in access.policies},
        ),
    )
