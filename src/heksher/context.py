"""What a client knows about contexts: its features, their defaults, and which of their values it follows.

A *default* is used by ``get`` where the call names no value; an explicit ``None`` says that there is none, whatever the
default. A *tracked* value is one whose rules are fetched: a program that only runs in one environment does not need the
rules of the others.

Everything that a reader of settings meets here is replaced as a whole, never changed in place, so readers need no lock.

Source: docs/reference/compatibility.md, *Clients*.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from heksher.context_value import EVERY_VALUE, find_listed_fault, find_value_fault, is_plain_value
from heksher.exceptions import ArgumentTypeError, InvalidContextError, TrackingConflictError
from heksher.wire import FeatureFilter, describe_value_fault, is_feature
from heksher.wording import show_value

logger: logging.Logger = logging.getLogger(__name__)


TRACK_ALL: Final = "*"
"""Given to ``track_contexts`` for a feature all of whose values are to be tracked."""

# What a read does that lacks a feature which rules depend on: raise, or pass over those rules.
OnMissingContext: TypeAlias = Literal["raise", "no_match"]

# Both forms of ContextVar: to a type checker, neither stands for the other.
ContextDefault: TypeAlias = str | ContextVar[str] | ContextVar[str | None]
TrackedValues: TypeAlias = str | Collection[str]


ContextState: TypeAlias = tuple[Mapping[str, ContextDefault], Mapping[str, FeatureFilter] | None]


class ClientContext:
    """The context features of one client, with their defaults and tracked values.

    Args:
        features: the context features that the client's program knows.
        takes_any: whether other features are welcome, too; else they are warned of.
        on_missing: what a read does that lacks a feature which rules depend on.
    """

    def __init__(
        self, features: Sequence[str], *, takes_any: bool = False, on_missing: OnMissingContext = "raise"
    ) -> None:
        self.features: tuple[str, ...] = tuple(features)
        self._takes_any = takes_any
        self._on_missing: OnMissingContext = on_missing
        self.defaults: Mapping[str, ContextDefault] = MappingProxyType({})
        # None until track_contexts is called for the first time: every rule is fetched then (known fault 14).
        self.tracked: Mapping[str, FeatureFilter] | None = None
        # How often an untracked value was asked for, by setting and feature. The first time is a warning.
        self.untracked_reads: Counter[tuple[str, str]] = Counter()
        # How often a feature that rules depend on was missing, by setting and feature.
        self.missing_reads: Counter[tuple[str, str]] = Counter()
        # Which values that never match were warned of, by setting, feature and type.
        self._known_types: set[tuple[str, str, type]] = set()

    @property
    def state(self) -> ContextState:
        """The defaults and the tracked values at present."""
        return self.defaults, self.tracked

    def set_defaults(self, defaults: Mapping[str, ContextDefault]) -> None:
        """Add defaults; all of them, or, if one cannot be used, none.

        Raises:
            InvalidContextError: a feature has a default already.
            ArgumentTypeError: (a ``TypeError``) a default is neither a string nor a ContextVar.
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

    def track(self, tracked: Mapping[str, TrackedValues], *, plain_only: bool = False) -> None:
        """Add tracked values; all of them, or, if one cannot be used, none.

        Args:
            tracked: values by feature.
            plain_only: whether the service is known to take plain values only.

        Raises:
            InvalidContextError: a feature or a value that no rule can have, or an empty collection.
            TrackingConflictError: ``TRACK_ALL`` and single values meet for one feature.
            ArgumentTypeError: (a ``TypeError``) something else than strings.
        """
        added = {feature: _read_tracked(feature, values) for feature, values in tracked.items()}
        for feature, values in added.items():
            _check_listed(feature, values or (), plain_only)
        while True:
            present = self.tracked
            merged = _merge_all(present or {}, added)
            # As in set_defaults.
            if self.tracked is present:
                self.tracked = merged
                break
        self._warn_of_unknown("server", added)
        _warn_of_stars(added)

    def complete(self, contexts: Mapping[str, str | None]) -> dict[str, str]:
        """Return the contexts, completed with the defaults.

        What is ``None`` in them is left out, and no default takes its place. A ContextVar without a value counts as no
        default.
        """
        completed = {feature: value for feature, value in contexts.items() if value is not None}
        for feature, default in self.defaults.items():
            if feature not in contexts:
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
            # Of what is no text, note_type tells.
            if not isinstance(value, str) or _is_tracked(self.tracked, feature, value):
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

    def note_type(self, setting: str, feature: str, value: object) -> None:
        """Warn, once for each setting, feature and type, of a read with a value that is no text, so matches no rule."""
        known = (setting, feature, type(value))
        if known in self._known_types:
            return
        self._known_types.add(known)
        logger.warning(
            "context feature value is no text, so it never matches: setting %s is read with %s=%s, of type %s; pass the"
            " text that rules have",
            setting,
            feature,
            show_value(value),
            type(value).__name__,
            extra={"setting": setting, "context_feature": feature, "value_type": type(value).__name__},
        )

    def note_text(self, setting: str, feature: str, text: str) -> None:
        """Warn, once for each setting and feature, of a read with a text that no rule can have as a value.

        Without a service, as under a stub client, rules may have any text.
        """
        known = (setting, feature, str)
        if self._takes_any or known in self._known_types:
            return
        fault = find_value_fault(text)
        if fault is None:
            return
        self._known_types.add(known)
        logger.warning(
            "context feature value is a text that no rule can have: setting %s is read with %s=%s, and %s",
            setting,
            feature,
            show_value(text),
            fault,
            extra={"setting": setting, "context_feature": feature},
        )

    def note_missing(self, setting: str, feature: str) -> bool:
        """Count a read without a feature that rules depend on; return whether they are passed over, or the read fails.

        If they are passed over, the first time is a warning.
        """
        # As in note_untracked.
        is_first = (setting, feature) not in self.missing_reads
        self.missing_reads[setting, feature] += 1
        if self._on_missing == "raise":
            return False
        if is_first:
            logger.warning(
                "context feature has no value: setting %s is read without %s, so no rule on that feature matches; pass"
                " it, or set a default (more such reads are only counted, in status.missing_contexts)",
                setting,
                feature,
                extra={"setting": setting, "context_feature": feature},
            )
        return True

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
            raise ArgumentTypeError(
                f"the default of context feature {feature!r} must be a str or a ContextVar, not {default!r}"
            )


def _look_up(variable: ContextVar[str] | ContextVar[str | None]) -> str | None:
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
    if values == TRACK_ALL:
        return None
    listed = _list_tracked(feature, values)
    if not listed:
        raise InvalidContextError(
            f"nothing to track for context feature {feature!r}: name at least one value, or use TRACK_ALL"
        )
    return listed


def _check_listed(feature: str, values: Collection[str], plain_only: bool) -> None:
    for value in values:
        fault = find_listed_fault(value)
        if fault is None and plain_only and not is_plain_value(value):
            fault = "this service takes only A-Z, a-z, 0-9 and _ in a value (it does not announce any-values)"
        if fault is not None:
            raise InvalidContextError(describe_value_fault(feature, value, fault))


def _warn_of_stars(tracked: Mapping[str, FeatureFilter]) -> None:
    for feature, values in tracked.items():
        if values is not None and EVERY_VALUE in values:
            logger.warning(
                "the value %r of context feature %s is tracked, which no rule can have; to track every value, give"
                " TRACK_ALL by itself",
                EVERY_VALUE,
                feature,
                extra={"context_feature": feature},
            )


def _list_tracked(feature: str, values: object) -> frozenset[str]:
    if isinstance(values, str):
        return frozenset([values])
    if not isinstance(values, Iterable):
        raise ArgumentTypeError(
            f"tracked values of context feature {feature!r} must be a str, a collection of them, or TRACK_ALL, not"
            f" {show_value(values)}"
        )
    listed = tuple(values)
    for value in listed:
        if not isinstance(value, str):
            raise ArgumentTypeError(
                f"a tracked value of context feature {feature!r} must be a str, not {show_value(value)}"
            )
    return frozenset(listed)


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
