"""Whatever is done to it, the SQL storage answers and holds the same as the storage in memory, its oracle."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal, cast, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heksher.revision_id import RevisionId
from heksher.server.json_form import setting_from_json
from heksher.server.operations import logged_change
from heksher.server.storage import log_text
from heksher.server.storage.access_records import PersonRecord, TokenRecord
from heksher.server.storage.base import (
    NOBODY,
    Expectation,
    LoggedChange,
    Origin,
    Reader,
    RuleRecord,
    Selection,
    SettingRecord,
    Storage,
    Writer,
)
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.records import ActorKind
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from heksher.server.storage.webhook_records import DeliveryRecord, LeaseRecord, WebhookRecord
from heksher.value_type import JSON
from tests.support.json_strategies import json_values
from tests.support.storages import (
    SOME_CHANGE,
    expect,
    see_access,
    see_everything,
    see_last_changes,
    see_usage,
    see_webhooks,
)


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


@dataclass(frozen=True)
class DeleteRule:
    """The deletion of a rule, if there is one, recorded as the service does."""

    rule: Pick

    def __call__(self, writer: Writer) -> object:
        found = writer.find_rule(cast("int", self.rule(writer)))
        if found is not None:
            writer.delete_rule(found.rule_id)
            writer.record(logged_change.delete_rule(found, sorted(found.conditions)))
        return found


@dataclass(frozen=True)
class DeleteSetting:
    """The deletion of a setting, if there is one, recorded as the service does."""

    setting: Pick

    def __call__(self, writer: Writer) -> object:
        found = writer.find_setting(cast("str", self.setting(writer)))
        if found is not None:
            rules, order = writer.rules([found.name]), writer.context_features()
            writer.delete_setting(found.name)
            writer.record_all(logged_change.delete_setting(found, rules, order))
        return found


@dataclass(frozen=True)
class BringRuleBack:
    """The return of one of the rules whose deletions the log has, if there are any."""

    index: int

    def __call__(self, writer: Writer) -> object:
        changes = [change for entry in writer.history() for change in entry.changes]
        gone = [change for change in changes if change.kind == "rule" and "feature_values" in (change.before or {})]
        if not gone:
            return None
        change = gone[self.index % len(gone)]
        conditions = dict(cast("list[list[str]]", cast("dict[str, JSON]", change.before)["feature_values"]))
        return writer.add_rule(change.setting, conditions, 1, {}, int(change.key))


@dataclass(frozen=True)
class BringSettingBack:
    """The return of one of the settings whose deletions the log has, if there are any."""

    index: int

    def __call__(self, writer: Writer) -> object:
        changes = [change for entry in writer.history() for change in entry.changes]
        gone = [change for change in changes if change.kind == "setting" and "name" in (change.before or {})]
        if not gone:
            return None
        change = gone[self.index % len(gone)]
        return writer.add_setting(setting_from_json(cast("dict[str, JSON]", change.before)), change.subject)


@dataclass(frozen=True)
class Load:
    """Loading two settings and a rule, after all that there was has been deleted, or not."""

    deleted: int
    next_rule_id: int

    def __call__(self, writer: Writer) -> object:
        for setting in writer.settings()[self.deleted :] if self.deleted < 2 else writer.settings():
            writer.delete_setting(setting.name)
            writer.record(LoggedChange("delete", "setting", setting.name, {}, None))
        writer.set_context_features(FEATURES)
        settings = [SettingRecord(name, "int", 1, frozenset("x"), "1.0") for name in ("a", "b")]
        rule = RuleRecord(self.next_rule_id - 1, "b", {"x": "1"}, [1.0], {"by": "load"})
        writer.load(settings, [rule], self.next_rule_id)
        return [writer.record(LoggedChange("load", "setting", name, None, {})) for name in ("a", "b")]


@dataclass(frozen=True)
class HistoryOf:
    """A page of the history of a setting or a rule."""

    limit: int
    setting: Pick | str | None = None
    rule: Pick | int | None = None

    def __call__(self, reader: Reader) -> object:
        setting = self.setting(reader) if isinstance(self.setting, Pick) else self.setting
        rule_id = self.rule(reader) if isinstance(self.rule, Pick) else self.rule
        newest = reader.history(limit=self.limit, setting=cast("str", setting), rule_id=cast("int", rule_id))
        older = reader.history(
            newest[-1].revision if newest else None,
            max_changes=self.limit,
            setting=cast("str", setting),
            rule_id=cast("int", rule_id),
        )
        return newest, older


Step = (
    Call
    | ChangeValue
    | Rename
    | DeleteRule
    | DeleteSetting
    | BringRuleBack
    | BringSettingBack
    | Load
    | HistoryOf
    | Fail
)


def calls(method: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    """Draw calls of one method."""
    return st.tuples(*arguments).map(lambda drawn: Call(method, drawn))


NAMES = ("a", "b", "B", "a.b", "a_b", "0")
FEATURES = ("x", "y", "z")

times = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is drawn
    datetime(3000, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
    # In zones that have each time once, this means nothing, and equal times would have two texts.
).map(lambda at: at.replace(fold=0))

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
tokens = st.builds(
    TokenRecord,
    name=st.sampled_from(NAMES),
    digest=st.sampled_from(["1", "2", "3", "4"]),
    grants=st.lists(st.text(max_size=2), max_size=2).map(tuple),
    creator=st.text(),
    created_at=times,
    expires_at=st.none() | times,
    last_used_at=st.none() | times,
    revision=st.integers(),
)
persons = st.builds(
    PersonRecord,
    name=st.sampled_from(NAMES),
    grants=st.lists(st.text(max_size=2), max_size=2).map(tuple),
    password_hash=st.none() | st.text(max_size=2),
    issuer=st.none() | st.sampled_from(["i", "j"]),
    subject=st.none() | st.sampled_from(["s", "t"]),
    epoch=st.integers(0, 9),
    revision=st.integers(),
)
webhooks = st.builds(
    WebhookRecord,
    name=st.sampled_from(NAMES),
    url=st.text(max_size=2),
    secret=st.text(max_size=2),
    prefixes=st.lists(st.text(max_size=2), max_size=2).map(tuple),
    format=st.sampled_from(["standard", "slack"]),
    creator=st.text(),
    created_at=times,
    off_reason=st.none() | st.text(max_size=2),
    revision=st.integers(),
)
deliveries = st.builds(
    DeliveryRecord,
    webhook=st.sampled_from(NAMES) | st.text(max_size=2),
    told=st.builds(RevisionId, st.integers(0, 9), st.sampled_from(["", "0123456789ab"])),
    failures=st.integers(0, 9),
    failing_since=st.none() | times,
    next_attempt_at=st.none() | times,
    attempted_at=st.none() | times,
    problem=st.text(max_size=2),
)
leases = st.builds(LeaseRecord, st.sampled_from(["a", "b"]), st.sampled_from(["", "c", "d"]), st.integers(0, 9))
uses = st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=2), st.builds(SettingUse, times, st.text(max_size=2)), max_size=3
)
clients = st.builds(
    ClientRecord,
    name=st.sampled_from(["a", "b", ""]) | st.text(max_size=2),
    version=st.none() | st.just("1"),
    instance=st.none() | st.just("x"),
    user_agent=st.just("a/1"),
    seen_at=times,
    revision=st.integers(0, 9),
)
notes = st.one_of(
    calls("note_uses", uses, st.lists(clients, max_size=3), times),
    calls("forget_count"),
    calls("counted_since"),
    calls("setting_uses", st.none() | st.lists(st.sampled_from(NAMES) | st.text(max_size=2))),
    calls("clients"),
    calls("put_delivery", deliveries),
    calls("put_lease", leases),
    calls("find_lease", st.sampled_from(["a", "b"])),
    calls("webhooks"),
    calls("deliveries"),
)
rules_to_add = calls("add_rule", names, conditions, values, metadata, st.none() | st.none() | st.integers(-1, 5))
fields = st.none() | st.dictionaries(st.text(max_size=2), json_values(), max_size=2)
changes = st.builds(
    LoggedChange,
    st.text(),
    st.sampled_from(["setting", "setting", "rule", "context_features", "token", "note"]),
    st.text(alphabet="ab12"),
    fields,
    fields,
    st.sampled_from(["", *NAMES]),
)
expectations = st.tuples(
    st.sampled_from(["setting", "rule", "context_features", "token", "person", "webhook", "note"]),
    st.sampled_from([*NAMES, "1", "2"]),
    st.none() | st.lists(st.integers(0, 10), max_size=5),
)
origins = st.builds(Origin, st.text(), st.text(), st.sampled_from(get_args(ActorKind)))

selections = st.builds(
    Selection,
    st.integers(-1, 10),
    st.none() | st.sampled_from([*NAMES, "old_a"]),
    st.none() | st.none() | st.integers(-1, 9),
    st.none() | st.none() | st.text(max_size=1),
    st.none() | st.lists(st.sampled_from(["setting", "rule", "token", "\0"]), max_size=2),
    st.none() | st.none() | st.lists(st.integers(-1, 5), max_size=2),
)
some_bytes = st.none() | st.integers(0, 60)

questions = st.one_of(
    calls("find_setting", st.text(max_size=2) | names),
    calls("rules", st.none() | st.lists(st.sampled_from(NAMES), max_size=3)),
    calls("find_rule", st.integers() | rule_ids),
    calls("find_rule_by_conditions", names, conditions),
    calls("log", st.integers(-1, 10), st.integers(-1, 3), st.integers(-1, 3)),
    calls("history", st.none() | st.integers(-1, 10), st.integers(-1, 3), st.integers(-1, 3)),
    calls("changes", st.integers(-1, 10), st.integers(-1, 3), st.integers(-1, 3), some_bytes),
    st.builds(HistoryOf, st.integers(1, 3), setting=settings_there | st.sampled_from([*NAMES, "unknown", "old_a"])),
    st.builds(HistoryOf, st.integers(1, 3), rule=rules_there | st.integers(-1, 9)),
    calls("select", selections, st.none() | st.integers(-1, 10), st.integers(-1, 3), st.integers(-1, 3), some_bytes),
    calls("changed_subjects", *[st.integers(-1, 10)] * 2, st.integers(-1, 3), st.integers(-1, 5)),
    calls("find_conditions", st.lists(st.integers(-1, 9), max_size=3)),
    calls("features_revision"),
    calls("access"),
    calls("last_change", st.integers(-1, 10)),
    calls("forgotten_deletion", st.sampled_from(["setting", "rule", "token"]), st.sampled_from([*NAMES, "1", "2"])),
)
steps: st.SearchStrategy[Step] = st.one_of(
    calls("set_context_features", st.permutations([*FEATURES, "w"])),
    calls("set_context_features", st.lists(st.sampled_from(FEATURES), max_size=4)),
    calls("add_setting", records),
    calls("add_setting", records, st.integers(0, 10)),
    calls("replace_setting", names, records),
    calls("delete_setting", names),
    rules_to_add,
    calls("delete_rule", rule_ids),
    calls("put_token", tokens),
    calls("remove_token", st.sampled_from(NAMES)),
    calls("put_person", persons),
    calls("remove_person", st.sampled_from(NAMES)),
    calls("set_signing_key", st.text(max_size=2)),
    calls("put_webhook", webhooks),
    calls("remove_webhook", st.sampled_from(NAMES)),
    notes,
    calls("record", changes),
    calls("record_all", st.lists(changes, max_size=3)),
    st.builds(DeleteRule, rules_there),
    st.builds(DeleteSetting, settings_there),
    st.builds(BringRuleBack, st.integers(0, 5)),
    st.builds(BringSettingBack, st.integers(0, 5)),
    st.builds(Load, st.integers(0, 5), st.integers(0, 20)),
    st.builds(ChangeValue, rules_there, values),
    st.builds(Rename, settings_there, st.sampled_from(NAMES)),
    st.builds(Fail),
    questions,
)


class StorageMachine(RuleBasedStateMachine):
    """Both storages, and what can be done to them."""

    def __init__(self) -> None:
        super().__init__()
        # Many values are long, then.
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(log_text, "MAX_INLINE_BYTES", 6)
        self.directory = tempfile.TemporaryDirectory()
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.oracle: Storage = MemoryStorage(self.now, self.stamp)
        self.tested: Storage = self.connect()
        self.oracle.open()
        self.tested.open()

    def teardown(self) -> None:
        self.tested.close()
        self.directory.cleanup()
        self.patch.undo()

    def connect(self) -> Storage:
        """Make the storage that is tested anew, as after a restart."""
        return SqlStorage(str(Path(self.directory.name) / "heksher.db"), self.now, self.stamp)

    def now(self) -> datetime:
        """Return a time that is the same for both."""
        return self.time

    def stamp(self) -> str:
        """Return a stamp that is the same for both."""
        return f"{int(self.time.timestamp()):012x}"

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

    @rule(expected=expectations, step=steps)
    def expect(self, expected: tuple[str, str, list[int] | None], step: Step) -> None:
        """Do one thing if an object is as it is expected."""
        kind, key, revisions = expected
        known = Expectation(kind, key, None) if revisions is None else expect(self.oracle, kind, key, *revisions)

        def work(writer: Writer) -> object:
            return step(writer), writer.record(SOME_CHANGE)

        self.compare(lambda storage: storage.write(work, NOBODY, known))

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

    @rule(age_s=st.integers(0, 20))
    def prune(self, age_s: int) -> None:
        """Remove the entries that are older than so many seconds."""
        self.compare(lambda storage: storage.prune(self.time - timedelta(seconds=age_s)))

    @rule(uses=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=2), times, max_size=3))
    def note_token_uses(self, uses: dict[str, datetime]) -> None:
        """Note that tokens were used."""
        self.compare(lambda storage: storage.note_token_uses(uses))

    @rule(several=st.lists(notes, max_size=3))
    def note(self, several: list[Call]) -> None:
        """Note several things that are no changes."""
        self.compare(lambda storage: storage.note(lambda notes: [step(notes) for step in several]))

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
        self.compare(see_last_changes)
        self.compare(see_access)
        self.compare(see_webhooks)
        self.compare(see_usage)


def attempt(act: Callable[[Storage], object], storage: Storage) -> object:
    """Return what a call returned, or the class of the error that it raised."""
    try:
        return distinguish(act(storage))
    except (StorageError, OurError) as error:
        return type(error)


def distinguish(value: object) -> object:
    """Return something that is equal only for values of one type: to Python, ``1 == 1.0 == True``."""
    if is_dataclass(value):
        return [distinguish(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, list | tuple):
        return [type(value), *map(distinguish, value)]
    if isinstance(value, dict):
        return {key: distinguish(inner) for key, inner in value.items()}
    # repr tells 0.0 from -0.0, but a set has no order.
    return value if isinstance(value, frozenset) else repr(value)


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(stateful_step_count=15)
