"""Webhooks: addresses that are told of changes. What they are told, and how, is in ``heksher.server.webhooks``."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypedDict, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.access.grants import Role
from heksher.server.access.message_signature import make_secret
from heksher.server.errors import DuplicateError, FullError, InvalidInputError, NotFoundError
from heksher.server.limits import MAX_NAME_CHARACTERS, MAX_PREFIXES, MAX_WEBHOOKS
from heksher.server.operations.access_names import require_name
from heksher.server.operations.permission import require
from heksher.server.operations.webhook_address import find_url_fault
from heksher.server.operations.webhook_form import change_webhook
from heksher.server.storage.base import Notes, Origin, Reader, Storage, Writer, Written
from heksher.server.storage.webhook_records import DeliveryRecord, WebhookRecord
from heksher.value_type import shorten
from heksher.wire import can_be_stored_name

T = TypeVar("T")

# As Standard Webhooks recommends, or what Slack, and many that do as it does, show in a channel.
STANDARD: Final = "standard"
SLACK: Final = "slack"
FORMATS: Final = (STANDARD, SLACK)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook, and how far it was told."""

    record: WebhookRecord
    delivery: DeliveryRecord


class WebhookChange(TypedDict, total=False):
    """What is to change of a webhook; what is left out stays."""

    url: str
    prefixes: tuple[str, ...]
    format: str


def list_all(storage: Storage) -> tuple[Webhook, ...]:
    """Return all webhooks, sorted by name."""
    return storage.read(read_webhooks)


def read_webhooks(reader: Reader) -> tuple[Webhook, ...]:
    """Return all webhooks, sorted by name, in a unit of work."""
    records = reader.webhooks()
    deliveries = {delivery.webhook: delivery for delivery in (reader.deliveries() if records else ())}
    return tuple(Webhook(record, deliveries[record.name]) for record in records)


def get(storage: Storage, name: str) -> Webhook:
    """Return a webhook.

    Raises:
        NotFoundError: there is none of this name.
    """
    return storage.read(lambda reader: _get(reader, name))


def create(
    storage: Storage, name: str, url: str, prefixes: Sequence[str], format_: str, origin: Origin
) -> Written[str]:
    """Create a webhook that is told of what changes from now on, its creation among that; return its secret.

    Nobody can find out afterwards what that is, nor all of the URL.

    Args:
        storage: has the webhooks.
        name: what the webhook is called, in lists and in the change log.
        url: where messages go.
        prefixes: what the names of the settings begin with whose changes are told of; none for all changes.
        format_: of its messages, one of ``FORMATS``.
        origin: who creates it.

    Raises:
        NotPermittedError: the origin is no admin.
        InvalidInputError: there can be no such webhook.
        DuplicateError: there is one of this name.
        FullError: there are as many as there may be.
    """
    require_name(name)
    _check({"url": url, "prefixes": tuple(prefixes)})
    secret = make_secret()
    now = datetime.now(UTC).replace(microsecond=0)
    record = WebhookRecord(name, url, secret, tuple(dict.fromkeys(prefixes)), format_, origin.actor, now)

    def work(writer: Writer) -> str:
        require(origin, Role.ADMIN)
        present = writer.webhooks()
        if any(webhook.name == name for webhook in present):
            raise DuplicateError(f"there is a webhook named {shorten(repr(name))} already: choose another name")
        if len(present) >= MAX_WEBHOOKS:
            raise FullError(f"there are {MAX_WEBHOOKS} webhooks, and that is how many there may be: remove one first")
        writer.put_webhook(record)
        writer.put_delivery(DeliveryRecord(name, writer.revision_id()))
        writer.record(change_webhook("create", None, record, name))
        return secret

    return storage.write(work, origin)


def change(storage: Storage, name: str, changes: WebhookChange, origin: Origin) -> Written[None]:
    """Change where a webhook's messages go, what it is told of, or how.

    Another URL is tried at once, and the failures of the former one are forgotten.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such webhook.
        InvalidInputError: it cannot be so.
    """
    _check(changes)

    def edit(before: WebhookRecord) -> tuple[str, WebhookRecord]:
        after = replace(before, **changes)
        return "change" if after.url == before.url else "change URL", after

    return _edit(storage, name, edit, origin)


def delete(storage: Storage, name: str, origin: Origin) -> Written[None]:
    """Remove a webhook.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such webhook.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name).record
        writer.remove_webhook(name)
        writer.record(change_webhook("delete", before, None, name))

    return storage.write(work, origin)


def switch_off(
    storage: Storage, name: str, reason: str, origin: Origin, *, only: WebhookRecord | None = None
) -> Written[None]:
    """Tell a webhook nothing more until it is enabled; one that is off stays as it is.

    Args:
        storage: has the webhooks.
        name: of the webhook.
        reason: why, for those who look after it.
        origin: who wants that.
        only: what the webhook has to be, else it stays as it is; ``None``: whatever it is.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such webhook.
    """

    def edit(before: WebhookRecord) -> tuple[str, WebhookRecord]:
        stays = before.off_reason is not None or only not in {None, before}
        return "disable", before if stays else replace(before, off_reason=reason)

    return _edit(storage, name, edit, origin)


def enable(storage: Storage, name: str, origin: Origin, *, is_skipping: bool = False) -> Written[None]:
    """Tell a webhook, at once, what it was not told while it failed or was off, and go on.

    Args:
        storage: has the webhooks.
        name: of the webhook.
        origin: who wants that.
        is_skipping: whether it is told only of what changes from now on.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such webhook.
    """

    def work(writer: Writer) -> bool:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        if before.record.off_reason is None and not is_skipping:
            return False
        _begin_anew(writer, before.delivery, writer.revision_id() if is_skipping else before.delivery.told)
        after = replace(before.record, off_reason=None)
        writer.put_webhook(after)
        writer.record(change_webhook("skip" if is_skipping else "enable", before.record, after, name))
        return True

    written = storage.write(work, origin)
    if not written.result:
        # To try again at once is no change.
        storage.note(lambda notes: _forget_failures(notes, name))
    return Written(None, *written.revision_id)


def note_deliveries(
    storage: Storage, changes: Collection[tuple[DeliveryRecord, DeliveryRecord]], newest: RevisionId
) -> frozenset[str]:
    """Note how far webhooks were told; return the names of those of which it was noted.

    Of the others, something else was stored. Nothing is noted where the database has lost the newest revision, as a
    standby may have that took over: then the numbers of others stand for other changes, too.

    Args:
        storage: has the webhooks.
        changes: for each what is stored, as far as is known, and what is to be.
        newest: a revision of the log that they were told of, and not before any of which they were.
    """

    def work(notes: Notes) -> frozenset[str]:
        stored = notes.deliveries() if _may_be_logged(notes, newest) else ()
        known = [after for before, after in changes if before in stored]
        notes.put_deliveries(known)
        return frozenset(after.webhook for after in known)

    return storage.note(work)


def _may_be_logged(reader: Reader, revision: RevisionId) -> bool:
    """Return whether the log has a change, or had it before it was pruned."""
    entries = reader.log(revision.number - 1, 1, 1)
    return bool(entries) and (entries[0].revision > revision.number or entries[0].revision_id == revision)


def _edit(
    storage: Storage, name: str, edit: Callable[[WebhookRecord], tuple[str, WebhookRecord]], origin: Origin
) -> Written[None]:
    """Change a webhook by a function that returns what it is then, and by which action; the same changes nothing."""

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        present = _get(writer, name)
        before = present.record
        action, after = edit(before)
        if after.url != before.url:
            _begin_anew(writer, present.delivery, present.delivery.told)
        if after != before:
            writer.put_webhook(after)
            writer.record(change_webhook(action, before, after, name))

    return storage.write(work, origin)


def _forget_failures(notes: Notes, name: str) -> None:
    for delivery in notes.deliveries():
        if delivery.webhook == name:
            _begin_anew(notes, delivery, delivery.told)


def _begin_anew(notes: Notes, delivery: DeliveryRecord, told: RevisionId) -> None:
    notes.put_delivery(DeliveryRecord(delivery.webhook, told, attempted_at=delivery.attempted_at))


def _check(changes: WebhookChange) -> None:
    """Check what a webhook is to be.

    Raises:
        InvalidInputError: none can be so.
    """
    if fault := find_url_fault(changes.get("url", "https://unchanged.example")):
        # Not what it is: it may be a secret.
        raise InvalidInputError(f"no webhook can have this URL: {fault}", ("url",))
    if len(prefixes := changes.get("prefixes", ())) > MAX_PREFIXES:
        raise InvalidInputError(f"a webhook has at most {MAX_PREFIXES} prefixes", ("prefixes",))
    for position, prefix in enumerate(prefixes):
        if len(prefix) > MAX_NAME_CHARACTERS or not can_be_stored_name(prefix):
            raise InvalidInputError(
                f"no setting's name begins with {shorten(repr(prefix))}: a prefix is like frontend. or cache_",
                ("prefixes", position),
            )


def _get(reader: Reader, name: str) -> Webhook:
    for webhook in read_webhooks(reader):
        if webhook.record.name == name:
            return webhook
    raise NotFoundError(f"there is no webhook named {shorten(repr(name))}", "webhook")
