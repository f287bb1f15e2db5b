"""What is done about access when a backup is restored.

A backup has what was valid when it was made. So nobody who was given a cookie since may go on with it: each person's
epoch is raised, and there is a new signing key. Tokens cannot be told from those that were revoked since, so they are
valid again, and listed for whoever restores.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from heksher.server.access.signed_session import make_key
from heksher.server.storage.access_records import PERSON, SIGNING_KEY, AccessRecords, TokenRecord
from heksher.server.storage.base import LoggedChange, Writer

_ACTION: Final = "restore"


def renew_access(writer: Writer) -> None:
    """Make all cookies void, and record it. Does nothing where there is neither a person nor a signing key."""
    records = writer.access()
    for person in records.persons:
        renewed = replace(person, epoch=person.epoch + 1)
        writer.put_person(renewed)
        writer.record(LoggedChange(_ACTION, PERSON, person.name, {"epoch": person.epoch}, {"epoch": renewed.epoch}))
    if records.signing_key:
        writer.set_signing_key(make_key())
        writer.record(LoggedChange(_ACTION, SIGNING_KEY, "", {}, {}))


def list_valid_tokens(records: AccessRecords, now: datetime) -> tuple[TokenRecord, ...]:
    """Return the tokens that have not expired."""
    return tuple(token for token in records.tokens if token.expires_at is None or token.expires_at > now)
