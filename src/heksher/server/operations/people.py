"""People, who sign in, and the key that their cookies are signed with.

A person has an *epoch*, which cookies carry: a cookie of an earlier one is void. It is the revision of the change that
has raised it, so that nobody who is removed and added again gets one that a former cookie has.
"""

from collections.abc import Callable
from dataclasses import replace

from heksher.server.access.grants import Grants, Role
from heksher.server.access.password import hash_password
from heksher.server.access.signed_session import make_key
from heksher.server.operations import access_objects
from heksher.server.operations.access_form import change_signing_key
from heksher.server.operations.access_names import require_name, require_password
from heksher.server.operations.access_objects import PEOPLE
from heksher.server.operations.last_admin import PASSWORDS, WaysIn
from heksher.server.operations.permission import require
from heksher.server.storage.access_records import PersonRecord
from heksher.server.storage.base import Origin, Storage, Writer, Written


def list_all(storage: Storage) -> tuple[PersonRecord, ...]:
    """Return all people, sorted by name."""
    return access_objects.list_all(storage, PEOPLE)


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
        DuplicateError: there is a person or a token of this name.
    """
    require_name(name)
    password_hash = None if password is None else _digest(password)

    def work(writer: Writer) -> None:
        person = PersonRecord(name, grants.texts(), password_hash, epoch=writer.revision() + 1)
        access_objects.add(writer, PEOPLE, "add", person, origin)

    return storage.write(work, origin)


def set_grants(
    storage: Storage, name: str, grants: Grants, origin: Origin, *, ways_in: WaysIn | None = PASSWORDS
) -> Written[None]:
    """Change what a person may do; it holds for whoever is signed in, too.

    Args:
        storage: has the people.
        name: of the person.
        grants: all that the person may do; there may be none.
        origin: who changes it.
        ways_in: how people can sign in, who could be an admin afterwards; ``None`` on the machine, where one can do
            without.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
        ConflictError: there would be no admin any more.
    """

    def edit(_: Writer, before: PersonRecord) -> PersonRecord:
        return replace(before, grants=grants.texts())

    return access_objects.change(storage, PEOPLE, "set grants", name, edit, origin, ways_in)


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


def remove(storage: Storage, name: str, origin: Origin, *, ways_in: WaysIn | None = PASSWORDS) -> Written[None]:
    """Remove a person, who is signed out everywhere by that. For the arguments see ``set_grants``.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no such person.
        ConflictError: there would be no admin any more.
    """
    return access_objects.remove(storage, PEOPLE, "remove", name, origin, ways_in)


def rotate_key(storage: Storage, origin: Origin) -> Written[None]:
    """Make a new key to sign cookies with, which signs out everybody.

    Raises:
        NotPermittedError: the origin is no admin.
    """
    key = make_key()

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

    def begin_epoch(writer: Writer, before: PersonRecord) -> PersonRecord:
        # A database that has lost changes may have epochs above its revision.
        return replace(edit(before), epoch=max(before.epoch, writer.revision()) + 1)

    return access_objects.change(storage, PEOPLE, action, name, begin_epoch, origin)
