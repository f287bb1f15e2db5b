"""Tokens, by which programs are known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from heksher.server.access.grants import Grants, Role
from heksher.server.access.token import digest_token, is_token, make_token
from heksher.server.errors import DuplicateError, InvalidInputError, NotFoundError
from heksher.server.operations.access_form import change_token
from heksher.server.operations.access_names import require_name, require_not_taken
from heksher.server.operations.last_admin import require_admin_left
from heksher.server.operations.permission import require
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import Origin, Reader, Storage, Writer, Written
from heksher.value_type import shorten

# How long a token is valid unless its creator says otherwise: who has left it somewhere should not have to know of it.
LIFETIME: Final = timedelta(days=365)


class TokenChange(TypedDict, total=False):
    """What is to change of a token; what is left out stays."""

    grants: Grants
    expires_at: datetime | None


def list_all(storage: Storage) -> tuple[TokenRecord, ...]:
    """Return all tokens, sorted by name."""
    return storage.read(lambda reader: reader.access().tokens)


def create(storage: Storage, name: str, grants: Grants, expires_at: datetime | None, origin: Origin) -> Written[str]:
    """Create a token and return it; afterwards nobody can find out what it is.

    Args:
        storage: has the tokens.
        name: what the token is called, in lists and in the change log.
        grants: what it allows.
        expires_at: the end of its validity, with a time zone; ``None`` for none.
        origin: who creates it.

    Raises:
        NotPermittedError: the origin is no admin.
        InvalidInputError: it cannot have this name, allows nothing, or would end before it begins.
        DuplicateError: there is a token of this name, if only one that has ended.
    """
    require_name(name)
    change = _check({"grants": grants, "expires_at": expires_at})
    token = make_token()
    now = datetime.now(UTC).replace(microsecond=0)
    record = TokenRecord(name, digest_token(token), grants.texts(), origin.actor, now, change["expires_at"])

    def work(writer: Writer) -> str:
        require(origin, Role.ADMIN)
        if _find(writer, name):
            raise DuplicateError(
                f"there is a token named {shorten(repr(name))} already: choose another name, or revoke that one first"
            )
        require_not_taken(name, "person", writer.access().persons)
        writer.put_token(record)
        writer.record(change_token("create", None, record, name))
        return token

    return storage.write(work, origin)


def change(
    storage: Storage, name: str, changes: TokenChange, origin: Origin, *, is_on_machine: bool = False
) -> Written[None]:
    """Change what a token allows, or until when.

    Args:
        storage: has the tokens.
        name: of the token.
        changes: what is to change; as for ``create``.
        origin: who changes it.
        is_on_machine: whether whoever does this can do without an admin.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such token.
        InvalidInputError: it would allow nothing, or has ended then.
        ConflictError: there would be no admin any more.
    """
    changes = _check(changes)

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        grants = changes["grants"].texts() if "grants" in changes else before.grants
        after = replace(before, grants=grants, expires_at=changes.get("expires_at", before.expires_at))
        if after != before:
            writer.put_token(after)
            writer.record(change_token("change", before, after, name))
        if not is_on_machine:
            # One that ends is counted only while it lasts.
            require_admin_left(writer, before.grants, after.grants if after.expires_at == before.expires_at else ())

    return storage.write(work, origin)


def revoke(storage: Storage, name: str, origin: Origin, *, is_on_machine: bool = False) -> Written[None]:
    """Remove a token, which is refused from now on.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such token.
        ConflictError: there would be no admin any more.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        writer.remove_token(name)
        writer.record(change_token("revoke", before, None, name))
        if not is_on_machine:
            require_admin_left(writer, before.grants)

    return storage.write(work, origin)


def _check(changes: TokenChange) -> TokenChange:
    """Check what a token is to be; return it with its time as it is stored.

    Raises:
        InvalidInputError: no token can be so.
    """
    checked = changes.copy()
    if "grants" in checked and not checked["grants"].items:
        raise InvalidInputError("a token without grants allows nothing: give it at least one", ("grants",))
    if "expires_at" in checked and (expires_at := checked["expires_at"]) is not None:
        checked["expires_at"] = _check_end(expires_at)
    return checked


def _check_end(expires_at: datetime) -> datetime:
    try:
        end = expires_at.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise InvalidInputError("in UTC there is no such time: it is too far away", ("expires_at",)) from None
    if end <= datetime.now(UTC):
        message = f"the token would have ended at {end.isoformat()}, which is past; revoke it to end it now"
        raise InvalidInputError(message, ("expires_at",))
    return end


def _find(reader: Reader, name: str) -> TokenRecord | None:
    return next((token for token in reader.access().tokens if token.name == name), None)


def _get(reader: Reader, name: str) -> TokenRecord:
    if token := _find(reader, name):
        return token
    if is_token(name):
        raise NotFoundError("this is a token, and it has to be the name of one; the list has the names", "token")
    raise NotFoundError(f"there is no token named {shorten(repr(name))}", "token")
