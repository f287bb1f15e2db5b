"""The errors of storages of all kinds. Errors of a database driver never leave the storage."""

from typing import Literal

from heksher.exceptions import HeksherError
from heksher.revision_id import RevisionId
from heksher.value_type import shorten

# Why the database cannot do what it is asked, in the words of ``/healthz/ready``: docs/reference/http-api.md has them.
# "busy" is the only one that is no sickness: many writes of this process wait for each other. "database failed" is for
# errors of other classes.
Reason = Literal[
    "database down", "read-only", "disk full", "disk error", "file gone", "file replaced", "schema missing",
    "schema changed", "locked", "busy", "database failed",
]  # fmt: skip


class StorageError(HeksherError):
    """Base of the errors of a storage."""


class StorageUnavailableError(StorageError):
    """The database cannot be reached or written to, or did not answer in time. The same call may succeed later.

    Attributes:
        reason: the reason in a word or two, without names of places.
    """

    def __init__(self, message: str, reason: Reason = "database down") -> None:
        super().__init__(message)
        self.reason: Reason = reason


class SchemaChangedError(StorageUnavailableError):
    """Another version of this program has migrated the database since this process opened it. Nothing was stored.

    What this process would write may not be what that version expects, so it writes no more.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, "schema changed")


class StorageCorruptError(StorageError):
    """The database holds something that this program did not write."""


class ExpectationError(StorageError):
    """An object has changed since the caller of a write last knew it, or is gone. Nothing was stored.

    Attributes:
        kind, key: the object.
        present: its last change; ``None`` if the object does not exist.
    """

    def __init__(self, kind: str, key: str, present: RevisionId | None) -> None:
        now = "it is not there" if present is None else f"its last change is revision {present}"
        super().__init__(f"{kind} {shorten(repr(key))} is not as it was expected to be: {now}")
        self.kind = kind
        self.key = key
        self.present = present


class ContractError(StorageError):
    """The calling code violates the contract in ``base``: a fault in this program, not in the database."""
