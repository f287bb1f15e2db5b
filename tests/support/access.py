"""Services that check who may do what, and tokens for them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from heksher.server.access.token import digest_token
from heksher.server.config import Config
from heksher.server.storage.access_records import TOKEN, TokenRecord
from heksher.server.storage.base import LoggedChange, Storage, Writer
from tests.support.api import Api

CONFIG = Config(database="unused", has_access=True)


def give_token(
    storage: Storage, *grants: str, name: str = "", secret: str = "", expires_in: timedelta | None = None
) -> str:
    """Store a token with some grants, and return it.

    Args:
        storage: where to.
        grants: what it allows.
        name: of the token; made of its grants if there is none.
        secret: the token itself; likewise.
        expires_in: how long it lasts; for ever if not given.
    """
    record = make_token(*grants, name=name, secret=secret, expires_in=expires_in)

    def work(writer: Writer) -> None:
        writer.put_token(record)
        writer.record(LoggedChange("create", TOKEN, record.name, None, {"grants": list(grants)}))

    storage.write(work)
    return secret or f"hks_{record.name}"


def make_token(*grants: str, name: str = "", secret: str = "", expires_in: timedelta | None = None) -> TokenRecord:
    """Make what ``give_token`` stores, whose arguments these are."""
    name = name or "with " + " ".join(grants)
    digest = digest_token(secret or f"hks_{name}")
    expires_at = None if expires_in is None else datetime.now(UTC) + expires_in
    return TokenRecord(name, digest, grants, "tests", datetime(2026, 11, 1, tzinfo=UTC), expires_at)


def take_token(storage: Storage, name: str) -> None:
    """Remove a token."""

    def work(writer: Writer) -> None:
        writer.remove_token(name)
        writer.record(LoggedChange("revoke", TOKEN, name, {"grants": []}, None))

    storage.write(work)


def make_guarded(api: Api, config: Config = CONFIG, grants: Iterable[str] = ()) -> Api:
    """Return a service on the storage of another one that checks who may do what, and is loaded.

    Args:
        api: the other one.
        config: of the new one.
        grants: for each of these, a token ``hks_with GRANT`` is made.
    """
    for grant in grants:
        give_token(api.storage, grant)
    guarded = Api(api.storage, replace(config, has_access=True))
    guarded.app.services.catalog.refresh()
    return guarded
