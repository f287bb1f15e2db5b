"""Webhooks: what is stored and logged of them, what is refused, and from where on they are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heksher.revision_id import RevisionId
from heksher.server import limits
from heksher.server.errors import DuplicateError, FullError, InvalidInputError, NotFoundError, NotPermittedError
from heksher.server.operations import webhooks
from heksher.server.operations.webhooks import SLACK, STANDARD, Webhook
from heksher.server.storage.base import LoggedChange, Storage
from heksher.server.storage.webhook_records import DeliveryRecord
from tests.support.operations import read_last, read_revision
from tests.support.principals import ADMIN, NO_ADMIN
from tests.support.storages import write_something

URL = "https://hooks.example/T0p-s3cret"
ORIGIN = "https://hooks.example"
# The revision of the fixture's webhook.
CREATED = 4
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
FAILING = {"failures": 3, "failing_since": NOON, "next_attempt_at": NOON, "attempted_at": NOON, "problem": "it is away"}


@pytest.fixture
def secret(storage: Storage) -> str:
    """The secret of a webhook named ``chat``, which is told of two prefixes."""
    return webhooks.create(storage, "chat", URL, ["shop.", "cache_", "shop."], STANDARD, ADMIN).result


def find(storage: Storage, name: str = "chat") -> Webhook:
    return webhooks.get(storage, name)


def fail(storage: Storage) -> DeliveryRecord:
    """Note that the webhook fails; return what is noted."""
    before = find(storage).delivery
    after = replace(before, **FAILING)
    assert {"chat"} == webhooks.note_deliveries(storage, [(before, after)], after.told)
    return after


def test_a_webhook_is_stored_with_its_secret(storage: Storage, secret: str):
    """And with who has made it, and when; a prefix that stands twice counts once."""
    record = find(storage).record
    assert (secret, URL, ("shop.", "cache_"), STANDARD, "ada", None) == (
        record.secret,
        record.url,
        record.prefixes,
        record.format,
        record.creator,
        record.off_reason,
    )
    assert timedelta(0) <= datetime.now(UTC) - record.created_at < timedelta(minutes=1)
    assert (find(storage),) == webhooks.list_all(storage)


def test_a_webhook_is_told_of_its_creation_first(storage: Storage):
    """Of nothing that was before."""
    revision = write_something(storage)
    created = webhooks.create(storage, "chat", URL, (), SLACK, ADMIN)
    assert (revision, revision + 1) == (find(storage).delivery.told.number, created.revision)
    assert storage.read(lambda reader: reader.log(revision - 1, 1))[0].revision_id == find(storage).delivery.told


def test_a_creation_is_logged_without_what_is_secret(storage: Storage, secret: str):
    """Neither the secret nor more of the URL than whose it is."""
    entry = read_last(storage)
    fields = {
        "origin": ORIGIN,
        "prefixes": ["shop.", "cache_"],
        "format": "standard",
        "creator": "ada",
        "created_at": find(storage).record.created_at.isoformat(),
        "off_reason": None,
    }
    assert (LoggedChange("create", "webhook", "chat", None, fields), ADMIN) == (entry.change, entry.origin)


def test_a_name_is_given_once(storage: Storage, secret: str):
    """Until its webhook is removed."""
    with pytest.raises(DuplicateError, match="'chat' already"):
        webhooks.create(storage, "chat", URL, (), STANDARD, ADMIN)
    webhooks.delete(storage, "chat", ADMIN)
    assert secret != webhooks.create(storage, "chat", URL, (), STANDARD, ADMIN).result


def test_there_are_only_so_many(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    """The message says how many."""
    monkeypatch.setattr(webhooks, "MAX_WEBHOOKS", 2)
    for name in "ab":
        webhooks.create(storage, name, URL, (), STANDARD, ADMIN)
    with pytest.raises(FullError, match="there are 2 webhooks"):
        webhooks.create(storage, "c", URL, (), STANDARD, ADMIN)


@pytest.mark.parametrize(
    ("name", "url", "prefixes", "location"),
    [
        ("a\nb", URL, (), ("name",)),
        ("chat", "hooks.example", (), ("url",)),
        ("chat", URL, ("a.", ""), ("prefixes", 1)),
        ("chat", URL, ("a b",), ("prefixes", 0)),
        ("chat", URL, ("a" * 256,), ("prefixes", 0)),
        ("chat", URL, tuple(f"p{number}." for number in range(limits.MAX_PREFIXES + 1)), ("prefixes",)),
    ],
)
def test_what_cannot_be_is_refused(
    storage: Storage, name: str, url: str, prefixes: tuple[str, ...], location: tuple[str | int, ...]
):
    """When it is created, and what can be changed also then; nothing is stored."""
    with pytest.raises(InvalidInputError) as caught:
        webhooks.create(storage, name, url, prefixes, STANDARD, ADMIN)
    assert location == caught.value.location
    assert url == URL or url not in str(caught.value)
    if location != ("name",):
        with pytest.raises(InvalidInputError):
            webhooks.change(storage, "chat", {"url": url, "prefixes": prefixes}, ADMIN)
    assert () == webhooks.list_all(storage)


def test_a_webhook_is_changed(storage: Storage, secret: str):
    """What is left out stays, among it how far it was told; the log has what can be told. A new URL has not failed."""
    delivery = fail(storage)
    webhooks.change(storage, "chat", {"prefixes": (), "format": SLACK}, ADMIN)
    record = find(storage).record
    assert (URL, secret, (), SLACK, delivery) == (
        record.url,
        record.secret,
        record.prefixes,
        record.format,
        find(storage).delivery,
    )
    before, after = {"prefixes": ["shop.", "cache_"], "format": "standard"}, {"prefixes": [], "format": "slack"}
    assert LoggedChange("change", "webhook", "chat", before, after) == read_last(storage).change
    webhooks.change(storage, "chat", {"url": f"{URL}2"}, ADMIN)
    assert LoggedChange("change URL", "webhook", "chat", {}, {}) == read_last(storage).change
    assert DeliveryRecord("chat", delivery.told, attempted_at=NOON) == find(storage).delivery
    webhooks.change(storage, "chat", {"url": "https://other.example/x"}, ADMIN)
    assert {"origin": "https://other.example"} == read_last(storage).change.after


def test_a_change_of_nothing_is_none(storage: Storage, secret: str):
    """No entry comes of it."""
    for changes in ({}, {"url": URL, "format": STANDARD}):
        assert CREATED == webhooks.change(storage, "chat", changes, ADMIN).revision


def test_a_webhook_is_removed(storage: Storage, secret: str):
    """With how far it was told."""
    webhooks.delete(storage, "chat", ADMIN)
    assert () == webhooks.list_all(storage)
    change = read_last(storage).change
    assert ("delete", "webhook", "chat", ORIGIN, None) == (
        change.action,
        change.kind,
        change.key,
        (change.before or {})["origin"],
        change.after,
    )


def test_a_webhook_is_switched_off_with_a_reason(storage: Storage, secret: str):
    """The first one stays; how far it was told stays, too."""
    delivery = fail(storage)
    webhooks.switch_off(storage, "chat", "it is away", ADMIN)
    assert CREATED + 1 == webhooks.switch_off(storage, "chat", "another reason", ADMIN).revision
    assert ("it is away", delivery) == (find(storage).record.off_reason, find(storage).delivery)
    change = LoggedChange("disable", "webhook", "chat", {"off_reason": None}, {"off_reason": "it is away"})
    assert change == read_last(storage).change


def test_one_that_was_changed_meanwhile_stays_on(storage: Storage, secret: str):
    """What is said about its former URL does not hold for the new one."""
    former = find(storage).record
    webhooks.change(storage, "chat", {"url": f"{URL}2"}, ADMIN)
    assert not webhooks.switch_off(storage, "chat", "it is away", ADMIN, only=former).is_change
    assert find(storage).record.off_reason is None
    assert webhooks.switch_off(storage, "chat", "it is away", ADMIN, only=find(storage).record).is_change
    assert "it is away" == find(storage).record.off_reason


def test_a_webhook_that_is_enabled_goes_on_where_it_was(storage: Storage, secret: str):
    """At once, and its failures are forgotten."""
    told = fail(storage).told
    webhooks.switch_off(storage, "chat", "it is away", ADMIN)
    write_something(storage)
    webhooks.enable(storage, "chat", ADMIN)
    assert (None, DeliveryRecord("chat", told, attempted_at=NOON)) == (
        find(storage).record.off_reason,
        find(storage).delivery,
    )
    change = LoggedChange("enable", "webhook", "chat", {"off_reason": "it is away"}, {"off_reason": None})
    assert change == read_last(storage).change


@pytest.mark.parametrize("is_on", [False, True])
def test_what_was_missed_can_be_left_out(storage: Storage, secret: str, is_on: bool):
    """Then it is told of what follows, that it was skipped among that; the log has it, as messages are lost."""
    fail(storage)
    if not is_on:
        webhooks.switch_off(storage, "chat", "it is away", ADMIN)
    before = write_something(storage)
    webhooks.enable(storage, "chat", ADMIN, is_skipping=True)
    assert (before, 0, None) == (
        find(storage).delivery.told.number,
        find(storage).delivery.failures,
        find(storage).record.off_reason,
    )
    assert ("skip", before + 1) == (read_last(storage).change.action, read_last(storage).revision)


def test_a_webhook_that_is_on_is_tried_again_at_once(storage: Storage, secret: str):
    """That is no change, so there is no entry of it."""
    told = fail(storage).told
    assert CREATED == webhooks.enable(storage, "chat", ADMIN).revision
    assert DeliveryRecord("chat", told, attempted_at=NOON) == find(storage).delivery


def test_how_far_it_was_told_is_noted_once(storage: Storage, secret: str):
    """Whoever knows no more what it was, or was too late, changes nothing; of several each is looked at by itself."""
    before = find(storage).delivery
    after = replace(before, told=storage.read(lambda reader: reader.revision_id()))
    late, gone = (before, replace(before, failures=1)), (replace(after, webhook="gone"), replace(after, webhook="gone"))
    assert {"chat"} == webhooks.note_deliveries(storage, [gone, (before, after)], after.told)
    assert set() == webhooks.note_deliveries(storage, [late, gone], after.told)
    assert (after, CREATED) == (find(storage).delivery, read_revision(storage))


def test_what_the_database_has_lost_is_not_noted(storage: Storage, secret: str):
    """A standby that took over has another change of this number, or none: it would never be told."""
    before = find(storage).delivery
    for lost in (RevisionId(CREATED, "0123456789ab"), RevisionId(CREATED + 1, "0123456789ab")):
        assert set() == webhooks.note_deliveries(storage, [(before, before)], lost)
    assert before == find(storage).delivery


def test_what_was_told_before_the_log_begins_is_noted(storage: Storage, secret: str):
    """An attempt to tell of what follows may fail, too."""
    before = find(storage).delivery
    write_something(storage)
    storage.prune(datetime.now(UTC) + timedelta(days=1))
    assert {"chat"} == webhooks.note_deliveries(storage, [(before, replace(before, failures=1))], before.told)


def test_a_name_that_none_has_is_not_found(storage: Storage):
    """Whatever is to be done with it."""
    for attempt in (
        lambda: webhooks.get(storage, "chat"),
        lambda: webhooks.change(storage, "chat", {}, ADMIN),
        lambda: webhooks.delete(storage, "chat", ADMIN),
        lambda: webhooks.switch_off(storage, "chat", "reason", ADMIN),
        lambda: webhooks.enable(storage, "chat", ADMIN),
    ):
        with pytest.raises(NotFoundError, match="no webhook named 'chat'"):
            attempt()


def test_only_an_admin_may_do_any_of_it(storage: Storage, secret: str):
    """The message says what is missing; nothing is changed."""
    for attempt in (
        lambda: webhooks.create(storage, "new", URL, (), STANDARD, NO_ADMIN),
        lambda: webhooks.change(storage, "chat", {"format": SLACK}, NO_ADMIN),
        lambda: webhooks.delete(storage, "chat", NO_ADMIN),
        lambda: webhooks.switch_off(storage, "chat", "reason", NO_ADMIN),
        lambda: webhooks.enable(storage, "chat", NO_ADMIN, is_skipping=True),
    ):
        with pytest.raises(NotPermittedError, match="admin"):
            attempt()
    assert CREATED == read_revision(storage)
