"""What the tests of the operations share."""

from heksher.server.operations.differences import Declaration
from heksher.server.storage.base import LogEntry, Origin, SettingRecord, Storage
from heksher.value_type import parse_value_type

SOMEBODY = Origin(actor="ada", reason="because")


def declaring(
    name: str = "cache_ttl",
    *,
    type: str = "int",  # noqa: A002 - the word of the API
    features: tuple[str, ...] = ("environment", "user"),
    default_value: object = 60,
    version: str = "1.0",
    metadata: dict | None = None,
    alias: str | None = None,
) -> Declaration:
    """Make a declaration; what is not given does not matter."""
    return Declaration(name, frozenset(features), parse_value_type(type), default_value, version, metadata or {}, alias)


def find(storage: Storage, name: str) -> SettingRecord | None:
    return storage.read(lambda reader: reader.find_setting(name))


def read_revision(storage: Storage) -> int:
    return storage.read(lambda reader: reader.revision())


def read_last(storage: Storage) -> LogEntry:
    return storage.read(lambda reader: reader.log())[-1]
