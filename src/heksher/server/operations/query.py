"""The query: what every client repeats to learn its settings' values and rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from heksher.server.errors import NotFoundError
from heksher.server.operations.changes import JSONObject, picture_conditions
from heksher.server.operations.lookup import find_setting
from heksher.server.storage.base import Reader, RuleRecord, SettingRecord, Storage
from heksher.value_type import JSON, shorten
from heksher.wire import FeatureFilter, lets_through

MAX_NAMED_UNKNOWN = 50


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Settings with the rules that the filters let through.

    Attributes:
        settings: by canonical name, sorted; rules by ascending id, conditions in feature order.
        feature_order: the service's context features at the same revision.
        revision: that revision.
    """

    settings: JSONObject
    feature_order: tuple[str, ...]
    revision: int


def query(
    storage: Storage,
    names: Iterable[str] | None,
    filters: Mapping[str, FeatureFilter] | None,
    *,
    include_metadata: bool,
) -> QueryResult:
    """Query settings and rules at one revision.

    Args:
        storage: where they are.
        names: names or aliases, repeats allowed; ``None`` for all settings.
        filters: what is let through for each feature; ``None`` lets every rule through.
        include_metadata: add its metadata to each rule.

    Raises:
        NotFoundError: some names are unknown; the message names them.
    """

    def work(reader: Reader) -> QueryResult:
        settings = reader.settings() if names is None else _find_all(reader, names)
        order = reader.context_features()
        rules = reader.rules(None if names is None else [setting.name for setting in settings])
        pictures: dict[str, list[JSON]] = defaultdict(list)
        for rule in rules:
            if filters is None or lets_through(filters, rule.conditions.items()):
                pictures[rule.setting].append(_picture_rule(rule, order, include_metadata=include_metadata))
        return QueryResult(
            {
                setting.name: {"default_value": setting.default_value, "rules": pictures[setting.name]}
                for setting in settings
            },
            order,
            reader.revision(),
        )

    return storage.read(work)


def _find_all(reader: Reader, names: Iterable[str]) -> list[SettingRecord]:
    found: dict[str, SettingRecord] = {}
    unknown: list[str] = []
    for name in dict.fromkeys(names):
        if setting := find_setting(reader, name):
            found[setting.name] = setting
        else:
            unknown.append(name)
    if unknown:
        listed = ", ".join(shorten(name) or "''" for name in unknown[:MAX_NAMED_UNKNOWN])
        more = f" and {len(unknown) - MAX_NAMED_UNKNOWN} more" if len(unknown) > MAX_NAMED_UNKNOWN else ""
        raise NotFoundError(f"there are no settings named {listed}{more}", "setting")
    return [found[name] for name in sorted(found)]


def _picture_rule(rule: RuleRecord, order: tuple[str, ...], *, include_metadata: bool) -> JSONObject:
    picture: JSONObject = {
        "rule_id": rule.rule_id,
        "value": rule.value,
        "context_features": picture_conditions(rule, order),
    }
    if include_metadata:
        picture["metadata"] = dict(rule.metadata)
    return picture
