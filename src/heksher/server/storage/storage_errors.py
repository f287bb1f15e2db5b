"""What can go wrong in a storage, whichever it is. Errors of a database driver never pass this border."""

from heksher.exceptions import HeksherError


class StorageError(HeksherError):
    """Base of the errors of a storage."""


class StorageUnavailableError(StorageError):
    """The database cannot be reached, or did not answer in time. The same call may succeed later."""


class StorageCorruptError(StorageError):
    """The database holds something that this program did not write."""


class ContractError(StorageError):
    """The calling code breaks what ``base`` asks of it; the remedy is in this program, not in the database."""
