"""Who counts as an admin that is left."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.errors import ConflictError
from heksher.server.operations.last_admin import is_admin, require_admin_left
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import LoggedChange, Storage, Writer

NOW = datetime.now(UTC).replace(microsecond=0)


def put_token(storage: Storage, expires_at: datetime | None, grant: str = "admin") -> None:
    def work(writer: Writer) -> None:
        writer.put_token(TokenRecord("root", "0" * 64, (grant,), "ada", NOW, expires_at))
        writer.record(LoggedChange("create", "token", "root", None, {}))

    storage.write(work)


def check(storage: Storage, before: tuple[str, ...] = ("admin",), after: tuple[str, ...] = ()) -> None:
    storage.read(lambda reader: require_admin_left(reader, before, after))


@pytest.mark.parametrize("expires_at", [None, NOW + timedelta(days=2)])
def test_a_token_that_is_valid_is_an_admin(storage: Storage, expires_at: datetime | None):
    """For ever or not."""
    put_token(storage, expires_at)
    check(storage)


@pytest.mark.parametrize("rest", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_token_that_has_ended_or_soon_will_is_none(storage: Storage, rest: timedelta):
    """Nobody can count on it."""
    put_token(storage, NOW + rest)
    with pytest.raises(ConflictError, match="'heksher access' on the machine"):
        check(storage)


def test_whoever_was_no_admin_can_always_go(storage: Storage):
    """Also where there is none at all, as before the first one is made."""
    check(storage, before=("declare", "edit:in."))
    check(storage, before=("admin",), after=("read", "admin"))
    with pytest.raises(ConflictError):
        check(storage)


def test_only_the_grant_itself_makes_an_admin():
    """No other role includes it."""
    assert is_admin(("read", "admin"))
    assert not is_admin(("evaluate", "read", "declare", "edit", "edit:admin."))
