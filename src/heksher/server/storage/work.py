"""What units of work read and write with. The guarantees, and the duties of callers, are those of ``base``."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import AccessRecords, PersonRecord, PolicyRecord, TokenRecord
from heksher.server.storage.log_reader import LogReader
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord, ProposalState
from heksher.server.storage.records import Conditions, LoggedChange, RuleOfSetting, RuleRecord, SettingRecord
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord
from heksher.value_type import JSON


class Reader(LogReader):
    """The state at one revision."""

    @abstractmethod
    def revision_id(self) -> RevisionId:
        """Return the number and the stamp of the newest entry of the change log; 0 without a stamp if there is none."""

    def revision(self) -> int:
        """Return the number of the newest entry of the change log; 0 if there is none."""
        return self.revision_id().number

    @abstractmethod
    def context_features(self) -> tuple[str, ...]:
        """Return the context features in their order."""

    @abstractmethod
    def features_revision(self) -> int:
        """Return the revision of the last change of the list of context features; 0 if there was none."""

    @abstractmethod
    def access(self) -> AccessRecords:
        """Return all tokens, people, and the signing key."""

    @abstractmethod
    def webhooks(self) -> tuple[WebhookRecord, ...]:
        """Return all webhooks, sorted by name (by bytes)."""

    @abstractmethod
    def deliveries(self) -> tuple[DeliveryRecord, ...]:
        """Return how far each webhook was told of changes, sorted by their names."""

    @abstractmethod
    def find_lease(self, task: str) -> LeaseRecord:
        """Return which process does what only one may do at a time."""

    @abstractmethod
    def policies(self) -> tuple[PolicyRecord, ...]:
        """Return all policies, sorted by prefix (by bytes): those that ``access`` has, too."""

    @abstractmethod
    def proposals(
        self,
        state: ProposalState | None = None,
        before_id: int | None = None,
        limit: int = 100,
        subjects: Collection[str] | None = None,
    ) -> list[ProposalRecord]:
        """Return proposals, newest first.

        Args:
            state: that they have; ``None`` for any.
            before_id: only those with a lower id; that of the last one of a page is the cursor for the next page.
            limit: the maximum number.
            subjects: of which they were added with one; ``None`` for any.
        """

    @abstractmethod
    def find_proposal(self, proposal_id: int) -> ProposalRecord | None:
        """Return the proposal with an id, which may be any integer, or ``None``."""

    @abstractmethod
    def proposal_content(self, proposal_id: int) -> ProposalContent | None:
        """Return what the proposal with an id would do, or ``None``."""

    @abstractmethod
    def due_proposals(self, now: datetime, limit: int = 100) -> list[int]:
        """Return the ids of open proposals that wait for nobody, whose time has come, and none comes before them.

        The one that was due first comes first; one without a time was due from the beginning.
        """

    @abstractmethod
    def next_proposal_time(self, now: datetime) -> datetime | None:
        """Return the next time after ``now`` of an open proposal that waits for nobody; ``None`` if there is none."""

    @abstractmethod
    def proposals_about(self, subjects: Collection[str]) -> list[int]:
        """Return the ids of the open proposals that were added with one of these subjects, sorted."""

    @abstractmethod
    def proposals_after(self, proposal_id: int) -> list[int]:
        """Return the ids of the open proposals that come right after the one with an id, sorted."""

    @abstractmethod
    def count_open_proposals(self) -> int:
        """Return how many proposals are open."""

    @abstractmethod
    def counted_since(self) -> datetime | None:
        """Return since when no use of a setting can be missing in what is known; ``None`` if nobody counts."""

    @abstractmethod
    def setting_uses(self, names: Collection[str] | None = None) -> dict[str, SettingUse]:
        """Return when settings were last asked for: those with these canonical names, or all; others are missing."""

    @abstractmethod
    def clients(self) -> list[ClientRecord]:
        """Return the clients that ask for settings, sorted by digest."""

    @abstractmethod
    def find_setting(self, name: str) -> SettingRecord | None:
        """Return the setting with a name or alias, or ``None``."""

    def find_settings(self, names: Collection[str]) -> dict[str, SettingRecord]:
        """Return the settings with these names or aliases (any number of them), by what was asked for.

        On a database, that takes one statement for a thousand names.
        """
        found = ((name, self.find_setting(name)) for name in names)
        return {name: setting for name, setting in found if setting is not None}

    @abstractmethod
    def settings(self) -> list[SettingRecord]:
        """Return all settings, sorted by name (by bytes)."""

    @abstractmethod
    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        """Return rules by ascending id: those of the settings with these canonical names (any number of them), or all.

        The cost of reading the rules of a few settings does not depend on the total number of rules.
        """

    @abstractmethod
    def count_settings(self) -> int:
        """Return the number of settings."""

    @abstractmethod
    def count_rules(self) -> int:
        """Return the number of rules. On a database, millions take a good part of a second."""

    @abstractmethod
    def find_rule(self, rule_id: int) -> RuleRecord | None:
        """Return the rule with an id, which may be any integer, or ``None``."""

    def find_rule_of_setting(self, rule_id: int) -> RuleOfSetting | None:
        """Return the rule with an id, which may be any integer, with parts of its setting, or ``None``.

        On a database, that takes one statement.
        """
        rule = self.find_rule(rule_id)
        setting = None if rule is None else self.find_setting(rule.setting)
        return None if rule is None or setting is None else RuleOfSetting(rule, setting.type, setting.metadata)

    def find_rules(self, rule_ids: Collection[int]) -> dict[int, RuleRecord]:
        """Return the rules with these ids (any number of any integers), by id.

        On a database, that takes one statement for a thousand ids.
        """
        found = ((rule_id, self.find_rule(rule_id)) for rule_id in rule_ids)
        return {rule_id: rule for rule_id, rule in found if rule is not None}

    @abstractmethod
    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        """Return the rule of a setting (canonical name) that has exactly these conditions, or ``None``."""

    def find_rules_by_conditions(self, wanted: Collection[tuple[str, Conditions]]) -> list[RuleRecord]:
        """Return the rules of settings (canonical names) that have exactly these conditions; there need be none.

        On a database, that takes one statement or two for a thousand of them.
        """
        found = (self.find_rule_by_conditions(setting, conditions) for setting, conditions in wanted)
        return [rule for rule in found if rule is not None]


class Notes(Reader):
    """The state inside a unit of work that changes what the change log does not have, including the unit's changes."""

    @abstractmethod
    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        """Note when tokens were used, to the hour; what is known of a later use stays.

        Args:
            uses: the times with a time zone, by the names of the tokens; other names are ignored.
        """

    @abstractmethod
    def note_uses(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        """Note who asks for which settings; what is known of later uses stays. The first call begins to count.

        Where clients are noted, those are removed that were not seen for ``KEEP_CLIENTS_DAYS``, and of the others all
        but the last ``MAX_CLIENTS``.

        Args:
            uses: the last uses by any names of settings; other names are ignored.
            clients: the clients, as they were last seen.
            now: the time, with a time zone.
        """

    @abstractmethod
    def forget_count(self) -> None:
        """Note that uses may be missing in what is known until now; the next ``note_uses`` begins to count anew."""

    def put_delivery(self, delivery: DeliveryRecord) -> None:
        """Note how far a webhook was told of changes; one that does not exist is ignored."""
        self.put_deliveries([delivery])

    @abstractmethod
    def put_deliveries(self, deliveries: Collection[DeliveryRecord]) -> None:
        """Note how far webhooks were told of changes, at most once for each; those that do not exist are ignored.

        On a database, that takes a few statements, however many there are.
        """

    @abstractmethod
    def add_proposal(self, record: ProposalRecord, content: ProposalContent, subjects: Collection[str] = ()) -> int:
        """Add a proposal, and return its id, which is above those of all others that there have been.

        Args:
            record: without its id.
            content: what it would do.
            subjects: by which it is found; any texts.
        """

    @abstractmethod
    def replace_proposal(self, record: ProposalRecord) -> None:
        """Replace the proposal with this id; what it would do stays as it is."""

    @abstractmethod
    def put_lease(self, lease: LeaseRecord) -> None:
        """Note which process does what only one may do at a time."""


class Writer(Notes):
    """The state inside a unit of writing work, including the unit's own changes.

    What a unit notes is stored with what it changes.
    """

    @abstractmethod
    def set_context_features(self, features: Sequence[str]) -> None:
        """Replace the list of context features. It must keep every feature that a setting is configurable by."""

    @abstractmethod
    def require_room(self, *, settings: int = 0, rules: int = 0) -> None:
        """Require that so many settings and rules more may be added, before any of them is.

        Room that this unit of work has required before is not there any more; what it deletes makes none.

        Raises:
            FullError: there would be more than the storage's ceilings allow.
        """

    @abstractmethod
    def add_setting(self, setting: SettingRecord, subject: int | None = None) -> None:
        """Add a setting. Its name and aliases must not belong to any setting yet; its features must be in the list.

        Args:
            setting: all attributes.
            subject: the number of a deleted setting, as ``LoggedChange.subject`` has it, whose identity this one
                continues; no setting may have it. ``None``: see *Traceable*.
        """

    def add_settings(self, settings: Collection[SettingRecord]) -> None:
        """Add many settings, each as ``add_setting`` does."""
        for setting in settings:
            self.add_setting(setting)

    @abstractmethod
    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        """Replace all attributes of the setting called ``name``, including its name; its rules stay with it."""

    @abstractmethod
    def delete_setting(self, name: str) -> None:
        """Delete a setting and its rules."""

    @abstractmethod
    def next_rule_id(self) -> int:
        """Return the id that the next new rule gets."""

    @abstractmethod
    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        """Add a rule whose conditions no rule of the setting has yet; return it as stored, with its id.

        Args:
            setting: the canonical name of its setting.
            conditions: a value for each context feature that the rule matches on.
            value: any JSON value.
            metadata: any JSON object.
            rule_id: the id that the same rule had before it was deleted, see *Unique*; ``None`` for a new id, above all
                others.
        """

    def return_rules(self, rules: Collection[RuleRecord]) -> None:
        """Add many deleted rules again with their ids, each as ``add_rule`` does; none of them twice."""
        for rule in rules:
            self.add_rule(rule.setting, rule.conditions, rule.value, rule.metadata, rule.rule_id)

    @abstractmethod
    def replace_rule(self, rule: RuleRecord) -> None:
        """Replace value and metadata of the rule with this id; its setting and conditions never change."""

    def replace_rules(self, rules: Collection[RuleRecord]) -> None:
        """Replace many rules, each as ``replace_rule`` does; none of them twice."""
        for rule in rules:
            self.replace_rule(rule)

    @abstractmethod
    def delete_rule(self, rule_id: int) -> None:
        """Delete a rule."""

    def delete_rules(self, rule_ids: Collection[int]) -> None:
        """Delete many rules, each as ``delete_rule`` does."""
        for rule_id in rule_ids:
            self.delete_rule(rule_id)

    @abstractmethod
    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        """Add many settings, and rules with the ids that they have: a fast path for imports.

        Args:
            settings: as for ``add_setting``.
            rules: rules of these settings, or of others that are there, with ids that were never given: above the
                highest one, or, below it, unknown to the log, which also knows those that were deleted by entries that
                were removed from it.
            next_rule_id: the lowest id that the next new rule may have, above all of these.
        """

    @abstractmethod
    def put_token(self, token: TokenRecord) -> None:
        """Add a token, or replace all attributes of the one with its name; no other one may have its digest."""

    @abstractmethod
    def remove_token(self, name: str) -> None:
        """Remove a token."""

    @abstractmethod
    def put_person(self, person: PersonRecord) -> None:
        """Add a person, or replace all attributes of the one with their name; no other one may have their identity."""

    @abstractmethod
    def remove_person(self, name: str) -> None:
        """Remove a person."""

    @abstractmethod
    def set_signing_key(self, key: str) -> None:
        """Replace the signing key, or set the first one; it must not be empty."""

    @abstractmethod
    def put_policy(self, policy: PolicyRecord) -> None:
        """Add a policy, or replace all attributes of the one with its prefix."""

    @abstractmethod
    def remove_policy(self, prefix: str) -> None:
        """Remove a policy."""

    @abstractmethod
    def put_webhook(self, webhook: WebhookRecord) -> None:
        """Add a webhook, or replace all attributes of the one with its name; how far it was told stays as it is."""

    @abstractmethod
    def remove_webhook(self, name: str) -> None:
        """Remove a webhook, and what is known of how far it was told."""

    @abstractmethod
    def count_changes(self) -> int:
        """Return how many changes this unit of work has recorded so far."""

    def record(self, change: LoggedChange) -> None:
        """Append a change to the log entry of this unit of work, right after it was made; any number of times."""
        self.record_all((change,))

    @abstractmethod
    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        """Append changes to the log entry of this unit of work, reading them in batches as they are stored.

        Their actions, kinds, keys and settings must be texts without U+0000 and lone surrogates.
        """
