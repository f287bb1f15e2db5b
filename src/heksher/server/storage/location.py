"""Finds the storage for the text that names a database in the configuration."""

from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage


def storage_for(database: str) -> Storage:
    """Return the storage for a database; it is not open yet.

    Args:
        database: a file path, ``sqlite:///FILE``, ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, or ``memory:`` for
            a storage that ends with the process.

    Raises:
        StorageError: the text is none of these; the message never has the password.
    """
    if database == "memory:":
        return MemoryStorage()
    # Loading SQLAlchemy takes a quarter of a second, wasted if there is no database.
    from heksher.server.storage.sql import SqlStorage  # noqa: PLC0415 -- see above

    return SqlStorage(database)
