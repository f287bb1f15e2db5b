"""Checks whether a unit of writing work may run and be stored: the part of the contract that all storages share."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from heksher.revision_id import RevisionId
from heksher.server.storage.access_records import PERSON, TOKEN, PersonRecord, PolicyRecord, TokenRecord
from heksher.server.storage.base import Reader
from heksher.server.storage.ceilings import Ceilings, Room
from heksher.server.storage.json_text import is_storable
from heksher.server.storage.records import CONTEXT_FEATURES, RULE, SETTING, Conditions, Expectation, LoggedChange
from heksher.server.storage.storage_errors import ContractError, ExpectationError
from heksher.server.storage.webhook_records import WEBHOOK, WebhookRecord
from heksher.value_type import shorten

# The ids of rules and revisions have 64 bits.
MAX_ID: Final = 2**63 - 1


class UnitOfWork:
    """The record of what a unit of writing work has done so far.

    A writer wraps each change in ``change()`` and the writing of log entries in ``record()``; the storage calls
    ``is_to_store()`` when the work has returned. Belongs to one run of one unit of work, hence to one thread.

    Args:
        ceilings: bound what the unit may add; ``None`` for no bounds.

    Attributes:
        room: what the unit may still add.
    """

    def __init__(self, ceilings: Ceilings | None = None) -> None:
        self.room: Room = Room(ceilings)
        self._has_changes = False
        self._has_record = False
        # The first error of a method of the writer; None if there is none. A database gives up its transaction after an
        # error, so no storage keeps any change of such a unit, even if the work caught the error.
        self._error: Exception | None = None

    @property
    def has_record(self) -> bool:
        """Whether anything was recorded."""
        return self._has_record

    @contextmanager
    def change(self) -> Iterator[None]:
        """Wrap a change of what is stored."""
        self._has_changes = True
        with self._noting_errors():
            yield

    @contextmanager
    def record(self) -> Iterator[None]:
        """Wrap the recording of changes; ``note_record()`` marks that something was recorded."""
        with self._noting_errors():
            yield

    def note_record(self) -> None:
        """Note that something was recorded."""
        self._has_record = True

    def is_to_store(self) -> bool:
        """Return whether the unit did anything that must be stored.

        Raises:
            ContractError: the unit broke the contract, so it cannot be stored.
        """
        if self._error is not None:
            raise ContractError(
                f"a unit of work returned although one of its changes had failed ({self._error}):"
                " nothing was stored; let the error pass"
            ) from self._error
        if self._has_changes and not self._has_record:
            raise ContractError("a unit of work made changes without recording one: nothing was stored; call record()")
        return self._has_record

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._error = self._error or error
            raise


def require_expected(reader: Reader, expected: Expectation | None) -> None:
    """Check that an object is still as the caller of a write knows it.

    Raises:
        ExpectationError: the object was changed since, or is gone.
        ContractError: there are no objects of this kind.
    """
    if expected is None:
        return
    revision = _find_revision(reader, expected)
    if revision is None or (
        expected.last_changes is not None and not _is_one_of(reader, revision, expected.last_changes)
    ):
        raise ExpectationError(expected.kind, expected.key, None if revision is None else find_tag(reader, revision))


def find_tag(reader: Reader, revision: int) -> RevisionId:
    """Return number and stamp of the last change of an object, which has this revision."""
    change = reader.last_change(revision)
    return RevisionId(revision) if change is None else RevisionId(revision, change.stamp)


def parse_id(text: str) -> int | None:
    """Return the id that the digits of a text stand for; ``None`` if it is too large for any object."""
    digits = text.lstrip("0")
    # The interpreter reads no more than 4,300 of them.
    return int(digits or "0") if len(digits) <= len(str(MAX_ID)) else None


def require_storable(change: LoggedChange) -> None:
    """Check that the log can have a change: its texts are columns, and PostgreSQL's end at U+0000.

    Raises:
        ContractError: it cannot, in no storage, so that any of them can be copied into another.
    """
    for name in ("action", "kind", "key", "setting"):
        if not is_storable(text := getattr(change, name)):
            raise ContractError(f"the {name} {shorten(repr(text))} of a change has U+0000 or half a surrogate pair")


def require_proper_token(token: TokenRecord) -> None:
    """Check that any storage can keep a token: its name and its digest are columns, as the texts of a change are.

    Raises:
        ContractError: it cannot.
    """
    _require_storable_texts("token", token.name, token.digest)


def require_proper_person(person: PersonRecord) -> None:
    """Check that any storage can keep a person, and that their identity is whole.

    Raises:
        ContractError: it cannot, or there is an issuer without a subject, or the reverse.
    """
    _require_storable_texts("person", person.name, person.password_hash, person.issuer, person.subject)
    if (person.issuer is None) != (person.subject is None):
        raise ContractError(f"person {person.name!r} has half an identity: issuer and subject belong together")


def require_proper_policy(policy: PolicyRecord) -> None:
    """Check that any storage can keep a policy.

    Raises:
        ContractError: it cannot.
    """
    _require_storable_texts("policy", policy.prefix)


def require_proper_key(key: str) -> None:
    """Check that a signing key is one, and that any storage can keep it.

    Raises:
        ContractError: it is empty, or no storage can.
    """
    _require_storable_texts("signing key", key)
    if not key:
        raise ContractError("the signing key is empty: anybody could sign with it")


def require_proper_webhook(webhook: WebhookRecord) -> None:
    """Check that any storage can keep a webhook: most of its texts are columns, as those of a change are.

    Raises:
        ContractError: it cannot.
    """
    _require_storable_texts("webhook", webhook.name, webhook.url, webhook.secret, webhook.format)


def require_same_rule(
    rule_id: int, setting_id: int, conditions: Conditions, last: tuple[LoggedChange, int | None] | None
) -> None:
    """Check that a rule may have a given id: the same rule had it before it was deleted.

    Args:
        rule_id: the id.
        setting_id: the number of the setting that the rule is added to.
        conditions: the rule's conditions.
        last: the last change in the log of the rule with this id, and the number of its setting; ``None`` if there is
            none.

    Raises:
        ContractError: the rule may not have the id.
    """
    if last is None or last[0].before is None or last[0].after is not None:
        raise ContractError(f"the id {rule_id} cannot be given: the log does not say that a rule with it was deleted")
    pairs = cast("Any", last[0].before.get("feature_values", ()))
    if last[1] != setting_id or dict(pairs) != dict(conditions):
        raise ContractError(f"the id {rule_id} is that of another rule, which was deleted: it is not given again")


def require_new_ids(
    rule_ids: Collection[int], last_rule_id: int, next_rule_id: int, is_logged: Callable[[int], bool]
) -> None:
    """Check the ids of rules to load.

    Args:
        rule_ids: the ids.
        last_rule_id: the highest id that was ever given.
        next_rule_id: the id of the next new rule.
        is_logged: whether the log has a change of the rule with an id.

    Raises:
        ContractError: an id was given before, or is not below the next one.
    """
    lowest, highest = min(rule_ids, default=1), max(rule_ids, default=0)
    if lowest < 1 or not highest < next_rule_id <= MAX_ID:
        raise ContractError(f"rules cannot be loaded with the ids {lowest} to {highest} and the next id {next_rule_id}")
    if given := [rule_id for rule_id in rule_ids if rule_id <= last_rule_id and is_logged(rule_id)]:
        raise ContractError(f"rules cannot be loaded with the ids {given[:10]}: they were given before")


def _require_storable_texts(what: str, *texts: str | None) -> None:
    # Without the text, which may be a secret.
    if not all(is_storable(text) for text in texts if text is not None):
        raise ContractError(f"a text of a {what} has U+0000 or half a surrogate pair")


def _is_one_of(reader: Reader, revision: int, wanted: Collection[RevisionId]) -> bool:
    # The stamp takes a statement more, which can be saved where the numbers differ already.
    return any(each.number == revision for each in wanted) and find_tag(reader, revision) in wanted


def _find_revision(reader: Reader, expected: Expectation) -> int | None:
    if expected.kind == CONTEXT_FEATURES:
        return reader.features_revision()
    if expected.kind == SETTING:
        setting = reader.find_setting(expected.key)
        return None if setting is None else setting.revision
    if expected.kind == RULE and expected.key.isascii() and expected.key.isdigit():
        rule_id = parse_id(expected.key)
        rule = None if rule_id is None else reader.find_rule(rule_id)
        return None if rule is None else rule.revision
    if (named := _list_named(reader, expected.kind)) is not None:
        return next((record.revision for record in named if record.name == expected.key), None)
    raise ContractError(f"there is no {expected.kind} {expected.key!r} to be expected at a revision")


def _list_named(reader: Reader, kind: str) -> tuple[TokenRecord | PersonRecord | WebhookRecord, ...] | None:
    """Return the objects of a kind whose keys are their names; ``None`` if it is another kind."""
    if kind == WEBHOOK:
        return reader.webhooks()
    if kind in {TOKEN, PERSON}:
        access = reader.access()
        return access.tokens if kind == TOKEN else access.persons
    return None
