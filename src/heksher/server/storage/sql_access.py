"""Tokens, people, the signing key and policies in an SQL database, inside the transaction of a unit of work.

Constraints keep digests and identities unique. All records are read at once: whoever checks requests has all of them in
memory, and whoever changes one has time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Delete, Insert, Update, bindparam, delete, insert, or_, select, update

from heksher.server.storage.access_records import AccessRecords, PersonRecord, PolicyRecord, TokenRecord, floor_hour
from heksher.server.storage.json_text import decode_json, encode_json, is_storable
from heksher.server.storage.sql_statements import AnyRow, Statements
from heksher.server.storage.sql_times import read_optional_time, read_time, write_time
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import PERSON, POLICY, SIGNING_KEY, TOKEN
from heksher.server.storage.unit import (
    require_proper_key,
    require_proper_person,
    require_proper_policy,
    require_proper_token,
)

_TOKENS: Final = select(TOKEN)
_PERSONS: Final = select(PERSON)
_SIGNING_KEY: Final = select(SIGNING_KEY.c.key)
_POLICIES: Final = select(POLICY)

_ADD_TOKEN: Final = insert(TOKEN)
_REPLACE_TOKEN: Final = update(TOKEN).where(TOKEN.c.name == bindparam("of_name"))
_REMOVE_TOKEN: Final = delete(TOKEN).where(TOKEN.c.name == bindparam("of_name"))
_ADD_PERSON: Final = insert(PERSON)
_REPLACE_PERSON: Final = update(PERSON).where(PERSON.c.name == bindparam("of_name"))
_REMOVE_PERSON: Final = delete(PERSON).where(PERSON.c.name == bindparam("of_name"))
_ADD_POLICY: Final = insert(POLICY)
_REPLACE_POLICY: Final = update(POLICY).where(POLICY.c.prefix == bindparam("of_prefix"))
_REMOVE_POLICY: Final = delete(POLICY).where(POLICY.c.prefix == bindparam("of_prefix"))
_ADD_KEY: Final = insert(SIGNING_KEY).values(id=1)
_REPLACE_KEY: Final = update(SIGNING_KEY)
# Texts of one form, so they are in the order of their times in any collation.
_NOTE_USE: Final = (
    update(TOKEN)
    .where(
        TOKEN.c.name == bindparam("of_name"),
        or_(TOKEN.c.last_used_at.is_(None), TOKEN.c.last_used_at < bindparam("used_at")),
    )
    .values(last_used_at=bindparam("used_at"))
)


class SqlAccess:
    """What is stored about access, as one transaction sees and changes it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def read(self) -> AccessRecords:
        """Return all records."""
        tokens = map(_read_token, self._statements.fetch(_TOKENS))
        persons = map(_read_person, self._statements.fetch(_PERSONS))
        keys = [row.key for row in self._statements.fetch(_SIGNING_KEY)]
        # Sorted here, because databases sort by the rules of a language.
        return AccessRecords(
            tuple(sorted(tokens, key=lambda token: token.name)),
            tuple(sorted(persons, key=lambda person: person.name)),
            keys[0] if keys else "",
            self.list_policies(),
        )

    def list_policies(self) -> tuple[PolicyRecord, ...]:
        """Return all policies, sorted by prefix."""
        policies = map(_read_policy, self._statements.fetch(_POLICIES))
        return tuple(sorted(policies, key=lambda policy: policy.prefix))

    def put_token(self, token: TokenRecord, revision: int) -> None:
        """Add or replace a token, with the revision of its last change."""
        require_proper_token(token)
        row = {
            "name": token.name,
            "digest": token.digest,
            "grants": encode_json(token.grants),
            "creator": encode_json(token.creator),
            "created_at": write_time(token.created_at),
            "expires_at": write_time(token.expires_at),
            "last_used_at": write_time(token.last_used_at),
            "revision": revision,
        }
        self._put(_REPLACE_TOKEN, _ADD_TOKEN, row, f"storing token {token.name!r}")

    def remove_token(self, name: str) -> None:
        """Remove a token."""
        self._remove(_REMOVE_TOKEN, name, f"token {name!r}")

    def put_person(self, person: PersonRecord, revision: int) -> None:
        """Add or replace a person, with the revision of their last change."""
        require_proper_person(person)
        row = {
            "name": person.name,
            "grants": encode_json(person.grants),
            "password_hash": person.password_hash,
            "issuer": person.issuer,
            "subject": person.subject,
            "epoch": person.epoch,
            "revision": revision,
        }
        self._put(_REPLACE_PERSON, _ADD_PERSON, row, f"storing person {person.name!r}")

    def remove_person(self, name: str) -> None:
        """Remove a person."""
        self._remove(_REMOVE_PERSON, name, f"person {name!r}")

    def put_policy(self, policy: PolicyRecord, revision: int) -> None:
        """Add or replace a policy, with the revision of its last change."""
        require_proper_policy(policy)
        row = {
            "prefix": policy.prefix,
            "creator": encode_json(policy.creator),
            "created_at": write_time(policy.created_at),
            "revision": revision,
        }
        doing = f"storing policy {policy.prefix!r}"
        if not self._statements.run(_REPLACE_POLICY, {**row, "of_prefix": policy.prefix}, doing):
            self._statements.run(_ADD_POLICY, row, doing)

    def remove_policy(self, prefix: str) -> None:
        """Remove a policy."""
        doing = f"removing policy {prefix!r}"
        if not is_storable(prefix) or not self._statements.run(_REMOVE_POLICY, {"of_prefix": prefix}, doing):
            raise ContractError(f"there is no policy {prefix!r} to remove")

    def set_signing_key(self, key: str) -> None:
        """Replace the signing key, or set the first one."""
        require_proper_key(key)
        doing = "storing the signing key"
        if not self._statements.run(_REPLACE_KEY, {"key": key}, doing):
            self._statements.run(_ADD_KEY, {"key": key}, doing)

    def note_uses(self, uses: Mapping[str, datetime]) -> None:
        """Note when tokens were used, unless a later use of them is known."""
        rows = (
            {"of_name": name, "used_at": write_time(floor_hour(at))} for name, at in uses.items() if is_storable(name)
        )
        self._statements.run_each(_NOTE_USE, rows, "noting when tokens were used")

    def _put(self, replace: Update, add: Insert, row: Mapping[str, object], doing: str) -> None:
        if not self._statements.run(replace, {**row, "of_name": row["name"]}, doing):
            self._statements.run(add, row, doing)

    def _remove(self, statement: Delete, name: str, what: str) -> None:
        if not is_storable(name) or not self._statements.run(statement, {"of_name": name}, f"removing {what}"):
            raise ContractError(f"there is no {what} to remove")


def _read_token(row: AnyRow) -> TokenRecord:
    return TokenRecord(
        name=row.name,
        digest=row.digest,
        grants=_read_grants(row.grants),
        creator=str(decode_json(row.creator)),
        created_at=read_time(row.created_at),
        expires_at=read_optional_time(row.expires_at),
        last_used_at=read_optional_time(row.last_used_at),
        revision=row.revision,
    )


def _read_person(row: AnyRow) -> PersonRecord:
    return PersonRecord(
        name=row.name,
        grants=_read_grants(row.grants),
        password_hash=row.password_hash,
        issuer=row.issuer,
        subject=row.subject,
        epoch=row.epoch,
        revision=row.revision,
    )


def _read_policy(row: AnyRow) -> PolicyRecord:
    return PolicyRecord(row.prefix, str(decode_json(row.creator)), read_time(row.created_at), row.revision)


def _read_grants(text: str) -> tuple[str, ...]:
    return tuple(cast("list[str]", decode_json(text)))
