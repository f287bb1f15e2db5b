"""A storage as some operations of the service leave it, with everything in its log that a log can have.

Also run by earlier versions of the service, to make the data in ``schemas``; so it uses nothing that they did not have.
"""

from heksher.server.operations import context_features, metadata, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.operations.differences import Declaration
from heksher.server.storage.base import Origin, Storage
from heksher.value_type import JSON, parse_value_type

ORIGIN = Origin("Zoë", "it's \ud83d late\n")
LONG = "Grüße, " * 300


def operate(storage: Storage) -> None:
    """Make some of each change, on an open storage with nothing in it."""
    for feature in ("environment", "user", "theme"):
        context_features.add_feature(storage, feature, ORIGIN)
    _declare(storage, "ttl", "int", 60)
    _declare(storage, "greeting", "str", LONG)
    _declare(storage, "gone", "int", 1)
    for number in range(4):
        rules.add(storage, "ttl", {"user": f"u{number}"}, number, {"by": "me"}, ORIGIN)
        rules.add(storage, "gone", {"user": f"u{number}", "theme": "dark"}, number, {}, ORIGIN)
    _rename_and_change(storage)
    _delete(storage)


def _declare(storage: Storage, name: str, kind: str, default: JSON, version: str = "1.0") -> None:
    declaration = Declaration(name, frozenset({"user", "theme"}), parse_value_type(kind), default, version, {}, None)
    declare(storage, declaration, ORIGIN)


def _rename_and_change(storage: Storage) -> None:
    settings.rename(storage, "ttl", "cache.ttl", "1.1", ORIGIN)
    rules.set_value(storage, 1, 99, ORIGIN)
    metadata.edit_of_rule(storage, 3, metadata.merge({"k": [1, 1.0, None]}), ORIGIN)
    metadata.edit_of_setting(storage, "greeting", metadata.overwrite({"long": LONG}), "1.1", ORIGIN)
    metadata.edit_of_setting(storage, "greeting", metadata.merge({"short": 1}), "1.2", ORIGIN)
    settings.rename(storage, "cache.ttl", "ttl", "1.2", ORIGIN)
    context_features.move_feature(storage, "theme", "before", "environment", ORIGIN)


def _delete(storage: Storage) -> None:
    rules.delete(storage, 5, ORIGIN)
    settings.delete(storage, "gone", ORIGIN)
    # Comes back, is renamed, and leaves its name to another one.
    _declare(storage, "gone", "int", 2)
    rules.add(storage, "gone", {"user": "x"}, 1, {}, ORIGIN)
    settings.rename(storage, "gone", "moved", "1.1", ORIGIN)
    settings.delete(storage, "moved", ORIGIN)
    _declare(storage, "gone", "int", 3)
    _declare(storage, "moved", "int", 4)
    context_features.add_feature(storage, "unused", ORIGIN)
    context_features.delete_feature(storage, "unused", ORIGIN)
