"""Who counts as an admin that is left."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.errors import ConflictError
from heksher.server.operations.last_admin import PASSWORDS, WaysIn, require_admin_left
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import LoggedChange, Storage, Writer

NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ISSUER = "https://id.example.com"


def a_token(expires_at: datetime | None = None, grant: str = "admin") -> TokenRecord:
    return TokenRecord("root", "0" * 64, (grant,), "ada", NOW, expires_at)


def a_person(password_hash: str | None = None, issuer: str | None = None, grant: str = "admin") -> PersonRecord:
    return PersonRecord("ada", (grant,), password_hash, issuer, None if issuer is None else "1")


LEAVING = a_token()


def put(storage: Storage, record: TokenRecord | PersonRecord) -> None:
    def work(writer: Writer) -> None:
        if isinstance(record, TokenRecord):
            writer.put_token(record)
        else:
            writer.put_person(record)
        writer.record(LoggedChange("create", "token", "root", None, {}))

    storage.write(work)


def check(
    storage: Storage,
    before: TokenRecord | PersonRecord = LEAVING,
    after: TokenRecord | PersonRecord | None = None,
    ways_in: WaysIn = PASSWORDS,
) -> None:
    storage.read(lambda reader: require_admin_left(reader, ways_in, before, after))


@pytest.mark.parametrize("expires_at", [None, NOW + 2 * DAY])
def test_a_token_that_is_valid_is_an_admin(storage: Storage, expires_at: datetime | None):
    """For ever or not."""
    put(storage, a_token(expires_at))
    check(storage)


@pytest.mark.parametrize("rest", [-HOUR, HOUR])
def test_a_token_that_has_ended_or_soon_will_is_none(storage: Storage, rest: timedelta):
    """Nobody can count on it."""
    put(storage, a_token(NOW + rest))
    with pytest.raises(ConflictError, match="'heksher access' on the machine"):
        check(storage)


PROVIDER, PROXY = WaysIn(issuer=ISSUER), WaysIn(has_proxy=True)


@pytest.mark.parametrize(
    ("person", "ways_in"),
    [
        (a_person("hash"), PASSWORDS),
        (a_person("hash", issuer="https://former.example.com"), PROVIDER),
        (a_person(issuer=ISSUER), PROVIDER),
        (a_person(), PROXY),
        (a_person(), WaysIn(ISSUER, has_proxy=True)),
    ],
)
def test_a_person_who_can_sign_in_is_an_admin(storage: Storage, person: PersonRecord, ways_in: WaysIn):
    """By a password, through the provider that knows them, or by the word of a proxy."""
    put(storage, person)
    check(storage, ways_in=ways_in)


@pytest.mark.parametrize(
    ("person", "ways_in"),
    [
        (a_person(), PASSWORDS),
        (a_person(), PROVIDER),
        (a_person(issuer=ISSUER), PASSWORDS),
        (a_person(issuer=ISSUER), PROXY),
        (a_person(issuer="https://former.example.com"), WaysIn(ISSUER, has_proxy=True)),
        (a_person("hash", grant="edit"), PASSWORDS),
    ],
)
def test_a_person_who_cannot_sign_in_is_none(storage: Storage, person: PersonRecord, ways_in: WaysIn):
    """There is no password, and neither a provider that knows them nor a proxy that could name them."""
    put(storage, person)
    with pytest.raises(ConflictError, match="nobody else who can come in"):
        check(storage, ways_in=ways_in)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (a_token(grant="edit:in."), None),
        (a_token(NOW - HOUR), None),
        (a_person(), None),
        (a_token(), a_token()),
        (a_token(NOW + HOUR), a_token(NOW + HOUR)),
        (a_token(NOW + HOUR), a_token()),
        (a_person("hash"), a_person("hash")),
    ],
)
def test_whoever_was_no_admin_or_stays_one_needs_no_other(
    storage: Storage, before: TokenRecord | PersonRecord, after: TokenRecord | PersonRecord | None
):
    """Also where there is none at all, as before the first one is made."""
    check(storage, before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (a_token(), None),
        (a_token(NOW + HOUR), None),
        (a_token(), a_token(grant="read")),
        (a_token(), a_token(NOW + HOUR)),
        (a_token(NOW + 2 * HOUR), a_token(NOW + HOUR)),
        (a_person("hash"), None),
        (a_person("hash"), a_person("hash", grant="read")),
    ],
)
def test_the_last_admin_can_neither_go_nor_be_given_an_earlier_end(
    storage: Storage, before: TokenRecord | PersonRecord, after: TokenRecord | PersonRecord | None
):
    """Whether it is a token or a person."""
    if after is not None:
        put(storage, after)
    with pytest.raises(ConflictError):
        check(storage, before, after)


def test_an_end_of_the_last_admin_that_is_days_away_is_one(storage: Storage):
    """Until then somebody can think of another one."""
    put(storage, a_token(NOW + 30 * DAY))
    check(storage, a_token(), a_token(NOW + 30 * DAY))


def test_only_the_grant_itself_makes_an_admin(storage: Storage):
    """No other role includes it."""
    for grant in ("evaluate", "read", "declare", "edit", "edit:admin."):
        put(storage, a_token(grant=grant))
        with pytest.raises(ConflictError):
            check(storage)
