"""Units of reading work on an SQL database: what a reader does inside its transaction.

Statements are made once, here, because to make one costs more than to run it. No method sends one for each setting.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias, cast, get_args

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from heksher.server.storage.base import (
    Conditions,
    LogEntry,
    LoggedChange,
    ObjectKind,
    Origin,
    Reader,
    RuleRecord,
    SettingRecord,
)
from heksher.server.storage.dialect import MAX_BIG_KEY, Dialect
from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.storage_errors import StorageCorruptError
from heksher.server.storage.tables import CHANGE_LOG, CONTEXT_FEATURE, RULE, SETTING, SETTING_FEATURE, SETTING_NAME
from heksher.value_type import shorten

# A row of any columns. SQLAlchemy cannot know the types of tables that are written without its object mapper.
_Row: TypeAlias = "Row[*tuple[object, ...]]"

# Databases limit the number of parameters of a statement (SQLite to 32,766, PostgreSQL to 65,535), so a longer list of
# names is asked for in parts.
_MAX_NAMES: Final = 1000

_REVISION: Final = select(func.coalesce(func.max(CHANGE_LOG.c.revision), 0).label("revision"))
_FEATURES: Final = select(CONTEXT_FEATURE.c.name).order_by(CONTEXT_FEATURE.c.position)
_SETTINGS: Final = select(SETTING)
_SETTING_NAMES: Final = select(SETTING_NAME.c.setting_id, SETTING_NAME.c.name)
_SETTING_FEATURES: Final = select(SETTING_FEATURE.c.setting_id, SETTING_FEATURE.c.feature)
_SETTING_BY_NAME: Final = _SETTINGS.join(SETTING_NAME).where(SETTING_NAME.c.name == bindparam("name"))
_NAMES_OF_SETTING: Final = _SETTING_NAMES.where(SETTING_NAME.c.setting_id == bindparam("setting_id"))
_FEATURES_OF_SETTING: Final = _SETTING_FEATURES.where(SETTING_FEATURE.c.setting_id == bindparam("setting_id"))
_RULES: Final = select(
    RULE.c.id, SETTING.c.name.label("setting"), RULE.c.conditions, RULE.c.value, RULE.c.metadata
).join(SETTING)
_RULES_OF_SETTINGS: Final = _RULES.where(SETTING.c.name.in_(bindparam("names", expanding=True)))
_RULE_BY_ID: Final = _RULES.where(RULE.c.id == bindparam("rule_id"))
_RULE_BY_CONDITIONS: Final = _RULES.where(
    SETTING.c.name == bindparam("setting"), RULE.c.conditions_digest == bindparam("digest")
)
_LOG: Final = (
    select(CHANGE_LOG)
    .where(CHANGE_LOG.c.revision > bindparam("after_revision"))
    .order_by(CHANGE_LOG.c.revision)
    .limit(bindparam("max_entries"))
)


class SqlReader(Reader):
    """The state as one transaction sees it."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def revision(self) -> int:
        return int(self._fetch(_REVISION)[0].revision)

    def context_features(self) -> tuple[str, ...]:
        return tuple(row.name for row in self._fetch(_FEATURES))

    def find_setting(self, name: str) -> SettingRecord | None:
        if not _is_storable(name):
            return None
        for row in self._fetch(_SETTING_BY_NAME, {"name": name}):
            key = {"setting_id": row.id}
            return _read_setting(row, self._fetch(_NAMES_OF_SETTING, key), self._fetch(_FEATURES_OF_SETTING, key))
        return None

    def settings(self) -> list[SettingRecord]:
        names = _group_by_setting(self._fetch(_SETTING_NAMES))
        features = _group_by_setting(self._fetch(_SETTING_FEATURES))
        settings = [_read_setting(row, names[row.id], features[row.id]) for row in self._fetch(_SETTINGS)]
        # Sorted here, because databases sort by the rules of a language.
        return sorted(settings, key=lambda setting: setting.name)

    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        rules = map(_read_rule, self._fetch(_RULES) if settings is None else self._fetch_rules_of(settings))
        return sorted(rules, key=lambda rule: rule.rule_id)

    def find_rule(self, rule_id: int) -> RuleRecord | None:
        # A number that no column holds is no rule's id, but would be an error of the database.
        if not 0 < rule_id <= MAX_BIG_KEY:
            return None
        return _read_first_rule(self._fetch(_RULE_BY_ID, {"rule_id": rule_id}))

    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        if not _is_storable(setting):
            return None
        parameters = {"setting": setting, "digest": digest_conditions(conditions)}
        return _read_first_rule(self._fetch(_RULE_BY_CONDITIONS, parameters))

    def log(self, after_revision: int = 0, limit: int = 1000) -> list[LogEntry]:
        parameters = {"after_revision": _clip(after_revision), "max_entries": _clip(limit)}
        return [_read_entry(row) for row in self._fetch(_LOG, parameters)]

    def _fetch_rules_of(self, settings: Iterable[str]) -> Iterator[_Row]:
        names = [name for name in frozenset(settings) if _is_storable(name)]
        for start in range(0, len(names), _MAX_NAMES):
            yield from self._fetch(_RULES_OF_SETTINGS, {"names": names[start : start + _MAX_NAMES]})

    def _fetch(
        self, statement: Select[*tuple[object, ...]], parameters: Mapping[str, object] | None = None
    ) -> Sequence[_Row]:
        with self._dialect.translating("reading"):
            return self._connection.execute(statement, parameters).all()


def write_conditions(conditions: Conditions) -> str:
    """Write the conditions of a rule as text, the same for all mappings that are equal."""
    return encode_json(dict(sorted(conditions.items())))


def digest_conditions(conditions: Conditions) -> str:
    """Return what stands for the conditions of a rule in a key: 64 characters, whatever their length."""
    return hashlib.sha256(write_conditions(conditions).encode()).hexdigest()


def _is_storable(name: str) -> bool:
    # No stored name has such characters, and a driver refuses to ask for one: lone surrogates cannot be encoded, and
    # PostgreSQL's texts end at U+0000.
    return "\0" not in name and not any("\ud800" <= character <= "\udfff" for character in name)


def _clip(number: int) -> int:
    return min(max(number, 0), MAX_BIG_KEY)


def _group_by_setting(rows: Iterable[_Row]) -> defaultdict[int, list[_Row]]:
    groups: defaultdict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[row.setting_id].append(row)
    return groups


def _read_setting(row: _Row, names: Iterable[_Row], features: Iterable[_Row]) -> SettingRecord:
    return SettingRecord(
        name=row.name,
        type=row.type,
        default_value=decode_json(row.default_value),
        configurable_features=frozenset(named.feature for named in features),
        version=row.version,
        metadata=decode_json_object(row.metadata),
        aliases=frozenset(named.name for named in names).difference({row.name}),
    )


def _read_first_rule(rows: Sequence[_Row]) -> RuleRecord | None:
    return _read_rule(rows[0]) if rows else None


def _read_rule(row: _Row) -> RuleRecord:
    return RuleRecord(
        rule_id=row.id,
        setting=row.setting,
        conditions=cast("Conditions", decode_json_object(row.conditions)),
        value=decode_json(row.value),
        metadata=decode_json_object(row.metadata),
    )


def _read_entry(row: _Row) -> LogEntry:
    return LogEntry(
        revision=row.revision,
        at=_read_time(row.at),
        origin=Origin(actor=str(decode_json(row.actor)), reason=str(decode_json(row.reason))),
        change=LoggedChange(
            action=row.action,
            kind=_read_kind(row.kind),
            key=row.key,
            before=decode_json(row.before),
            after=decode_json(row.after),
        ),
    )


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StorageCorruptError(f"the change log holds {shorten(text)!r} where a time is expected") from error


def _read_kind(text: str) -> ObjectKind:
    if text not in get_args(ObjectKind):
        raise StorageCorruptError(f"the change log holds an object of the unknown kind {shorten(text)!r}")
    return cast("ObjectKind", text)
