"""Tokens, by which programs are known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from heksher.server.access.grants import Grants
from heksher.server.access.token import digest_token, make_token
from heksher.server.errors import InvalidInputError
from heksher.server.operations import access_objects
from heksher.server.operations.access_names import require_name
from heksher.server.operations.access_objects import TOKENS
from heksher.server.operations.last_admin import PASSWORDS, WaysIn
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import Origin, Storage, Writer, Written

# How long a token is valid unless its creator says otherwise: who has left it somewhere should not have to know of it.
LIFETIME: Final = timedelta(days=365)


class TokenChange(TypedDict, total=False):
    """What is to change of a token; what is left out stays."""

    grants: Grants
    expires_at: datetime | None


def list_all(storage: Storage) -> tuple[TokenRecord, ...]:
    """Return all tokens, sorted by name."""
    return access_objects.list_all(storage, TOKENS)


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
        DuplicateError: there is a token of this name, if only one that has ended, or a person.
    """
    require_name(name)
    change = _check({"grants": grants, "expires_at": expires_at})
    token = make_token()
    now = datetime.now(UTC).replace(microsecond=0)
    record = TokenRecord(name, digest_token(token), grants.texts(), origin.actor, now, change["expires_at"])

    def work(writer: Writer) -> str:
        access_objects.add(writer, TOKENS, "create", record, origin)
        return token

    return storage.write(work, origin)


def change(
    storage: Storage, name: str, changes: TokenChange, origin: Origin, *, ways_in: WaysIn | None = PASSWORDS
) -> Written[None]:
    """Change what a token allows, or until when.

    Args:
        storage: has the tokens.
        name: of the token.
        changes: what is to change; as for ``create``.
        origin: who changes it.
        ways_in: how people can sign in, who could be an admin afterwards; ``None`` on the machine, where one can do
            without.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such token.
        InvalidInputError: it would allow nothing, or has ended then.
        ConflictError: there would be no admin any more.
    """
    changes = _check(changes)

    def edit(_: Writer, before: TokenRecord) -> TokenRecord:
        grants = changes["grants"].texts() if "grants" in changes else before.grants
        return replace(before, grants=grants, expires_at=changes.get("expires_at", before.expires_at))

    return access_objects.change(storage, TOKENS, "change", name, edit, origin, ways_in)


def revoke(storage: Storage, name: str, origin: Origin, *, ways_in: WaysIn | None = PASSWORDS) -> Written[None]:
    """Remove a token, which is refused from now on. For the arguments see ``change``.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such token.
        ConflictError: there would be no admin any more.
    """
    return access_objects.remove(storage, TOKENS, "revoke", name, origin, ways_in)


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
