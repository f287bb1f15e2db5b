"""The limits that a setting's metadata sets to its values, under the key ``value-schema``.

They are metadata, which services that do not know them keep without checking, and so do imports. So what is stored may
have been stored unchecked: limits that cannot be read limit nothing, and values that break limits stay until they are
changed. What is checked is what is written: limits when they change, and values.

Each write of a value reads the limits anew, in its transaction. So they are bounded in size, and those of a setting
whose rules are written together are read once.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from heksher.server.errors import InvalidInputError, NotAcceptableError
from heksher.server.json_bytes import encode
from heksher.server.limits import MAX_LIMITS_BYTES
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import JSON, json_key, shorten

if TYPE_CHECKING:
    from heksher.server.operations.limit_schema import LimitSchema

LIMITS_KEY: Final = "value-schema"

_Metadata = Mapping[str, JSON]


class ValueLimits:
    """The limits in a setting's metadata, which may be none. Immutable.

    Args:
        metadata: of the setting; nobody changes them.
    """

    def __init__(self, metadata: _Metadata) -> None:
        self._schema: LimitSchema | None = _read_schema(_Identical(metadata)) if LIMITS_KEY in metadata else None

    def find_fault(self, value: JSON) -> str | None:
        """Return in a short text how a value breaks the limits; ``None`` if it does not."""
        return None if self._schema is None else self._schema.find_fault(value)

    def tell_broken(self, rules: Iterable[RuleRecord]) -> str | None:
        """Return a message about the rules whose values break the limits; ``None`` if none does."""
        # There can be many, and how a value breaks limits takes longer to say than that it does.
        broken = [rule for rule in rules if self._schema is not None and not self._schema.accepts(rule.value)]
        if not broken:
            return None
        ids, first = [rule.rule_id for rule in broken], broken[0]
        return (
            f"limits of values ({LIMITS_KEY}) broken by the values of rules {ids};"
            f" that of rule {first.rule_id}: {self.find_fault(first.value)}"
        )


def find_limits_fault(metadata: _Metadata) -> str | None:
    """Return in a short text why the limits in metadata cannot be read; ``None`` if they can, or there are none."""
    if LIMITS_KEY not in metadata:
        return None
    size = len(encode(metadata[LIMITS_KEY]))
    if size > MAX_LIMITS_BYTES:
        return f"these have {size:,} bytes, and may have {MAX_LIMITS_BYTES:,}"
    fault: str | None = _load_library().find_schema_fault(metadata[LIMITS_KEY])
    return fault


def have_other_limits(metadata: _Metadata, before: _Metadata) -> bool:
    """Return whether metadata have other limits than those before."""
    return (LIMITS_KEY in metadata, json_key(metadata.get(LIMITS_KEY))) != (
        LIMITS_KEY in before,
        json_key(before.get(LIMITS_KEY)),
    )


def require_readable_limits(metadata: _Metadata) -> None:
    """Check that the limits in metadata, if there are any, can be read.

    Raises:
        InvalidInputError: they cannot.
    """
    if fault := find_limits_fault(metadata):
        raise InvalidInputError(f"limits of values are JSON Schema of some keywords: {fault}", ("metadata", LIMITS_KEY))


def require_declared_within(metadata: _Metadata, default: JSON, stored: SettingRecord | None) -> None:
    """Check limits that a declaration stores anew, and a default that is new, or has other limits than before.

    Args:
        metadata: what is declared.
        default: likewise.
        stored: the setting before; ``None`` if it is new.

    Raises:
        InvalidInputError: the limits cannot be read, or the default breaks them.
    """
    if stored is None or have_other_limits(metadata, stored.metadata):
        require_readable_limits(metadata)
    elif json_key(default) == json_key(stored.default_value):
        return
    if fault := ValueLimits(metadata).find_fault(default):
        raise InvalidInputError(f"the default value is outside the limits in metadata: {fault}", ("default_value",))


def require_value_within(setting: str, metadata: _Metadata, value: JSON) -> None:
    """Check that the value of a rule does not break the limits of its setting.

    Args:
        setting: the name of the setting.
        metadata: of the setting.
        value: of the rule.

    Raises:
        NotAcceptableError: it does.
    """
    if fault := ValueLimits(metadata).find_fault(value):
        raise NotAcceptableError(
            f"{shorten(json.dumps(value))} is outside the limits of setting {setting!r} ({LIMITS_KEY}): {fault}"
        )


class _Identical:
    """Metadata by which they are, not by what they say, which would take as long to compare as to read.

    Args:
        metadata: are kept as long as this is, so that no others can be where they are.
    """

    def __init__(self, metadata: _Metadata) -> None:
        self.metadata = metadata

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identical) and self.metadata is other.metadata

    def __hash__(self) -> int:
        return id(self.metadata)


@lru_cache(16)
def _read_schema(of: _Identical) -> "LimitSchema | None":
    if find_limits_fault(of.metadata) is not None:
        return None
    schema: LimitSchema = _load_library().LimitSchema(of.metadata[LIMITS_KEY])
    return schema


def _load_library() -> ModuleType:
    # Most services have no limits: they need not wait for it when they start.
    from heksher.server.operations import limit_schema  # noqa: PLC0415 - see above

    return limit_schema
