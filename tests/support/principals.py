"""Who may do what, for tests of the operations."""

from heksher.server.access.grants import parse_grants
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import Origin, Storage

ADMIN = Origin("ada", actor_kind="person", grants=parse_grants(["admin"]))
# What allows everything but administration.
NO_ADMIN = Origin("bob", actor_kind="person", grants=parse_grants(["declare", "edit"]))


def find_token(storage: Storage, name: str) -> TokenRecord | None:
    return next((token for token in storage.read(lambda reader: reader.access().tokens) if token.name == name), None)


def find_person(storage: Storage, name: str) -> PersonRecord | None:
    return next((who for who in storage.read(lambda reader: reader.access().persons) if who.name == name), None)
