"""Whatever is done to it, the SQL storage answers and holds the same as the storage in memory, its oracle."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heksher.server.storage.base import NOBODY, LoggedChange, Origin, Reader, SettingRecord, Storage, Writer
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError
from heksher.value_type import JSON
from tests.support.json_strategies import json_values
from tests.support.storages import SOME_CHANGE, see_everything


class OurError(Exception):
    """What work raises by itself."""


@dataclass(frozen=True)
class Pick:
    """One of the objects that there are: drawn blindly, few names and numbers would be those of anything."""

    kind: Literal["setting", "rule"]
    index: int

    def __call__(self, reader: Reader) -> object:
        if self.kind == "rule":
            return self._choose([rule.rule_id for rule in reader.rules()], 1)
        return self._choose([setting.name for setting in reader.settings()], "a")

    def _choose(self, found: Sequence[object], otherwise: object) -> object:
        return found[self.index % len(found)] if found else otherwise


@dataclass(frozen=True)
class Call:
    """A call of one method; readers have some of them."""

    method: str
    arguments: tuple[object, ...]

    def __call__(self, reader: Reader) -> object:
        arguments = [argument(reader) if isinstance(argument, Pick) else argument for argument in self.arguments]
        return getattr(reader, self.method)(*arguments)


@dataclass(frozen=True)
class ChangeValue:
    """A change of a rule's value, if there is a rule."""

    rule: Pick
    value: JSON

    def __call__(self, writer: Writer) -> object:
        found = writer.find_rule(cast("int", self.rule(writer)))
        if found is not None:
            writer.replace_rule(replace(found, value=self.value))
        return found


@dataclass(frozen=True)
class Rename:
    """A change of a setting's name, if there is a setting; the old one becomes an alias."""

    setting: Pick
    new_name: str

    def __call__(self, writer: Writer) -> object:
        found = writer.find_setting(cast("str", self.setting(writer)))
        if found is not None:
            aliases = (found.aliases | {found.name}) - {self.new_name}
            writer.replace_setting(found.name, replace(found, name=self.new_name, aliases=aliases))
        return found


@dataclass(frozen=True)
class Fail:
    """An error of the caller's own."""

    def __call__(self, writer: Writer) -> object:
        raise OurError


Step = Call | ChangeValue | Rename | Fail


def calls(method: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    """Draw calls of one method."""
    return st.tuples(*arguments).map(lambda drawn: Call(method, drawn))


NAMES = ("a", "b", "B", "a.b", "a_b", "0")
FEATURES = ("x", "y", "z")

settings_there = st.builds(Pick, st.just("setting"), st.integers(0, 5))
rules_there = st.builds(Pick, st.just("rule"), st.integers(0, 5))
names: st.SearchStrategy[object] = settings_there | settings_there | st.sampled_from([*NAMES, "unknown"])
rule_ids: st.SearchStrategy[object] = rules_there | rules_there | st.sampled_from([0, -1, 1, 2, 3, 2**63 - 1])
conditions = st.dictionaries(st.sampled_from(FEATURES), st.sampled_from(["0", "1", "2"]), max_size=3)
metadata = st.dictionaries(st.text(max_size=2), json_values(), max_size=2)
values = json_values() | json_values() | json_values() | st.just(float("nan"))
records = st.builds(
    SettingRecord,
    name=st.sampled_from(NAMES),
    type=st.sampled_from(["int", 'Enum["a",1]']),
    default_value=json_values(),
    configurable_features=st.frozensets(st.sampled_from(FEATURES), max_size=2),
    version=st.sampled_from(["1.0", "1.10", "2.0"]),
    metadata=metadata,
    aliases=st.frozensets(st.sampled_from([*NAMES, "old_a", "older"]), max_size=1),
)
rules_to_add = calls("add_rule", names, conditions, values, metadata)
changes = st.builds(LoggedChange, st.text(), st.just("setting"), st.text(alphabet="ab"), json_values(), json_values())
origins = st.builds(Origin, st.text(), st.text())

questions = st.one_of(
    calls("find_setting", st.text(max_size=2) | names),
    calls("rules", st.none() | st.lists(st.sampled_from(NAMES), max_size=3)),
    calls("find_rule", st.integers() | rule_ids),
    calls("find_rule_by_conditions", names, conditions),
    calls("log", st.integers(-1, 10), st.integers(-1, 3)),
)
steps: st.SearchStrategy[Step] = st.one_of(
    calls("set_context_features", st.permutations([*FEATURES, "w"])),
    calls("set_context_features", st.lists(st.sampled_from(FEATURES), max_size=4)),
    calls("add_setting", records),
    calls("replace_setting", names, records),
    calls("delete_setting", names),
    rules_to_add,
    calls("delete_rule", rule_ids),
    calls("record", changes),
    st.builds(ChangeValue, rules_there, values),
    st.builds(Rename, settings_there, st.sampled_from(NAMES)),
    st.builds(Fail),
    questions,
)


class StorageMachine(RuleBasedStateMachine):
    """Both storages, and what can be done to them."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.oracle: Storage = MemoryStorage(self.now)
        self.tested: Storage = self.connect()
        self.oracle.open()
        self.tested.open()

    def teardown(self) -> None:
        self.tested.close()
        self.directory.cleanup()

    def connect(self) -> Storage:
        """Make the storage that is tested anew, as after a restart."""
        return SqlStorage(str(Path(self.directory.name) / "heksher.db"), self.now)

    def now(self) -> datetime:
        """Return a time that is the same for both."""
        return self.time

    def compare(self, act: Callable[[Storage], object]) -> None:
        """Do the same with both storages, and compare what comes of it."""
        assert attempt(act, self.tested) == attempt(act, self.oracle)

    @initialize()
    def begin(self) -> None:
        """Begin with some of everything, so that most of what is done meets something."""
        several: list[Step] = [Call("set_context_features", (FEATURES,)), Call("record", (SOME_CHANGE,))]
        for name, feature in (("b", "x"), ("a", "y"), ("B", "z")):
            setting = SettingRecord(
                name, "int", 1, frozenset({feature}), "1.0", {"by": "test"}, frozenset({f"old_{name}"})
            )
            several.append(Call("add_setting", (setting,)))
            several.append(Call("add_rule", (name, {feature: "0"}, 1, {"by": "test"})))
        self.write_several(several)

    @rule(call=rules_to_add)
    def add_rule(self, call: Call) -> None:
        """Add a rule: by itself too, so that there are many."""
        self.write_single(call, SOME_CHANGE, NOBODY)

    @rule(step=steps, change=changes, origin=origins)
    def write_single(self, step: Step, change: LoggedChange, origin: Origin) -> None:
        """Do one thing, and record it."""
        self.time += timedelta(seconds=1)
        self.compare(lambda storage: storage.write(lambda writer: (step(writer), writer.record(change)), origin))

    @rule(several=st.lists(steps, max_size=5))
    def write_several(self, several: list[Step]) -> None:
        """Do several things as one, recorded or not."""
        self.compare(lambda storage: storage.write(lambda writer: [step(writer) for step in several]))

    @rule(several=st.lists(steps, max_size=3), change=changes)
    def write_in_spite_of_errors(self, several: list[Step], change: LoggedChange) -> None:
        """Do several things, record them, and keep quiet about an error."""

        def work(writer: Writer) -> None:
            # Whoever goes on after an error is not promised to see anything in particular.
            with suppress(StorageError, OurError):
                for step in several:
                    step(writer)
                writer.record(change)

        self.compare(lambda storage: storage.write(work))

    @rule(several=st.lists(questions, max_size=3))
    def read(self, several: list[Call]) -> None:
        """Ask several things."""
        self.compare(lambda storage: storage.read(lambda reader: [step(reader) for step in several]))

    @rule()
    def restart(self) -> None:
        """Open the database anew."""
        self.tested.close()
        self.tested = self.connect()
        self.tested.open()

    @invariant()
    def is_same(self) -> None:
        """Both hold the same, the log included."""
        self.compare(see_everything)


def attempt(act: Callable[[Storage], object], storage: Storage) -> object:
    """Return what a call returned, or the class of the error that it raised."""
    try:
        return distinguish(act(storage))
    except (StorageError, OurError) as error:
        return type(error)


def distinguish(value: object) -> object:
    """Return something that is equal only for values of one type: to Python, ``1 == 1.0 == True``."""
    if is_dataclass(value):
        return [distinguish(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, list | tuple):
        return [type(value), *map(distinguish, value)]
    if isinstance(value, dict):
        return {key: distinguish(inner) for key, inner in value.items()}
    # repr tells 0.0 from -0.0, but a set has no order.
    return value if isinstance(value, frozenset) else repr(value)


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(stateful_step_count=15)
