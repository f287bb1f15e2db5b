"""Queries, and the bytes of their answers."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from heksher.server.catalog.picture import CatalogRule, CatalogSetting, Picture
from heksher.server.errors import NotFoundError
from heksher.server.json_bytes import encode
from heksher.value_type import shorten
from heksher.wire import FeatureFilter, lets_through

_MAX_NAMED_UNKNOWN = 50
# Objects are allocated in multiples of 16 bytes.
_ROUNDING_BYTES = 8


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """A query for settings and rules.

    Attributes:
        names: names or aliases, without repeats; ``None`` for all settings.
        filters: the filter for each feature; ``None`` lets every rule through.
        include_metadata: whether each rule has its metadata.
        include_aliases: whether the answer maps the aliases among the names to canonical names.
    """

    names: tuple[str, ...] | None = None
    filters: Mapping[str, FeatureFilter] | None = None
    include_metadata: bool = False
    include_aliases: bool = False
    name_set: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_set", frozenset(self.names or ()))

    def lets_through(self, rule: CatalogRule) -> bool:
        """Return whether the filters let a rule through."""
        return self.filters is None or lets_through(self.filters, rule.conditions)

    def measure_bytes(self) -> int:
        """Return the memory that the query takes: of a list of short values, many times what was sent."""
        total = sys.getsizeof(self.names) + sys.getsizeof(self.name_set) + _measure_texts(self.names or ())
        if self.filters is None:
            return total
        lists = [listed for listed in self.filters.values() if listed is not None]
        total += sys.getsizeof(self.filters) + _measure_texts(self.filters)
        return total + sum(sys.getsizeof(listed) + _measure_texts(listed) for listed in lists)


def _measure_texts(texts: Collection[str]) -> int:
    return sum(map(sys.getsizeof, texts)) + _ROUNDING_BYTES * len(texts)


def build_answer(picture: Picture, query: CatalogQuery) -> bytes:
    """Return the answer to a query as JSON.

    Settings are sorted by canonical name, rules by id, conditions in feature order.

    Raises:
        NotFoundError: some names are unknown; the message names them.
    """
    settings = find_settings(picture, query)
    body = b",".join([_write_setting(setting, query) for setting in settings])
    aliases = b',"aliases":' + encode(_find_aliases(picture, query)) if query.include_aliases else b""
    return b'{"settings":{' + body + b"}" + aliases + b"}"


def find_settings(picture: Picture, query: CatalogQuery) -> list[CatalogSetting]:
    """Return the settings that a query is for, sorted by name.

    Raises:
        NotFoundError: some names are unknown; the message names them.
    """
    if query.names is None:
        return list(picture.settings.values())
    unknown = [name for name in query.names if name not in picture.names]
    if unknown:
        listed = [shorten(name) for name in unknown[:_MAX_NAMED_UNKNOWN]]
        more = f" and {len(unknown) - _MAX_NAMED_UNKNOWN} more" if len(unknown) > _MAX_NAMED_UNKNOWN else ""
        # Existing programs know the text.
        raise NotFoundError(f"the following are not setting names: {listed}{more}", "setting")
    return [picture.settings[name] for name in sorted({picture.names[name] for name in query.names})]


def _find_aliases(picture: Picture, query: CatalogQuery) -> dict[str, str]:
    return {name: canonical for name in query.names or () if (canonical := picture.names[name]) != name}


def _write_setting(setting: CatalogSetting, query: CatalogQuery) -> bytes:
    rules: Iterable[CatalogRule] = setting.rules.values()
    if query.filters is not None:
        rules = filter(query.lets_through, rules)
    return setting.head + b",".join(_write_rules(rules, query)) + b"]}"


def _write_rules(rules: Iterable[CatalogRule], query: CatalogQuery) -> Iterator[bytes]:
    if query.include_metadata:
        return (rule.head + b',"metadata":' + rule.metadata + b"}" for rule in rules)
    return (rule.head + b"}" for rule in rules)
