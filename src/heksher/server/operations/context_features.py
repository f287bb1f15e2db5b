"""The ordered list of context features."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from heksher.server.access.grants import Role
from heksher.server.config import CONTEXT_FEATURES_VARIABLE
from heksher.server.errors import DuplicateError, InUseError, NotAcceptableError, NotFoundError, StartupError
from heksher.server.limits import MAX_CONTEXT_FEATURES
from heksher.server.operations.logged_change import change_features
from heksher.server.operations.permission import require
from heksher.server.operations.tagged import Tagged, tag
from heksher.server.storage.base import Origin, Reader, Storage, Writer, Written
from heksher.value_type import shorten
from heksher.wire import CONTEXT_FEATURES_PATH

Side = Literal["before", "after"]

# How whoever runs the service gives it context features.
REMEDY: Final = (
    f"add what is missing to {CONTEXT_FEATURES_VARIABLE} (--context-features) and start the service again, or POST it"
    f" to {CONTEXT_FEATURES_PATH}"
)


def list_features(storage: Storage) -> Tagged[tuple[str, ...]]:
    """Return the context features in their order, with the tag of their list."""
    return storage.read(lambda reader: tag(reader, reader.context_features(), reader.features_revision()))


def find_index(storage: Storage, feature: str) -> int:
    """Return the index of a feature in the order, counted from 0.

    Raises:
        NotFoundError: there is no such feature.
    """

    def work(reader: Reader) -> int:
        features = reader.context_features()
        _require_present(features, feature)
        return features.index(feature)

    return storage.read(work)


def add_feature(storage: Storage, feature: str, origin: Origin) -> Written[None]:
    """Add a feature at the end of the order, which makes it the most specific one.

    Raises:
        NotPermittedError: who asks is no admin.
        DuplicateError: the feature exists already.
        NotAcceptableError: the service has the maximum number of features.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        features = writer.context_features()
        if feature in features:
            raise DuplicateError("context feature already exists")
        if len(features) >= MAX_CONTEXT_FEATURES:
            raise NotAcceptableError(f"the service takes at most {MAX_CONTEXT_FEATURES} context features")
        _store(writer, "add", (*features, feature))

    return storage.write(work, origin)


def move_feature(storage: Storage, feature: str, side: Side, target: str, origin: Origin) -> Written[None]:
    """Move a feature to just before or after another one; no change if it is already there or is the other one.

    Raises:
        NotPermittedError: who asks is no admin.
        NotFoundError: one of the two does not exist.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        features = writer.context_features()
        _require_present(features, feature)
        _require_present(features, target)
        others = [other for other in features if other != feature]
        if feature != target:
            others.insert(others.index(target) + (side == "after"), feature)
            _store(writer, "move", tuple(others))

    return storage.write(work, origin)


def delete_feature(storage: Storage, feature: str, origin: Origin) -> Written[None]:
    """Delete a feature.

    Raises:
        NotPermittedError: who asks is no admin.
        NotFoundError: there is no such feature.
        InUseError: a setting is configurable by it.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        features = writer.context_features()
        _require_present(features, feature)
        if any(feature in setting.configurable_features for setting in writer.settings()):
            raise InUseError("context feature can't be deleted, there is at least one setting configured by it")
        _store(writer, "delete", tuple(other for other in features if other != feature))

    return storage.write(work, origin)


def ensure_features(storage: Storage, wanted: Sequence[str], origin: Origin) -> Written[None]:
    """Make the stored list equal to the wanted one (without repeats) by inserting features anywhere (known fault 38).

    Raises:
        StartupError: a stored feature is not wanted, or the stored order contradicts the wanted one. Neither is
            repaired: the first repair could lose rules, the second would change which rules win.
    """

    def work(writer: Writer) -> None:
        stored = writer.context_features()
        if extra := [feature for feature in stored if feature not in wanted]:
            raise StartupError(
                f"the start-up context features {list(wanted)} lack {extra}, which the service has:"
                " add them to the start-up list, or delete them from the service first"
            )
        if (kept := [feature for feature in wanted if feature in stored]) != list(stored):
            raise StartupError(
                f"the start-up context features {list(wanted)} contradict the service's order: it is {list(stored)},"
                f" the start-up list says {kept}; change the start-up list, or move the features on the service first"
            )
        _store(writer, "start-up", tuple(wanted))

    # A service must be able to start on a database that it can only read.
    stored, revision = storage.read(lambda reader: (reader.context_features(), reader.revision()))
    return Written(None, revision) if stored == tuple(wanted) else storage.write(work, origin)


def describe_unknown(wanted: Iterable[str], order: Sequence[str]) -> str:
    """Say which features are wanted that the service does not have, what it has, and how it can have them."""
    return (
        f"the service has no context features {sorted(set(wanted).difference(order))}; it has {list(order)}: {REMEDY}"
    )


def _require_present(features: Sequence[str], feature: str) -> None:
    if feature not in features:
        raise NotFoundError(f"there is no context feature {shorten(repr(feature))}", "context feature")


def _store(writer: Writer, action: str, features: tuple[str, ...]) -> None:
    before = writer.context_features()
    if features != before:
        writer.set_context_features(features)
        writer.record(change_features(action, before, features))
