"""People, who sign in, and the key that their cookies are signed with.

A person has an *epoch*, which cookies carry: a cookie of an earlier one is void. It is the revision of the change that
has raised it, so that nobody who is removed and added again gets one that a former cookie has.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from heksher.server.access.grants import Grants, Role
from heksher.server.access.password import hash_password
from heksher.server.errors import DuplicateError, NotFoundError
from heksher.server.operations.access_form import change_person, change_signing_key
from heksher.server.operations.access_names import require_name, require_not_taken, require_password
from heksher.server.operations.last_admin import require_admin_left
from heksher.server.operations.permission import require
from heksher.server.storage.access_records import PersonRecord
from heksher.server.storage.base import Origin, Reader, Storage, Writer, Written
from heksher.value_type import shorten

_KEY_BYTES: Final = 32


def list_all(storage: Storage) -> tuple[PersonRecord, ...]:
    """Return all people, sorted by name."""
    return storage.read(lambda reader: reader.access().persons)


def add(storage: Storage, name: str, grants: Grants, password: str | None, origin: Origin) -> Written[None]:
    """Add a person.

    Args:
        storage: has the people.
        name: what the person signs in with, and is called in the change log.
        grants: what the person may do; there may be none.
        password: to sign in with; ``None`` for a person who signs in elsewhere.
        origin: who adds the person.

    Raises:
        NotPermittedError: the origin is no admin.
        InvalidInputError: nobody can have this name or password.
        DuplicateError: there is a person of this name.
    """
    require_name(name)
    password_hash = None if password is None else _digest(password)

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        if _find(writer, name):
            raise DuplicateError(f"there is a person named {shorten(repr(name))} already: choose another name")
        require_not_taken(name, "token", writer.access().tokens)
        person = PersonRecord(name, grants.texts(), password_hash, epoch=writer.revision() + 1)
        writer.put_person(person)
        writer.record(change_person("add", None, person, name))

    return storage.write(work, origin)


def set_grants(
    storage: Storage, name: str, grants: Grants, origin: Origin, *, is_on_machine: bool = False
) -> Written[None]:
    """Change what a person may do; it holds for whoever is signed in, too.

    Args:
        storage: has the people.
        name: of the person.
        grants: all that the person may do; there may be none.
        origin: who changes it.
        is_on_machine: whether whoever does this can do without an admin.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
        ConflictError: there would be no admin any more.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        after = replace(before, grants=grants.texts())
        if after != before:
            writer.put_person(after)
            writer.record(change_person("set grants", before, after, name))
        if not is_on_machine:
            require_admin_left(writer, before.grants, after.grants)

    return storage.write(work, origin)


def set_password(storage: Storage, name: str, password: str, origin: Origin) -> Written[None]:
    """Give a person another password, and sign the person out everywhere.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
        InvalidInputError: nobody can have this password.
    """
    password_hash = _digest(password)
    return _end_epoch(
        storage, "set password", name, lambda person: replace(person, password_hash=password_hash), origin
    )


def sign_out(storage: Storage, name: str, origin: Origin) -> Written[None]:
    """Sign a person out everywhere.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
    """
    return _end_epoch(storage, "sign out", name, lambda person: person, origin)


def remove(storage: Storage, name: str, origin: Origin, *, is_on_machine: bool = False) -> Written[None]:
    """Remove a person, who is signed out everywhere by that.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
        ConflictError: there would be no admin any more.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        writer.remove_person(name)
        writer.record(change_person("remove", before, None, name))
        if not is_on_machine:
            require_admin_left(writer, before.grants)

    return storage.write(work, origin)


def rotate_key(storage: Storage, origin: Origin) -> Written[None]:
    """Make a new key to sign cookies with, which signs out everybody.

    Raises:
        NotPermittedError: the origin is no admin.
    """
    key = secrets.token_urlsafe(_KEY_BYTES)

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        writer.set_signing_key(key)
        writer.record(change_signing_key("rotate"))

    return storage.write(work, origin)


def _digest(password: str) -> str:
    # Not within the unit of work: it takes a good part of a second, and a unit may run more than once.
    require_password(password)
    return hash_password(password)


def _end_epoch(
    storage: Storage, action: str, name: str, edit: Callable[[PersonRecord], PersonRecord], origin: Origin
) -> Written[None]:
    """Change a person, and begin an epoch in which no cookie is valid yet."""

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, name)
        # A database that has lost changes may have epochs above its revision.
        after = replace(edit(before), epoch=max(before.epoch, writer.revision()) + 1)
        writer.put_person(after)
        writer.record(change_person(action, before, after, name))

    return storage.write(work, origin)


def _find(reader: Reader, name: str) -> PersonRecord | None:
    return next((person for person in reader.access().persons if person.name == name), None)


def _get(reader: Reader, name: str) -> PersonRecord:
    if person := _find(reader, name):
        return person
    raise NotFoundError(f"there is no person named {shorten(repr(name))}", "person")
