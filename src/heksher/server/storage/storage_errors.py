"""What can go wrong in a storage, whichever it is. Errors of a database driver never pass this border."""

from heksher.exceptions import HeksherError
from heksher.value_type import shorten


class StorageError(HeksherError):
    """Base of the errors of a storage."""


class StorageUnavailableError(StorageError):
    """The database cannot be reached, or did not answer in time. The same call may succeed later."""


class StorageCorruptError(StorageError):
    """The database holds something that this program did not write."""


class ExpectationError(StorageError):
    """An object is not as the caller of a write knows it: it was changed since, or is gone. Nothing was stored.

    Attributes:
        kind, key: the object.
        expected: the revision of the object's last change, as the caller knows it.
        present: the same as it is now; ``None`` if the object is not there.
    """

    def __init__(self, kind: str, key: str, expected: int, present: int | None) -> None:
        now = "it is gone" if present is None else f"its last change is revision {present}"
        super().__init__(f"{kind} {shorten(repr(key))} is not as it was at revision {expected}: {now}")
        self.kind = kind
        self.key = key
        self.expected = expected
        self.present = present


class ContractError(StorageError):
    """The calling code breaks what ``base`` asks of it; the remedy is in this program, not in the database."""
