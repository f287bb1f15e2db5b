"""What a client can go on from when the service cannot be asked, and how that is written down.

The text has the shape of the answer to a query, with some more members. So it is checked as answers are, and an answer
that was put into a file by hand can be read in the same way::

    {"service": "http://settings", "context_filters": "*", "context_features": ["environment", "user"], "revision": 7,
     "settings": {"cache_ttl": {"default_value": 60, "rules": [
       {"rule_id": 7, "value": 10, "context_features": [["environment", "dev"]]}]}}}

The same data is always written in the same way, so that processes can compare what they have by a checksum.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from heksher.clients.conversation.response_reader import QueriedSetting, parse_settings, read_queried_setting
from heksher.exceptions import InvalidResponseError
from heksher.rule_set import Rule
from heksher.value_type import JSON, shorten

# The filters of a query that asks for every rule.
EVERYTHING: Final = "*"

# The encoder does not let other threads run before it is done, and a client's threads go on reading settings
# meanwhile: 100 rules take it a fraction of a millisecond.
_RULES_PER_CHUNK: Final = 100

# NaN and infinities are no JSON: a file with them could not be read again.
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class UnreadableStateError(ValueError):
    """A text is not a saved state; the message says what is wrong with it."""


class SavedState(NamedTuple):
    """What a client's settings can be restored from.

    Attributes:
        saved_at: when the service said last that the data is current, in UTC; the epoch in a bootstrap, whose age
            nobody knows.
        service: the service's URL, without credentials; empty in a bootstrap.
        context_filters: which rules were asked for, as in a query; ``*`` for all.
        feature_order: the service's context features in its order; empty where a bootstrap does not say it.
        revision: the service's revision; ``None`` where it is not known.
        settings: what the service said of each setting, by the name that the program declares.
    """

    saved_at: datetime
    service: str
    context_filters: str
    feature_order: tuple[str, ...]
    revision: int | None
    settings: Mapping[str, QueriedSetting]


def write_payload(state: SavedState) -> Iterator[bytes]:
    """Write all of a state but its time, in pieces.

    Raises:
        ValueError: a value is no JSON.
        TypeError: likewise.
    """
    head = {
        "service": state.service,
        "context_filters": state.context_filters,
        "context_features": state.feature_order,
        "revision": state.revision,
    }
    yield f'{_encode_json(head)[:-1]},"settings":{{'.encode()
    for position, name in enumerate(sorted(state.settings)):
        yield f"{',' if position else ''}{_encode_json(name)}:".encode()
        yield from _write_setting(state.settings[name])
    yield b"}}\n"


def read_payload(payload: bytes, saved_at: datetime) -> SavedState:
    """Read what ``write_payload`` has written.

    Raises:
        ValueError: it is something else; the message says what is wrong.
    """
    document = read_document(payload)
    revision = document.get("revision")
    if revision is not None and (isinstance(revision, bool) or not isinstance(revision, int)):
        raise UnreadableStateError(f"revision is no whole number: {shorten(repr(revision))}")
    return SavedState(
        saved_at,
        _read_text(document, "service"),
        _read_text(document, "context_filters"),
        read_feature_order(document.get("context_features")),
        revision,
        read_settings(document.get("settings")),
    )


def read_document(text: bytes | str) -> Mapping[str, JSON]:
    """Parse a JSON object that has settings in it.

    Raises:
        ValueError: the text is something else.
    """
    document = parse_settings(text)
    if not isinstance(document, dict):
        raise UnreadableStateError(f"it is no JSON object: {shorten(repr(document))}")
    return document


def read_feature_order(features: JSON) -> tuple[str, ...]:
    """Read a list of context features.

    Raises:
        ValueError: it is something else, or names a feature twice.
    """
    if not isinstance(features, list) or not all(isinstance(feature, str) for feature in features):
        raise UnreadableStateError(f"context_features is no list of names: {shorten(repr(features))}")
    order = tuple(map(str, features))
    if len(set(order)) < len(order):
        raise UnreadableStateError(f"context_features has a name twice: {shorten(repr(features))}")
    return order


def read_settings(settings: JSON) -> dict[str, QueriedSetting]:
    """Read the settings of a document, which are as a query answers them.

    Raises:
        ValueError: they have another shape; the message names the setting.
    """
    if not isinstance(settings, dict):
        raise UnreadableStateError(f"settings is no object: {shorten(repr(settings))}")
    return {name: _read_setting(name, setting) for name, setting in settings.items()}


def _write_setting(setting: QueriedSetting) -> Iterator[bytes]:
    default = f'"default_value":{_encode_json(setting.default_value)},' if setting.has_default else ""
    yield f'{{{default}"rules":['.encode()
    for start in range(0, len(setting.rules), _RULES_PER_CHUNK):
        rules = [_to_wire(rule) for rule in setting.rules[start : start + _RULES_PER_CHUNK]]
        yield f"{',' if start else ''}{_encode_json(rules)[1:-1]}".encode()
    yield b"]}"


def _to_wire(rule: Rule[JSON]) -> JSON:
    return {"rule_id": rule.rule_id, "value": rule.value, "context_features": rule.conditions}


def _read_setting(name: str, setting: JSON) -> QueriedSetting:
    try:
        return read_queried_setting(setting)
    except (InvalidResponseError, RecursionError) as error:
        raise UnreadableStateError(f"setting {shorten(name)}: {error}") from None


def _read_text(document: Mapping[str, JSON], member: str) -> str:
    text = document.get(member)
    if not isinstance(text, str):
        raise UnreadableStateError(f"{member} is no text: {shorten(repr(text))}")
    return text
