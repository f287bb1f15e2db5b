"""Reads a picture through the interface of a storage's reader."""

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar, NoReturn

from heksher.revision_id import RevisionId
from heksher.server.catalog.picture import Picture, restore_rule
from heksher.server.storage.access_records import AccessRecords, PolicyRecord
from heksher.server.storage.base import Conditions, Reader, RuleRecord, Selection, SettingRecord
from heksher.server.storage.proposal_records import ProposalState
from heksher.server.storage.storage_errors import StorageUnavailableError


class PictureReader(Reader):
    """The state in a picture."""

    has_log: ClassVar[bool] = False

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def revision_id(self) -> RevisionId:
        return self._picture.revision_id

    def context_features(self) -> tuple[str, ...]:
        return self._picture.feature_order

    def features_revision(self) -> int:
        return self._picture.features_revision

    def last_change(self, revision: int) -> NoReturn:
        del revision
        _refuse()

    def forgotten_deletion(self, kind: str, key: str) -> NoReturn:
        del kind, key
        _refuse()

    def access(self) -> AccessRecords:
        return self._picture.access.records

    def policies(self) -> tuple[PolicyRecord, ...]:
        return self._picture.access.records.policies

    def webhooks(self) -> NoReturn:
        _refuse("webhooks are")

    def deliveries(self) -> NoReturn:
        _refuse("what webhooks were told is")

    def find_lease(self, task: str) -> NoReturn:
        del task
        _refuse("which process does what is")

    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> NoReturn:
        del state, before_id, limit, subjects
        _refuse("proposals are")

    def find_proposal(self, proposal_id: int) -> NoReturn:
        del proposal_id
        _refuse("proposals are")

    def proposal_content(self, proposal_id: int) -> NoReturn:
        del proposal_id
        _refuse("proposals are")

    def due_proposals(self, now: datetime, limit: int = 100) -> NoReturn:
        del now, limit
        _refuse("proposals are")

    def next_proposal_time(self, now: datetime) -> NoReturn:
        del now
        _refuse("proposals are")

    def proposals_about(self, subjects: Collection[str]) -> NoReturn:
        del subjects
        _refuse("proposals are")

    def proposals_after(self, proposal_id: int) -> NoReturn:
        del proposal_id
        _refuse("proposals are")

    def count_open_proposals(self) -> NoReturn:
        _refuse("proposals are")

    def counted_since(self) -> NoReturn:
        _refuse("what is used is")

    def setting_uses(self, names: Collection[str] | None = None) -> NoReturn:
        del names
        _refuse("what is used is")

    def clients(self) -> NoReturn:
        _refuse("which clients there are is")

    def find_setting(self, name: str) -> SettingRecord | None:
        canonical = self._picture.names.get(name)
        return None if canonical is None else self._picture.settings[canonical].record

    def settings(self) -> list[SettingRecord]:
        return [setting.record for setting in self._picture.settings.values()]

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        names = (
            self._picture.settings.keys() if settings is None else self._picture.settings.keys() & frozenset(settings)
        )
        rules = [restore_rule(name, rule) for name in names for rule in self._picture.settings[name].rules.values()]
        return sorted(rules, key=lambda rule: rule.rule_id)

    def count_settings(self) -> int:
        return len(self._picture.settings)

    def count_rules(self) -> int:
        return self._picture.count_rules()

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        for name, setting in self._picture.settings.items():
            if rule_id in setting.rules:
                return restore_rule(name, setting.rules[rule_id])
        return None

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        found = self._picture.settings.get(setting)
        rules = () if found is None else found.rules.values()
        return next((restore_rule(setting, rule) for rule in rules if dict(rule.conditions) == conditions), None)

    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> NoReturn:
        del after_revision, limit, max_changes
        _refuse()

    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> NoReturn:
        del selection, before_revision, limit, max_changes, max_bytes
        _refuse()

    def changes(self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None) -> NoReturn:
        del revision, first, limit, max_bytes
        _refuse()

    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> NoReturn:
        del after_revision, until_revision, after_subject, max_changes
        _refuse()

    def find_conditions(self, rule_ids: Collection[int]) -> NoReturn:
        del rule_ids
        _refuse()


def _refuse(what: str = "the change log is") -> NoReturn:
    raise StorageUnavailableError(f"{what} in the database, which cannot be reached")
