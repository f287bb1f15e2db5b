"""Which changes of an entry of the change log a webhook is told of, and how much of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from heksher.server.json_bytes import encode
from heksher.server.operations.change_list import READABLE_KINDS
from heksher.server.storage.base import RULE, SETTING, LogEntry, LoggedChange, Reader

MAX_PARTS: Final = 100
# Of the fields of one change, and of all in a message: who needs more can ask the service for the entry.
MAX_PART_BYTES: Final = 16 * 1024
MAX_MESSAGE_BYTES: Final = 256 * 1024

# What is read of an entry at once.
_PAGE_CHANGES: Final = 1000
_PAGE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ToldChanges:
    """What a webhook is told of an entry.

    Attributes:
        changes: the first of those that it is told of.
        shortened: the numbers in ``changes`` of those that are told without their fields, as these are too long.
        size: how many changes concern it.
    """

    changes: tuple[LoggedChange, ...]
    shortened: frozenset[int]
    size: int


def concerns(change: LoggedChange, prefixes: Sequence[str]) -> bool:
    """Return whether a webhook is told of a change.

    Everybody who may read settings may know what messages say, so who may do what is in none of them.

    Args:
        change: the change.
        prefixes: of the webhook.
    """
    if change.kind not in READABLE_KINDS:
        return False
    if not prefixes:
        return True
    return any(name.startswith(tuple(prefixes)) for name in _list_names(change))


def select_changes(reader: Reader, entry: LogEntry, prefixes: Sequence[str]) -> ToldChanges:
    """Return what a webhook is told of an entry, of which the first change is there."""
    changes: list[LoggedChange] = []
    shortened: set[int] = set()
    size, left_bytes = 0, MAX_MESSAGE_BYTES
    for change in _read_changes(reader, entry):
        if not concerns(change, prefixes):
            continue
        size += 1
        if len(changes) == MAX_PARTS or left_bytes <= 0:
            continue
        change_bytes = len(encode([change.before, change.after]))
        if change_bytes > MAX_PART_BYTES:
            shortened.add(len(changes))
            changes.append(replace(change, before=None, after=None))
        else:
            left_bytes -= change_bytes
            changes.append(change)
    return ToldChanges(tuple(changes), frozenset(shortened), size)


def _read_changes(reader: Reader, entry: LogEntry) -> Iterator[LoggedChange]:
    """Yield the changes of an entry, of which there can be a hundred thousand."""
    if entry.is_whole:
        yield from entry.changes
        return
    done = 0
    while page := reader.changes(entry.revision, done, _PAGE_CHANGES, _PAGE_BYTES):
        yield from page
        done += len(page)


def _list_names(change: LoggedChange) -> Iterator[str]:
    """Yield the names that the setting of a change had, and has."""
    if change.kind == RULE:
        yield change.setting
    elif change.kind == SETTING:
        yield change.key
        former = (change.before or {}).get("name")
        if isinstance(former, str):
            yield former
