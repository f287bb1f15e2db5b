"""Times as they are stored: as texts in UTC, whose order in any collation is that of the times if their forms agree."""

from datetime import UTC, datetime

from heksher.server.storage.storage_errors import StorageCorruptError
from heksher.value_type import shorten


def read_time(text: str) -> datetime:
    """Return the time that a text stands for.

    Raises:
        StorageCorruptError: it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StorageCorruptError(f"the storage holds {shorten(text)!r} where a time is expected") from error


def read_optional_time(text: str | None) -> datetime | None:
    """Return the time that a text stands for, or ``None`` for null."""
    return None if text is None else read_time(text)


def write_time(at: datetime | None) -> str | None:
    """Return the text for a time, or null for ``None``."""
    return None if at is None else at.astimezone(UTC).isoformat()
