"""Random writes of every kind, one after another, as the service makes them: few names, so that they meet often."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final

from heksher.server.errors import OperationError
from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject, rule_to_json, setting_to_json
from heksher.server.operations import context_features, metadata, rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.operations.declaration import check_consistency, declare, declare_many
from heksher.server.operations.differences import Declaration
from heksher.server.operations.reverting import revert
from heksher.server.operations.setting_revert import revert_setting
from heksher.server.storage.base import Origin, Reader, SettingRecord, Storage
from heksher.value_type import JSON, parse_value_type

NAMES: Final = ("a", "b", "c", "d.e", "f")
FEATURES: Final = ("x", "y", "z", "w")
TYPES: Final[Mapping[str, tuple[JSON, ...]]] = {
    "int": (0, 1, 2),
    "float": (0, 0.5, 1, 1.0),
    "Mapping<float>": ({}, {"k": 1}, {"k": 1.0}, {"k": 1, "l": 2}, {"l": 2, "k": 1}),
    'Enum["p","q"]': ("p", "q"),
}


class RandomWrites:
    """Makes random writes.

    Args:
        storage: where to.
        seed: the writes are the same for the same seed.
    """

    def __init__(self, storage: Storage, seed: int) -> None:
        self._storage = storage
        self._chance = Random(seed)  # noqa: S311 - the same writes in each run
        self._number = 0
        self._kinds: list[Callable[[], object]] = [
            self._change_features,
            self._declare,
            self._declare,
            self._upgrade,
            self._declare_many,
            self._rename,
            self._rename,
            self._set_type,
            self._set_features,
            self._edit_setting,
            *[self._delete_setting] * 3,
            *[self._add_rule] * 5,
            *[self._set_value] * 3,
            *[self._edit_rule] * 2,
            *[self._delete_rule] * 2,
        ]
        self._single_kinds = tuple(self._kinds)
        self._kinds += [*[self._make_several] * 3, *[self._take_back] * 2, self._take_setting_back]

    def begin(self) -> None:
        """Make the first writes, so that most of what follows meets something."""
        for feature in FEATURES[:-1]:
            context_features.add_feature(self._storage, feature, self._sign())
        for name in NAMES[:3]:
            declare(self._storage, self._describe(name), self._sign())
        for _ in range(6):
            with suppress(OperationError):
                self._add_rule()

    def write(self) -> int:
        """Make one write, and return its revision."""
        before = self._read(lambda reader: reader.revision())
        while True:
            self.attempt()
            if (revision := self._read(lambda reader: reader.revision())) != before:
                return revision

    def attempt(self) -> None:
        """Make one write, or none, if it is refused."""
        with suppress(OperationError):
            self.make()

    def make(self, *, is_single: bool = False) -> None:
        """Make one write.

        Args:
            is_single: one that can be a part of a bulk, and that does nothing if it is refused, also inside a unit.

        Raises:
            OperationError: it is refused.
        """
        self._chance.choice(self._single_kinds if is_single else self._kinds)()

    def _sign(self) -> Origin:
        self._number += 1
        return Origin(self._chance.choice(["ada", "bob", ""]), f"write {self._number}")

    def _read(self, work: Callable[[Reader], Any]) -> Any:
        return self._storage.read(work)

    def _pick_setting(self) -> SettingRecord | None:
        found = self._read(lambda reader: reader.settings())
        return self._chance.choice(found) if found else None

    def _pick_rule(self) -> int:
        found = self._read(lambda reader: [rule.rule_id for rule in reader.rules()])
        return self._chance.choice(found) if found else 0

    def _pick_metadata(self) -> dict[str, JSON]:
        return {key: self._chance.choice([1, 1.0, "m"]) for key in self._chance.sample("kl", self._chance.randrange(3))}

    def _describe(self, name: str, version: str = "1.0", alias: str | None = None) -> Declaration:
        written = self._chance.choice(list(TYPES))
        order = self._read(lambda reader: reader.context_features())
        chosen = frozenset(self._chance.sample(order, self._chance.randint(1, len(order)))) if order else frozenset()
        default = self._chance.choice(TYPES[written])
        declaration = Declaration(
            name, chosen, parse_value_type(written), default, version, self._pick_metadata(), alias
        )
        check_consistency(declaration)
        return declaration

    def _next_version(self, setting: SettingRecord) -> str:
        major, minor = map(int, setting.version.split("."))
        return self._chance.choice([f"{major + 1}.0", f"{major}.{minor + 1}"])

    def _change_features(self) -> None:
        order = self._read(lambda reader: reader.context_features())
        feature, other = self._chance.choice(FEATURES), self._chance.choice(FEATURES)
        if feature not in order:
            context_features.add_feature(self._storage, feature, self._sign())
        elif self._chance.random() < 0.5:
            context_features.delete_feature(self._storage, feature, self._sign())
        else:
            side: context_features.Side = self._chance.choice(["before", "after"])
            context_features.move_feature(self._storage, feature, side, other, self._sign())

    def _declare(self) -> None:
        declare(self._storage, self._describe(self._chance.choice(NAMES)), self._sign())

    def _upgrade(self) -> None:
        if setting := self._pick_setting():
            name = self._chance.choice([setting.name, *NAMES])
            alias = None if name == setting.name else setting.name
            declare(self._storage, self._describe(name, self._next_version(setting), alias), self._sign())

    def _declare_many(self) -> None:
        declare_many(self._storage, [self._describe(name) for name in self._chance.sample(NAMES, 3)], self._sign())

    def _rename(self) -> None:
        if setting := self._pick_setting():
            version = self._chance.choice([setting.version, self._next_version(setting)])
            settings.rename(self._storage, setting.name, self._chance.choice(NAMES), version, self._sign())

    def _set_type(self) -> None:
        if setting := self._pick_setting():
            wanted = parse_value_type(self._chance.choice(list(TYPES)))
            settings.set_type(self._storage, setting.name, wanted, self._next_version(setting), self._sign())

    def _set_features(self) -> None:
        if setting := self._pick_setting():
            chosen = self._describe(setting.name).configurable_features
            version = self._next_version(setting)
            settings.set_configurable_features(self._storage, setting.name, chosen, version, self._sign())

    def _edit_setting(self) -> None:
        if setting := self._pick_setting():
            edit = metadata.overwrite(self._pick_metadata())
            metadata.edit_of_setting(self._storage, setting.name, edit, self._next_version(setting), self._sign())

    def _delete_setting(self) -> None:
        settings.delete(self._storage, self._chance.choice(NAMES), self._sign())

    def _make_several(self) -> None:
        steps = [self._run_on] * self._chance.randint(2, 4)
        run_all(self._storage, steps, self._sign())

    def _run_on(self, storage: Storage) -> None:
        """Make a write as one of several."""
        outer, self._storage = self._storage, storage
        try:
            self.make(is_single=True)
        finally:
            self._storage = outer

    def _take_back(self) -> None:
        """Revert a change, a late one more often than an early one."""
        newest = self._read(lambda reader: reader.revision())
        revert(self._storage, newest - int(self._chance.expovariate(0.2)), self._sign(), is_forced=True)

    def _take_setting_back(self) -> None:
        newest = self._read(lambda reader: reader.revision())
        revision = newest - int(self._chance.expovariate(0.1))
        revert_setting(self._storage, self._chance.choice(NAMES), revision, self._sign(), is_forced=True)

    def _add_rule(self) -> None:
        if setting := self._pick_setting():
            features = sorted(setting.configurable_features)
            chosen = self._chance.sample(features, self._chance.randint(1, len(features)))
            conditions = {feature: self._chance.choice("01") for feature in chosen}
            value = self._chance.choice(TYPES[setting.type])
            rules.add(self._storage, setting.name, conditions, value, self._pick_metadata(), self._sign())

    def _set_value(self) -> None:
        value = self._chance.choice(TYPES[self._chance.choice(list(TYPES))])
        rules.set_value(self._storage, self._pick_rule(), value, self._sign())

    def _edit_rule(self) -> None:
        edit = metadata.overwrite(self._pick_metadata())
        metadata.edit_of_rule(self._storage, self._pick_rule(), edit, self._sign())

    def _delete_rule(self) -> None:
        rules.delete(self._storage, self._pick_rule(), self._sign())


# Settings by name, each with its rules by id, and the context features.
State = tuple[tuple[str, ...], dict[str, tuple[JSONObject, dict[int, JSONObject]]]]


def see_state(storage: Storage) -> State:
    """Return what is there."""
    return storage.read(read_state)


def read_state(reader: Reader) -> State:
    """Return what is there, as a reader sees it."""
    order = reader.context_features()
    seen: dict[str, tuple[JSONObject, dict[int, JSONObject]]] = {
        setting.name: (setting_to_json(setting, order), {}) for setting in reader.settings()
    }
    for rule in reader.rules():
        seen[rule.setting][1][rule.rule_id] = rule_to_json(rule, order)
    return order, seen


def write_state(state: State) -> bytes:
    """Return the JSON of a state: to Python, ``1 == 1.0``."""
    order, seen = state
    return encode([order, {name: [setting, sorted(rules.items())] for name, (setting, rules) in sorted(seen.items())}])
