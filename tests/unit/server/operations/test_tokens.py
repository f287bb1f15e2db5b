"""Tokens: what is stored and logged of them, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.access.grants import NOTHING, parse_grants
from heksher.server.access.token import digest_token, is_token
from heksher.server.errors import ConflictError, DuplicateError, InvalidInputError, NotFoundError, NotPermittedError
from heksher.server.operations import people, tokens
from heksher.server.storage.base import LoggedChange, Storage
from tests.support.operations import read_last, read_revision
from tests.support.principals import ADMIN, NO_ADMIN, find_token

READ = parse_grants(["read"])
MORE = parse_grants(["declare", "edit:frontend."])
ALL = parse_grants(["admin"])
END = datetime(2100, 1, 1, tzinfo=UTC)
FIELDS = {"grants": ["read"], "creator": "ada", "expires_at": "2100-01-01T00:00:00+00:00"}


@pytest.fixture
def token(storage: Storage) -> str:
    """A token named ``ci``, which may read until 2100."""
    return tokens.create(storage, "ci", READ, END, ADMIN).result


def test_a_token_is_told_once_and_stored_as_its_digest(storage: Storage, token: str):
    """With who has made it, and when."""
    assert is_token(token)
    record = find_token(storage, "ci")
    assert (digest_token(token), ("read",), "ada", END) == (
        record.digest,
        record.grants,
        record.creator,
        record.expires_at,
    )
    assert timedelta(0) <= datetime.now(UTC) - record.created_at < timedelta(minutes=1)
    assert (record,) == tokens.list_all(storage)


def test_a_creation_is_logged_without_what_is_secret(storage: Storage, token: str):
    """Neither the token nor its digest; with the origin of the request."""
    entry = read_last(storage)
    created_at = find_token(storage, "ci").created_at.isoformat()
    expected = LoggedChange("create", "token", "ci", None, FIELDS | {"created_at": created_at})
    assert (expected, ADMIN) == (entry.change, entry.origin)
    assert digest_token(token) not in repr(entry)


def test_a_token_can_be_valid_for_ever(storage: Storage):
    """Where its creator wants that."""
    tokens.create(storage, "ci", READ, None, ADMIN)
    assert find_token(storage, "ci").expires_at is None


def test_the_end_is_kept_in_utc_and_whole_seconds(storage: Storage):
    """Wherever whoever gave it may be."""
    there = datetime(2100, 1, 1, 2, 30, 0, 999, tzinfo=timezone(timedelta(hours=2, minutes=30)))
    tokens.create(storage, "ci", READ, there, ADMIN)
    assert END.isoformat() == find_token(storage, "ci").expires_at.isoformat()


def test_a_name_is_given_once(storage: Storage, token: str):
    """Until its token is revoked."""
    with pytest.raises(DuplicateError, match="'ci' already"):
        tokens.create(storage, "ci", READ, None, ADMIN)
    tokens.revoke(storage, "ci", ADMIN)
    assert token != tokens.create(storage, "ci", READ, None, ADMIN).result


@pytest.mark.parametrize(
    ("name", "grants", "expires_at", "location"),
    [
        ("a\nb", READ, None, "name"),
        ("ci", NOTHING, None, "grants"),
        ("ci", READ, datetime(2026, 1, 1, tzinfo=UTC), "expires_at"),
        ("ci", READ, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "expires_at"),
        ("ci", READ, datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "expires_at"),
    ],
)
def test_what_no_token_can_be_is_refused(storage: Storage, name, grants, expires_at, location: str):
    """At its place in the request; nothing is stored."""
    with pytest.raises(InvalidInputError) as raised:
        tokens.create(storage, name, grants, expires_at, ADMIN)
    assert ((location,), 3) == (raised.value.location, read_revision(storage))


def test_grants_and_end_can_be_changed(storage: Storage, token: str):
    """It stays the same token, and the log has what has changed."""
    before = find_token(storage, "ci")
    tokens.change(storage, "ci", {"grants": MORE}, ADMIN)
    change = LoggedChange("change", "token", "ci", {"grants": ["read"]}, {"grants": ["declare", "edit:frontend."]})
    assert change == read_last(storage).change
    tokens.change(storage, "ci", {"expires_at": None}, ADMIN)
    assert {"expires_at": None} == read_last(storage).change.after
    after = find_token(storage, "ci")
    assert (before.digest, MORE.texts(), None) == (after.digest, after.grants, after.expires_at)


@pytest.mark.parametrize("changes", [{}, {"grants": READ}, {"expires_at": END}, {"grants": READ, "expires_at": END}])
def test_no_change_is_not_logged(storage: Storage, token: str, changes: tokens.TokenChange):
    """What is as it was, or is left out."""
    assert 4 == tokens.change(storage, "ci", changes, ADMIN).revision
    assert 4 == read_revision(storage)


@pytest.mark.parametrize(
    ("changes", "location"), [({"grants": NOTHING}, "grants"), ({"expires_at": datetime.now(UTC)}, "expires_at")]
)
def test_a_change_into_what_no_token_can_be_is_refused(storage: Storage, token: str, changes, location: str):
    """To end it, it is revoked."""
    with pytest.raises(InvalidInputError) as raised:
        tokens.change(storage, "ci", changes, ADMIN)
    assert (location,) == raised.value.location


def test_a_revoked_token_is_gone(storage: Storage, token: str):
    """The log has what it was allowed."""
    before = find_token(storage, "ci")
    tokens.revoke(storage, "ci", ADMIN)
    expected = LoggedChange("revoke", "token", "ci", FIELDS | {"created_at": before.created_at.isoformat()}, None)
    assert (expected, ()) == (read_last(storage).change, tokens.list_all(storage))


@pytest.mark.parametrize(
    "call",
    [
        lambda storage, name: tokens.change(storage, name, {}, ADMIN),
        lambda storage, name: tokens.revoke(storage, name, ADMIN),
    ],
)
def test_an_unknown_token_is_not_found(storage: Storage, token: str, call):
    """By its name; where it is a token itself, that is not said."""
    for name in ("x", "a\x00", "x" * 5000, token):
        with pytest.raises(NotFoundError) as raised:
            call(storage, name)
        assert ("token", True) == (raised.value.kind, len(str(raised.value)) < 200)
        assert token[4:] not in str(raised.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: tokens.create(storage, "new", READ, None, NO_ADMIN),
        lambda storage: tokens.change(storage, "ci", {"grants": ALL}, NO_ADMIN),
        lambda storage: tokens.change(storage, "unknown", {}, NO_ADMIN),
        lambda storage: tokens.revoke(storage, "ci", NO_ADMIN),
    ],
)
def test_only_admins_may(storage: Storage, token: str, call):
    """Others are not even told what there is."""
    with pytest.raises(NotPermittedError, match="the grant admin"):
        call(storage)
    assert 4 == read_revision(storage)


@pytest.mark.parametrize(
    "call",
    [
        lambda storage, **where: tokens.revoke(storage, "root", ADMIN, **where),
        lambda storage, **where: tokens.change(storage, "root", {"grants": MORE}, ADMIN, **where),
    ],
)
def test_the_last_admin_goes_on_the_machine_only(storage: Storage, token: str, call):
    """Where another one can be made."""
    tokens.create(storage, "root", ALL, None, ADMIN)
    with pytest.raises(ConflictError, match="nobody else who can come in has the grant admin"):
        call(storage)
    assert (5, ("admin",)) == (read_revision(storage), find_token(storage, "root").grants)
    call(storage, ways_in=None)
    assert 6 == read_revision(storage)


def test_an_admin_can_go_where_there_is_another_one(storage: Storage):
    """A person, too."""
    tokens.create(storage, "root", ALL, None, ADMIN)
    people.add(storage, "ada", ALL, "correct horse", ADMIN)
    tokens.revoke(storage, "root", ADMIN)
    assert () == tokens.list_all(storage)


def test_who_has_admin_besides_others_keeps_it_by_the_change(storage: Storage):
    """It is the grant that counts, not that it is the only one."""
    tokens.create(storage, "root", ALL, None, ADMIN)
    tokens.change(storage, "root", {"grants": parse_grants(["read", "admin"])}, ADMIN)
    assert ("read", "admin") == find_token(storage, "root").grants
