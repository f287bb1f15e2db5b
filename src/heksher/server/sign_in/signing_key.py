"""The key that cookies are signed with, which the first sign-in makes. ``heksher access rotate-key`` makes another."""

from typing import Final

from heksher.server.access.signed_session import make_key
from heksher.server.operations.access_form import change_signing_key
from heksher.server.storage.base import Origin, Reader, Storage, Writer

_ORIGIN: Final = Origin("heksher", reason="the first sign-in")


def ensure_signing_key(storage: Storage) -> str:
    """Return the key, and make one if there is none.

    Raises:
        StorageUnavailableError: there is none, and none can be stored.
    """
    made = make_key()

    def know(reader: Reader) -> str | None:
        return reader.access().signing_key or None

    def work(writer: Writer) -> str:
        key = know(writer)
        if key is not None:
            return key
        writer.set_signing_key(made)
        writer.record(change_signing_key("create"))
        return made

    return storage.write_unless_known(know, work, _ORIGIN).result
