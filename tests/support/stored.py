"""What is stored, and whether the change log says the same."""

from heksher.server.storage.base import Reader
from heksher.server.storage.sql import SqlStorage


def list_users(database: str) -> set[str]:
    """Return the users that have rules, of a database in which rules were only ever added, one for each user.

    Raises:
        AssertionError: revisions have gaps, or the log has other rules than the table.
    """
    storage = SqlStorage(database)
    storage.open()
    try:
        return storage.read(_list_users)
    finally:
        storage.close()


def _list_users(reader: Reader) -> set[str]:
    entries = reader.log(limit=1_000_000)
    assert list(range(1, len(entries) + 1)) == [entry.revision for entry in entries]
    rules = reader.rules()
    logged = [entry.change.key for entry in entries if entry.change.kind == "rule"]
    assert [str(rule.rule_id) for rule in rules] == logged
    return {rule.conditions["user"] for rule in rules}
