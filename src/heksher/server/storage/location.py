"""From the text that names a database in the configuration to its storage."""

from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage


def storage_for(database: str) -> Storage:
    """Make the storage for a database; it is not open yet.

    Args:
        database: a file path, ``sqlite:///FILE``, ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, or ``memory:``
            for a storage that ends with the process.

    Raises:
        StorageError: it is none of them; the message never has the password.
    """
    if database == "memory:":
        return MemoryStorage()
    # SQLAlchemy takes a quarter of a second to load, which is for nothing without a database.
    from heksher.server.storage.sql import SqlStorage  # noqa: PLC0415 -- see above

    return SqlStorage(database)
