"""The JSON forms of tokens and people, for answers and for the change log: without digests, hashes and keys."""

from datetime import datetime

from heksher.server.json_form import JSONObject, list_differences
from heksher.server.storage.access_records import PERSON, SIGNING_KEY, TOKEN, PersonRecord, TokenRecord
from heksher.server.storage.base import LoggedChange


def token_to_json(token: TokenRecord) -> JSONObject:
    """Return what admins may know of a token; times are in UTC."""
    return {"name": token.name, **_list_token_fields(token), "last_used_at": write_time(token.last_used_at)}


def person_to_json(person: PersonRecord) -> JSONObject:
    """Return what admins may know of a person."""
    return {"name": person.name, **_list_person_fields(person)}


def change_token(action: str, before: TokenRecord | None, after: TokenRecord | None, name: str) -> LoggedChange:
    """Return the change of a token that was created (``before`` is ``None``), changed, or revoked."""
    fields = (None if record is None else _list_token_fields(record) for record in (before, after))
    return _make_change(action, TOKEN, name, *fields)


def change_person(action: str, before: PersonRecord | None, after: PersonRecord | None, name: str) -> LoggedChange:
    """Return the change of a person who was added (``before`` is ``None``), changed, or removed.

    A new password changes no field but the epoch: the action says what was done.
    """
    fields = (
        None if record is None else {**_list_person_fields(record), "epoch": record.epoch} for record in (before, after)
    )
    return _make_change(action, PERSON, name, *fields)


def change_signing_key(action: str) -> LoggedChange:
    """Return the change of the key that cookies are signed with, of which there is nothing to be said."""
    return LoggedChange(action, SIGNING_KEY, "", {}, {})


def _make_change(action: str, kind: str, key: str, before: JSONObject | None, after: JSONObject | None) -> LoggedChange:
    if before is None or after is None:
        return LoggedChange(action, kind, key, before, after)
    return LoggedChange(action, kind, key, *list_differences(before, after))


def _list_token_fields(token: TokenRecord) -> JSONObject:
    return {
        "grants": list(token.grants),
        "creator": token.creator,
        "created_at": write_time(token.created_at),
        "expires_at": write_time(token.expires_at),
    }


def _list_person_fields(person: PersonRecord) -> JSONObject:
    return {
        "grants": list(person.grants),
        "has_password": person.password_hash is not None,
        "issuer": person.issuer,
        "subject": person.subject,
    }


def write_time(time: datetime | None) -> str | None:
    """Return a time as text, to the second; ``None`` for none."""
    return None if time is None else time.isoformat(timespec="seconds")
