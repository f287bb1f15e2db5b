"""The key that cookies are signed with."""

from heksher.server.sign_in.signing_key import ensure_signing_key
from heksher.server.storage.memory import MemoryStorage


def test_it_is_made_once():
    """By the first one who needs it; the log says so, and not what it is."""
    storage = MemoryStorage()
    storage.open()
    key = ensure_signing_key(storage)
    assert len(key) >= 43
    assert key == ensure_signing_key(storage) == storage.read(lambda reader: reader.access().signing_key)
    (entry,) = storage.read(lambda reader: reader.log())
    assert ["signing_key"] == [change.kind for change in entry.changes]
    assert key not in repr(entry)
