"""The v1 HTTP API as client and service both see it: paths, lexical rules, headers and the context filter grammar.

Source: docs/reference/compatibility.md.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from heksher.context_value import WRITTEN_VALUE_PATTERN, find_listed_fault, find_value_fault, read_value, write_value
from heksher.value_type import shorten

HEALTH_PATH: Final = "/api/health"
QUERY_PATH: Final = "/api/v1/query"
CONTEXT_FEATURES_PATH: Final = "/api/v1/context_features"
SETTINGS_PATH: Final = "/api/v1/settings"
DECLARE_PATH: Final = "/api/v1/settings/declare"
DECLARE_MANY_PATH: Final = "/api/v1/settings/declare-many"
RULES_PATH: Final = "/api/v1/rules"
STREAM_PATH: Final = "/api/v1/stream"
EVALUATE_PATH: Final = "/api/v1/evaluate"
CONTEXTS_PATH: Final = "/api/v1/contexts"
LINT_PATH: Final = "/api/v1/lint"
CHANGES_PATH: Final = "/api/v1/changes"
DIFF_PATH: Final = "/api/v1/diff"
USAGE_PATH: Final = "/api/v1/usage"
CLIENTS_PATH: Final = "/api/v1/clients"
BULK_PATH: Final = "/api/v1/bulk"
PROPOSALS_PATH: Final = "/api/v1/proposals"

# An addition of ours to the query's answer, on 200 and 304 alike: the feature order that its rules were written in,
# comma-separated. A client that sees it need not ask for the order; one that does not see it asks at each update
# (known fault 21: rules alone do not show that the order has changed).
FEATURE_ORDER_HEADER: Final = "Heksher-Context-Features"

# Another addition: answers to writes carry the revision of the service at which the write can be seen, and answers to
# queries the one that they are of.
REVISION_HEADER: Final = "Heksher-Revision"

# The same with the stamp of that change, see ``revision_id``: it tells revisions of one number in two histories apart.
REVISION_ID_HEADER: Final = "Heksher-Revision-Id"

# A query may demand to be answered with at least this revision, with or without its stamp: whoever has written to one
# replica, or was answered by it, never gets anything older from another.
MIN_REVISION_HEADER: Final = "Heksher-Min-Revision"

# Who acts, percent-encoded: what the history of changes names, marked as not proved.
ACTOR_HEADER: Final = "Heksher-Actor"

# Why, percent-encoded: what the history of changes says beside who.
REASON_HEADER: Final = "Heksher-Reason"

# Which process of which program asks, such as ``name=checkout; instance=web-1``: what the list of clients names.
CLIENT_HEADER: Final = "Heksher-Client"

# When the token of a request expires, in its last 30 days: a moment in UTC as RFC 3339 writes it.
TOKEN_EXPIRES_HEADER: Final = "Heksher-Token-Expires"  # noqa: S105 - the name of a header

# What a service can do beyond the contract: in its answers to queries and to the request for the context features, as
# words, comma-separated. A client uses none of them with a service that does not announce it.
CAPABILITIES_HEADER: Final = "Heksher-Capabilities"
# POST to the query's path, with its parameters as a JSON object.
POST_QUERY_CAPABILITY: Final = "post-query"
# The parameter include_aliases of queries: the answer says which canonical names the aliases in it stand for.
ALIASES_CAPABILITY: Final = "aliases"
# Server-sent events when the answer to a query has changed.
STREAM_CAPABILITY: Final = "stream"
# POST of many declarations as one JSON array.
DECLARE_MANY_CAPABILITY: Final = "declare-many"
# Values of context features may be any text, see ``context_value``, in rules, filters and searches.
ANY_VALUES_CAPABILITY: Final = "any-values"

# Patterns are matched with fullmatch: "$" would let a trailing newline through (known fault 35).
FEATURE_PATTERN: Final = "[A-Za-z0-9_]+"
SETTING_NAME_PATTERN: Final = "[A-Za-z0-9_.]+"
METADATA_KEY_PATTERN: Final = "[A-Za-z0-9_-]+"
# Of what matches, these cannot be names: programs and proxies take them out of a path (RFC 3986, section 5.2.4),
# so that DELETE of the setting ".." would arrive as DELETE of something else.
DOT_SEGMENTS: Final = frozenset({".", ".."})

# Numbers of up to 18 digits fit the 64-bit integers of every database and language, and Python itself refuses to read
# numbers of thousands of digits.
MAX_NUMBER_DIGITS: Final = 18

# What the service of this project keeps at most. The contract has no such limits, so another service may accept more:
# the client declares whatever the contract allows, and this service answers with the limit that was exceeded.
#
# Names stand in URLs and in database indexes, which end at about 2,700 bytes on PostgreSQL.
MAX_NAME_CHARACTERS: Final = 255
MAX_VERSION_DIGITS: Final = 9

# How many declarations one request may have: they are one transaction, and other writes wait for it.
MAX_DECLARATIONS: Final = 1_000
# How many settings a query may name.
MAX_QUERY_SETTINGS: Final = 10_000


def make_version_pattern(max_digits: int) -> str:
    """Return the pattern of versions whose two numbers have so many digits at most."""
    return f"[0-9]{{1,{max_digits}}}[.][0-9]{{1,{max_digits}}}"


VERSION_PATTERN: Final = make_version_pattern(MAX_NUMBER_DIGITS)

# Patterns are compiled at their first use (re keeps them): compiling all of them would be a third of the import's time.
_FILTER_START_PATTERN: Final = rf"({FEATURE_PATTERN}):(?:(\*)|\()"
# A match keeps all other threads from running, so that of a list of any length takes several.
_VALUES_PATTERN: Final = f"{WRITTEN_VALUE_PATTERN}(?:,{WRITTEN_VALUE_PATTERN}){{0,999}}"
CONDITION_PATTERN: Final = f"{FEATURE_PATTERN}:{WRITTEN_VALUE_PATTERN}"
_QUOTING: Final = "a value that is not only A-Z, a-z, 0-9 and _ stands as a JSON string"

# What a filter lets through for one feature: the listed values, or, as None, every value.
FeatureFilter = frozenset[str] | None


class RepeatedFilterError(ValueError):
    """A context filter names one feature twice."""


def is_feature(text: str) -> bool:
    """Return whether a text can be a context feature."""
    return re.fullmatch(FEATURE_PATTERN, text) is not None


def is_setting_name(text: str) -> bool:
    """Return whether a text can be the name of a setting."""
    return can_be_stored_name(text) and text not in DOT_SEGMENTS


def can_be_stored_name(text: str) -> bool:
    """Return whether a service can have a setting of this name: ``.`` and ``..`` were not always refused."""
    return re.fullmatch(SETTING_NAME_PATTERN, text) is not None


def is_metadata_key(text: str) -> bool:
    """Return whether a text can be a key of metadata."""
    return re.fullmatch(METADATA_KEY_PATTERN, text) is not None


def is_version(text: str) -> bool:
    """Return whether a text can be a version, ``MAJOR.MINOR``."""
    return re.fullmatch(VERSION_PATTERN, text) is not None


def version_key(version: str) -> tuple[int, int]:
    """Return what versions are compared by: ``1.10`` is newer than ``1.9``."""
    major, minor = version.split(".")
    return int(major), int(minor)


def setting_path(name: str) -> str:
    """Return the path of one setting. A name has no character that a URL would have to escape."""
    return f"{SETTINGS_PATH}/{name}"


def format_context_filters(filters: Mapping[str, FeatureFilter]) -> str:
    """Write context filters for a query: features sorted, values sorted, such as ``a:(a0,"a 1"),d:*``."""
    return ",".join(
        f"{feature}:*" if values is None else f"{feature}:({','.join(map(write_value, sorted(values)))})"
        for feature, values in sorted(filters.items())
    )


def parse_context_filters(
    text: str, *, max_filters: int | None = None, max_values: int | None = None
) -> dict[str, FeatureFilter]:
    """Read the context filters of a query.

    Args:
        text: comma-separated ``feature:*`` or ``feature:(v1,"v 2")``. Empty means no filter, so nothing is let through.
        max_filters: how many features may have a filter; ``None`` for any number.
        max_values: how many values the filters may list, counted as they stand; ``None`` for any number.

    Raises:
        RepeatedFilterError: a feature stands twice.
        ValueError: the text is malformed, and the message says from which character on; or no filter can list a value;
            or there are too many of something.
    """
    return _FilterScanner(text, max_filters, max_values).scan()


def check_counts(filters: int, max_filters: int | None, values: int, max_values: int | None) -> None:
    """Check how many context filters a query has, and how many values they list.

    Raises:
        ValueError: there are too many; the message says how many are allowed.
    """
    if max_filters is not None and filters > max_filters:
        raise ValueError(f"a query has filters for at most {max_filters} context features")
    if max_values is not None and values > max_values:
        raise ValueError(f"the filters of a query list at most {max_values} values")


def parse_conditions(text: str) -> dict[str, str]:
    """Read the conditions that a search is for: comma-separated ``feature:value``, at least one, each feature once.

    Raises:
        ValueError: the text is malformed, or no rule can have a value; the message says which.
    """
    if re.fullmatch(f"{CONDITION_PATTERN}(?:,{CONDITION_PATTERN})*", text) is None:
        raise ValueError(f"expected feature:value, comma-separated, at least one; {_QUOTING}")
    conditions: dict[str, str] = {}
    for feature, written in re.findall(f"({FEATURE_PATTERN}):({WRITTEN_VALUE_PATTERN})", text):
        if feature in conditions:
            raise ValueError(f"the context feature {feature!r} has more than one value")
        conditions[feature] = read_value(written)
        # One that is plain, but too long, was always merely not found.
        if written != conditions[feature] and (fault := find_value_fault(conditions[feature])):
            raise ValueError(describe_value_fault(feature, conditions[feature], fault))
    return conditions


def describe_value_fault(feature: str, value: str, fault: str) -> str:
    """Say that a feature cannot have a value, and why: ``fault`` as ``find_value_fault`` gives it."""
    return f"context feature {feature!r} cannot have the value {shorten(repr(value))}: {fault}"


def lets_through(filters: Mapping[str, FeatureFilter], conditions: Iterable[tuple[str, str]]) -> bool:
    """Return whether every condition of a rule is let through by the filter for its feature."""
    return all(feature in filters and _holds(filters[feature], value) for feature, value in conditions)


class _FilterScanner:
    """Reads context filters; see ``parse_context_filters``."""

    def __init__(self, text: str, max_filters: int | None, max_values: int | None) -> None:
        self._text = text
        self._max_filters = max_filters
        self._max_values = max_values
        self._filters: dict[str, FeatureFilter] = {}
        self._value_count = 0

    def scan(self) -> dict[str, FeatureFilter]:
        position = 0
        while self._text and position <= len(self._text):
            position = self._scan_filter(position) + 1
        return self._filters

    def _scan_filter(self, position: int) -> int:
        """Read the filter that begins at a position; return where it ends."""
        text = self._text
        start = re.compile(_FILTER_START_PATTERN).match(text, position)
        end = None if start is None else start.end()
        written: list[str] = []
        if start is not None and not start[2]:
            end = self._scan_values(start.end(), written)
        if start is None or end is None or text[end : end + 1] not in {"", ","}:
            raise ValueError(
                f"malformed context filters at character {position}: {text[position : position + 40]!r};"
                f" expected feature:* or feature:(value,...), comma-separated; {_QUOTING}"
            )
        if start[1] in self._filters:
            raise RepeatedFilterError(f"context feature {start[1]!r} has more than one filter")
        self._filters[start[1]] = None if start[2] else _read_listed(start[1], written)
        self._check_counts()
        return end

    def _scan_values(self, position: int, written: list[str]) -> int | None:
        """Add the values that begin at a position to a list; return where their list ends, ``None`` if it does not."""
        pattern = re.compile(_VALUES_PATTERN)
        while match := pattern.match(self._text, position):
            found = re.findall(WRITTEN_VALUE_PATTERN, match[0])
            written += found
            self._value_count += len(found)
            self._check_counts()
            position = match.end() + 1
            if (mark := self._text[match.end() : position]) != ",":
                return position if mark == ")" else None
        return None

    def _check_counts(self) -> None:
        check_counts(len(self._filters), self._max_filters, self._value_count, self._max_values)


def _read_listed(feature: str, written: Iterable[str]) -> frozenset[str]:
    values = frozenset(map(read_value, written))
    for value in values:
        if fault := find_listed_fault(value):
            raise ValueError(describe_value_fault(feature, value, fault))
    return values


def _holds(allowed: Collection[str] | None, value: str) -> bool:
    return allowed is None or value in allowed
