"""What a client knows about contexts: its features, their defaults, and which of their values it follows.

A *default* is used by ``get`` where the call names no value. A *tracked* value is one whose rules are fetched: a
program that only runs in one environment does not need the rules of the others.

Everything that a reader of settings meets here is replaced as a whole, never changed in place, so readers need no lock.

Source: docs/reference/compatibility.md, *Clients*.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from heksher.exceptions import InvalidContextError, TrackingConflictError
from heksher.wire import FeatureFilter, is_feature

logger: logging.Logger = logging.getLogger(__name__)


class TrackAll(Enum):
    """The type of ``TRACK_ALL``."""

    TRACK_ALL = "*"

    def __repr__(self) -> str:
        return "TRACK_ALL"


TRACK_ALL: Final = TrackAll.TRACK_ALL
"""Given to ``track_contexts`` for a feature all of whose values are to be tracked."""

ContextDefault: TypeAlias = str | ContextVar[str]
TrackedValues: TypeAlias = str | Collection[str] | TrackAll


ContextState: TypeAlias = tuple[Mapping[str, ContextDefault], Mapping[str, FeatureFilter] | None]


class ClientContext:
    """The context features of one client, with their defaults and tracked values.

    Args:
        features: the context features that the client's program knows.
        takes_any: whether other features are welcome, too; else they are warned of.
    """

    def __init__(self, features: Sequence[str], *, takes_any: bool = False) -> None:
        self.features: tuple[str, ...] = tuple(features)
        self._takes_any = takes_any
        self.defaults: Mapping[str, ContextDefault] = MappingProxyType({})
        # None until track_contexts is called for the first time: every rule is fetched then (known fault 14).
        self.tracked: Mapping[str, FeatureFilter] | None = None
        # How often an untracked value was asked for, by setting and feature. The first time is a warning.
        self.untracked_reads: Counter[tuple[str, str]] = Counter()

    @property
    def state(self) -> ContextState:
        """The defaults and the tracked values at present."""
        return self.defaults, self.tracked

    def set_defaults(self, defaults: Mapping[str, ContextDefault]) -> None:
        """Add defaults; all of them, or, if one cannot be used, none.

        Raises:
            InvalidContextError: a feature has a default already.
            TypeError: a default is neither a string nor a ContextVar.
        """
        while True:
            present = self.defaults
            _check_defaults(present, defaults)
            merged = MappingProxyType({**present, **defaults})
            # The handler of a signal may have added some meanwhile. It does not come between these two lines: signals
            # are handled at calls and at the end of loops.
            if self.defaults is present:
                self.defaults = merged
                break
        self._warn_of_unknown("the client", defaults)

    def track(self, tracked: Mapping[str, TrackedValues]) -> None:
        """Add tracked values; all of them, or, if one cannot be used, none.

        Raises:
            InvalidContextError: a feature or a value that no rule can have, or an empty collection.
            TrackingConflictError: ``TRACK_ALL`` and single values meet for one feature.
            TypeError: something else than strings.
        """
        added = {feature: _read_tracked(feature, values) for feature, values in tracked.items()}
        while True:
            present = self.tracked
            merged = _merge_all(present or {}, added)
            # As in set_defaults.
            if self.tracked is present:
                self.tracked = merged
                break
        self._warn_of_unknown("server", added)

    def complete(self, contexts: Mapping[str, str]) -> dict[str, str]:
        """Return the contexts, completed with the defaults; a ContextVar without a value counts as no default."""
        completed = dict(contexts)
        for feature, default in self.defaults.items():
            if feature not in completed:
                value = default if isinstance(default, str) else _look_up(default)
                if value is not None:
                    completed[feature] = value
        return completed

    def note_untracked(self, setting: str, configurable_features: Collection[str], context: Mapping[str, str]) -> None:
        """Warn, once for each setting and feature, of a read with a value whose rules are not fetched."""
        if self.tracked is None:
            return
        for feature in configurable_features:
            value = context.get(feature)
            if value is None or _is_tracked(self.tracked, feature, value):
                continue
            # Asked before counting: of two threads that count at the same moment, each may find a 2.
            is_first = (setting, feature) not in self.untracked_reads
            self.untracked_reads[setting, feature] += 1
            if is_first:
                logger.warning(
                    "context feature value is not tracked by client: setting %s is read with %s=%r, for which no rules"
                    " are fetched; add it with track_contexts (more such reads are only counted, in untracked_reads)",
                    setting,
                    feature,
                    value,
                    extra={
                        "setting": setting,
                        "context_feature": feature,
                        "value": value,
                        # As the existing client names it.
                        "context_feature_value": value,
                    },
                )

    def _warn_of_unknown(self, place: str, features: Collection[str]) -> None:
        unknown = sorted(set(features).difference(self.features))
        if unknown and not self._takes_any:
            logger.warning(
                "context features are not specified in %s: %s; this client has: %s",
                place,
                ", ".join(unknown),
                ", ".join(self.features),
                extra={"redundant_keys": unknown},
            )


def _check_defaults(present: Mapping[str, ContextDefault], added: Mapping[str, ContextDefault]) -> None:
    for feature, default in added.items():
        if feature in present:
            raise InvalidContextError(f"context feature {feature!r} already has the default {present[feature]!r}")
        if not isinstance(default, str | ContextVar):
            raise TypeError(
                f"the default of context feature {feature!r} must be a str or a ContextVar, not {default!r}"
            )


def _look_up(variable: ContextVar[str]) -> str | None:
    try:
        # Not get(None), which would pass over the default that the variable itself may have.
        return variable.get()
    except LookupError:
        return None


def _is_tracked(tracked: Mapping[str, FeatureFilter], feature: str, value: str) -> bool:
    if feature not in tracked:
        return False
    values = tracked[feature]
    return values is None or value in values


def _read_tracked(feature: str, values: TrackedValues) -> FeatureFilter:
    # One that a query cannot carry would make every query fail (known fault 15).
    if not is_feature(feature):
        raise InvalidContextError(
            f"no context feature can have the name {feature!r}: names consist of A-Z, a-z, 0-9 and _"
        )
    if values is TRACK_ALL:
        return None
    listed = frozenset([values] if isinstance(values, str) else values)
    if not listed:
        raise InvalidContextError(
            f"nothing to track for context feature {feature!r}: name at least one value, or use TRACK_ALL"
        )
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(f"a tracked value of context feature {feature!r} must be a str, not {value!r}")
        if not is_feature(value):
            raise InvalidContextError(
                f"context feature {feature!r} cannot have the value {value!r}: values consist of A-Z, a-z, 0-9 and _"
            )
    return listed


def _merge_all(present: Mapping[str, FeatureFilter], added: Mapping[str, FeatureFilter]) -> Mapping[str, FeatureFilter]:
    merged = dict(present)
    for feature, values in added.items():
        merged[feature] = _merge_tracked(feature, merged[feature], values) if feature in merged else values
    return MappingProxyType(merged)


def _merge_tracked(feature: str, present: FeatureFilter, added: FeatureFilter) -> FeatureFilter:
    if present is None and added is None:
        return None
    if present is None or added is None:
        raise TrackingConflictError(
            f"context feature {feature!r} is tracked both as a whole (TRACK_ALL) and by single values; choose one"
        )
    return present | added
