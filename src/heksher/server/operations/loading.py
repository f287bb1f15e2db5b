"""Loads everything into an empty service at once, for an import."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from heksher.server.errors import NotAcceptableError
from heksher.server.operations import logged_change
from heksher.server.storage.base import LoggedChange, Origin, RuleRecord, SettingRecord, Storage, Writer, Written

# What the change log calls an import. Nothing else is called so: that is how what was imported is told from what was
# changed here.
IMPORTING: Final = "load"


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a service stores.

    Attributes:
        features: the context features in their order.
        settings: the settings with their aliases and versions.
        rules: the rules with their ids and the canonical names of their settings.
        next_rule_id: the id of the next new rule.
    """

    features: tuple[str, ...]
    settings: Collection[SettingRecord]
    rules: Collection[RuleRecord]
    next_rule_id: int


def load(storage: Storage, contents: Contents, origin: Origin) -> Written[bool]:
    """Load everything into a storage without settings, as one entry of the change log with one part for each object.

    The result is whether there was anything to store.

    The caller has checked the contents as the other operations check their arguments.

    Raises:
        NotAcceptableError: the storage has settings.
        FullError: the contents are more than it has room for.
        ContractError: an id was used before.
    """

    def work(writer: Writer) -> bool:
        if settings := writer.settings():
            raise NotAcceptableError(f"there are {len(settings)} settings here already, such as {settings[0].name!r}")
        writer.require_room(settings=len(contents.settings), rules=len(contents.rules))
        features = writer.context_features()
        if contents.features == features and not contents.settings:
            return False
        if contents.features != features:
            writer.set_context_features(contents.features)
        writer.load(contents.settings, contents.rules, contents.next_rule_id)
        writer.record_all(_describe(contents, features))
        return True

    return storage.write(work, origin)


def _describe(contents: Contents, features_before: tuple[str, ...]) -> Iterator[LoggedChange]:
    order = contents.features
    if order != features_before:
        yield logged_change.change_features(IMPORTING, features_before, order)
    yield from describe_additions(contents)


def describe_additions(contents: Contents) -> Iterator[LoggedChange]:
    """Yield the change of each setting and each rule that was loaded."""
    for setting in contents.settings:
        yield logged_change.change_setting(IMPORTING, None, setting, contents.features)
    for rule in contents.rules:
        yield logged_change.add_rule(rule, contents.features, IMPORTING)
