"""What is done alike with tokens and people: by admins, to one of a name, and as an entry of the change log."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from heksher.server.access.grants import Role
from heksher.server.access.token import is_token
from heksher.server.errors import DuplicateError, NotFoundError
from heksher.server.operations.access_form import change_person, change_token
from heksher.server.operations.last_admin import WaysIn, require_admin_left
from heksher.server.operations.permission import require
from heksher.server.storage.access_records import AccessRecords, PersonRecord, TokenRecord
from heksher.server.storage.base import LoggedChange, Origin, Reader, Storage, Writer, Written
from heksher.value_type import shorten

R = TypeVar("R", TokenRecord, PersonRecord)


@dataclass(frozen=True, slots=True)
class AccessKind(Generic[R]):
    """Tokens, or people.

    Attributes:
        noun: what one of them is called.
        pick: returns them, of all records.
        put: stores one.
        remove: removes the one with a name.
        describe: returns the change from one state of one to another, as ``change_token``.
    """

    noun: Literal["token", "person"]
    pick: Callable[[AccessRecords], tuple[R, ...]]
    put: Callable[[Writer, R], None]
    remove: Callable[[Writer, str], None]
    describe: Callable[[str, R | None, R | None, str], LoggedChange]


TOKENS: Final[AccessKind[TokenRecord]] = AccessKind(
    "token",
    lambda records: records.tokens,
    lambda writer, token: writer.put_token(token),
    lambda writer, name: writer.remove_token(name),
    change_token,
)
PEOPLE: Final[AccessKind[PersonRecord]] = AccessKind(
    "person",
    lambda records: records.persons,
    lambda writer, person: writer.put_person(person),
    lambda writer, name: writer.remove_person(name),
    change_person,
)


def list_all(storage: Storage, kind: AccessKind[R]) -> tuple[R, ...]:
    """Return all of a kind, sorted by name."""
    return kind.pick(storage.read(lambda reader: reader.access()))


def add(writer: Writer, kind: AccessKind[R], action: str, record: R, origin: Origin) -> None:
    """Add one to those that there are.

    Raises:
        NotPermittedError: the origin is no admin.
        DuplicateError: there is a token or a person of this name: people would take one for the other.
    """
    require(origin, Role.ADMIN)
    for holder in writer.access().list_holders():
        if holder.name == record.name:
            noun = TOKENS.noun if isinstance(holder, TokenRecord) else PEOPLE.noun
            raise DuplicateError(
                f"there is a {noun} named {shorten(repr(record.name))} already, and people would take the two for one:"
                " choose another name"
            )
    kind.put(writer, record)
    writer.record(kind.describe(action, None, record, record.name))


def change(
    storage: Storage,
    kind: AccessKind[R],
    action: str,
    name: str,
    edit: Callable[[Writer, R], R],
    origin: Origin,
    ways_in: WaysIn | None = None,
) -> Written[None]:
    """Change one.

    Args:
        storage: has them.
        kind: what it is.
        action: what is done, for the change log.
        name: its name.
        edit: returns what it is to be from what it is; nothing is logged if that is the same.
        origin: who changes it.
        ways_in: how people can sign in; ``None`` where there need be no admin afterwards.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is none of this name.
        ConflictError: there would be no admin any more.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, kind, name)
        after = edit(writer, before)
        if after != before:
            kind.put(writer, after)
            writer.record(kind.describe(action, before, after, name))
        if ways_in is not None:
            require_admin_left(writer, ways_in, before, after)

    return storage.write(work, origin)


def remove(
    storage: Storage, kind: AccessKind[R], action: str, name: str, origin: Origin, ways_in: WaysIn | None
) -> Written[None]:
    """Remove one. For arguments and errors see ``change``."""

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        before = _get(writer, kind, name)
        kind.remove(writer, name)
        writer.record(kind.describe(action, before, None, name))
        if ways_in is not None:
            require_admin_left(writer, ways_in, before, None)

    return storage.write(work, origin)


def _get(reader: Reader, kind: AccessKind[R], name: str) -> R:
    for record in kind.pick(reader.access()):
        if record.name == name:
            return record
    if is_token(name):
        raise NotFoundError(f"this is a token, and it has to be the name of a {kind.noun}", kind.noun)
    raise NotFoundError(f"there is no {kind.noun} named {shorten(repr(name))}", kind.noun)
