"""Loading everything at once, and expectations of a write, of every storage."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from heksher.revision_id import RevisionId
from heksher.server.errors import NotAcceptableError
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.logged_change import delete_setting
from heksher.server.storage.base import Expectation, Origin, RuleRecord, Storage, Writer
from heksher.server.storage.storage_errors import ContractError, ExpectationError
from tests.support.storages import SOME_CHANGE, a_setting, expect, see_everything, store

ORDER = ("user", "theme")
SETTINGS = [a_setting("a", aliases=["old"]), a_setting("b", ORDER, default_value="x" * 5000)]
RULES = [RuleRecord(7, "b", {"theme": "dark"}, 1, {"by": "me"}), RuleRecord(3, "a", {"user": "x"}, [None])]
CONTENTS = Contents(ORDER, SETTINGS, RULES, next_rule_id=10)
SOMEBODY = Origin("ada", "moving in")


def test_everything_is_loaded(storage: Storage) -> None:
    """With its ids, as one entry that has each object as a part; new rules get the ids from the next one on."""
    assert load(storage, CONTENTS, SOMEBODY).revision == 1
    assert storage.read(lambda reader: reader.context_features()) == ORDER
    assert storage.read(lambda reader: reader.settings()) == SETTINGS
    assert storage.read(lambda reader: reader.rules()) == RULES[::-1]
    (entry,) = storage.read(lambda reader: reader.log())
    assert entry.origin == SOMEBODY
    assert [(change.action, change.kind, change.key, change.setting) for change in entry.changes] == [
        ("load", "context_features", "", ""),
        ("load", "setting", "a", ""),
        ("load", "setting", "b", ""),
        ("load", "rule", "7", "b"),
        ("load", "rule", "3", "a"),
    ]
    assert storage.read(lambda reader: [entry.revision for entry in reader.history(setting="old")]) == [1]
    assert storage.read(lambda reader: [each.revision for each in [*reader.settings(), *reader.rules()]]) == [1] * 4
    assert store(storage, lambda writer: writer.add_rule("a", {"user": "y"}, 1, {})).result[0].rule_id == 10


def test_an_empty_service_can_be_loaded(storage: Storage) -> None:
    """Without a single object, features that are there already are no change."""
    store(storage, lambda writer: writer.set_context_features(ORDER))
    load(storage, Contents(ORDER, SETTINGS, [], next_rule_id=5), SOMEBODY)
    assert storage.read(lambda reader: [entry.size for entry in reader.log()]) == [1, 2]
    assert store(storage, lambda writer: writer.add_rule("a", {"user": "y"}, 1, {})).result[0].rule_id == 5


def test_what_is_loaded_after_everything_was_deleted(storage: Storage) -> None:
    """Settings are the same ones again by their names, and ids go on above those that were given."""
    load(storage, CONTENTS, SOMEBODY)

    def delete(writer: Writer) -> None:
        for setting in writer.settings():
            rules = writer.rules([setting.name])
            writer.delete_setting(setting.name)
            writer.record_all(delete_setting(setting, rules, ORDER))

    storage.write(delete)
    with pytest.raises(ContractError, match=r"the ids \[.*\]: they were given before"):
        load(storage, CONTENTS, SOMEBODY)
    moved = [replace(rule, rule_id=rule.rule_id + 10) for rule in RULES]
    load(storage, Contents(ORDER, SETTINGS, moved, next_rule_id=20), SOMEBODY)
    assert storage.read(lambda reader: [entry.revision for entry in reader.history(setting="a")]) == [3, 2, 1]


BROKEN: dict[str, Contents] = {
    "a name twice": replace(CONTENTS, settings=[*SETTINGS, a_setting("old")]),
    "a rule twice": replace(CONTENTS, rules=[*RULES, replace(RULES[0], rule_id=8)]),
    "an id twice": replace(CONTENTS, rules=[*RULES, RuleRecord(3, "a", {"user": "y"}, 1)]),
    "an id that can be none": replace(CONTENTS, rules=[replace(RULES[0], rule_id=0)]),
    "an id above the next": replace(CONTENTS, next_rule_id=7),
    "a next id that can be none": replace(CONTENTS, next_rule_id=2**63),
    "a rule of no setting": replace(CONTENTS, rules=[replace(RULES[0], setting="old")]),
    "a feature that is not there": replace(CONTENTS, features=("user",)),
    "a value that is no JSON": replace(CONTENTS, rules=[replace(RULES[0], value=float("nan"))]),
}


@pytest.mark.parametrize("contents", BROKEN.values(), ids=BROKEN.keys())
def test_either_everything_is_loaded_or_nothing(storage: Storage, contents: Contents) -> None:
    """One object that cannot be stored is enough."""
    with pytest.raises(ContractError):
        load(storage, contents, SOMEBODY)
    assert see_everything(storage) == (0, (), [], [], 0, [])


def test_more_can_be_loaded(storage: Storage) -> None:
    """To settings that are there, too; an id below the highest one is free if the log does not know it."""
    load(storage, CONTENTS, SOMEBODY)
    more = [RuleRecord(5, "a", {"user": "y"}, 1), RuleRecord(12, "c", {"user": "x"}, 1)]

    def work(writer: Writer) -> None:
        writer.load([a_setting("c")], more, 13)
        writer.record(SOME_CHANGE)

    storage.write(work)
    assert storage.read(lambda reader: reader.rules()) == [RULES[1], more[0], RULES[0], more[1]]
    assert store(storage, lambda writer: writer.add_rule("c", {"user": "y"}, 1, {})).result[0].rule_id == 13


def test_ids_go_on_above_the_highest_one(storage: Storage) -> None:
    """Whatever the next one is said to be."""
    load(storage, CONTENTS, SOMEBODY)
    store(storage, lambda writer: writer.load([a_setting("c")], [], 1))
    assert store(storage, lambda writer: writer.add_rule("c", {"user": "y"}, 1, {})).result[0].rule_id == 10


def test_everything_is_loaded_into_an_empty_storage_only(storage: Storage) -> None:
    """One that has settings is refused, and stays as it is."""
    load(storage, CONTENTS, SOMEBODY)
    before = see_everything(storage)
    with pytest.raises(NotAcceptableError, match="there are 2 settings here already"):
        load(storage, Contents(ORDER, [a_setting("c")], [], 10), SOMEBODY)
    assert see_everything(storage) == before


def test_loads_more_than_one_portion(storage: Storage) -> None:
    """Thousands of objects are one entry, too."""
    settings = [a_setting(f"s{number:04}", ORDER) for number in range(1100)]
    rules = [RuleRecord(number + 1, f"s{number:04}", {"user": "x"}, number) for number in range(1100)]
    load(storage, Contents(ORDER, settings, rules, next_rule_id=1101), SOMEBODY)
    assert storage.read(lambda reader: (reader.settings(), reader.rules())) == (settings, rules)
    assert storage.read(lambda reader: [entry.size for entry in reader.log()]) == [2201]
    assert len(storage.read(lambda reader: reader.changes(1, 1000, 10_000))) == 1201


EXPECTATIONS: list[tuple[str, str, list[int], int | None]] = [
    ("setting", "a", [1], 1),
    ("setting", "old", [2], 1),
    ("setting", "old", [2, 1], 1),
    ("setting", "old", [], 1),
    ("setting", "gone", [1], None),
    ("rule", "3", [1], 2),
    ("rule", "3", [2], 2),
    ("rule", "4", [1], None),
    ("rule", "9" * 30, [1], None),
    ("rule", "9" * 5000, [1], None),
    ("rule", "0" * 5000 + "3", [1], 2),
    ("context_features", "", [1], 1),
    ("context_features", "", [2], 1),
]


@pytest.mark.parametrize(("kind", "key", "expected", "present"), EXPECTATIONS)
def test_a_write_can_expect_a_revision(
    storage: Storage, kind: str, key: str, expected: list[int], present: int | None
) -> None:
    """The work is done if the object's last change is an expected one; else the error says which it is, if any."""
    load(storage, CONTENTS, SOMEBODY)
    store(storage, lambda writer: writer.replace_rule(replace(RULES[1], value=2)))
    before = see_everything(storage)
    ran: list[int] = []

    def work(writer: Writer) -> None:
        ran.append(1)
        writer.record(SOME_CHANGE)

    expectation = expect(storage, kind, key, *expected)
    if present in expected:
        assert storage.write(work, SOMEBODY, expectation).revision == 3
        return
    with pytest.raises(ExpectationError) as caught:
        storage.write(work, SOMEBODY, expectation)
    error = caught.value
    tag = None if present is None else storage.read(lambda reader: reader.log(present - 1))[0].revision_id
    assert (error.kind, error.key, error.present) == (kind, key, tag)
    assert (see_everything(storage), ran) == (before, [])


def test_a_write_can_expect_that_an_object_is_there(storage: Storage) -> None:
    """Whatever its last change is."""
    load(storage, CONTENTS, SOMEBODY)
    assert storage.write(lambda writer: writer.record(SOME_CHANGE), SOMEBODY, Expectation("rule", "3", None)).is_change
    with pytest.raises(ExpectationError):
        storage.write(lambda writer: writer.record(SOME_CHANGE), SOMEBODY, Expectation("rule", "4", None))


def test_a_change_of_another_history_is_not_expected(storage: Storage) -> None:
    """It has the same number, and another stamp; one without a stamp is none that an object has."""
    load(storage, CONTENTS, SOMEBODY)
    for stamp in ("0123456789ab", ""):
        expectation = Expectation("rule", "3", frozenset({RevisionId(1, stamp)}))
        with pytest.raises(ExpectationError):
            storage.write(lambda writer: writer.record(SOME_CHANGE), SOMEBODY, expectation)


def test_features_that_nobody_has_changed_can_be_expected(storage: Storage) -> None:
    """They are those of the beginning."""
    written = storage.write(lambda _: None, SOMEBODY, Expectation("context_features", "", frozenset({RevisionId(0)})))
    assert (written.revision, written.is_change) == (0, False)


@pytest.mark.parametrize(
    ("kind", "key"), [("proposal", "1"), ("signing_key", ""), ("rule", "x"), ("rule", "²"), ("rule", "-1")]
)
def test_only_objects_can_be_expected(storage: Storage, kind: str, key: str) -> None:
    """Anything else is a fault of the caller."""
    with pytest.raises(ContractError, match="to be expected"):
        storage.write(lambda writer: writer.record(SOME_CHANGE), SOMEBODY, Expectation(kind, key, frozenset()))


def test_an_expectation_holds_until_the_write_is_stored(storage: Storage) -> None:
    """Of many writes that expect the same, one is stored."""
    load(storage, CONTENTS, SOMEBODY)

    expectation = expect(storage, "rule", "7", 1)

    def set_value(value: int) -> RevisionId | None:
        def work(writer: Writer) -> None:
            writer.replace_rule(replace(RULES[0], value=value))
            writer.record(SOME_CHANGE)

        try:
            storage.write(work, SOMEBODY, expectation)
        except ExpectationError as error:
            return error.present
        return None

    with ThreadPoolExecutor(5) as threads:
        outcomes = list(threads.map(set_value, range(5)))
    assert sorted(outcome.number for outcome in outcomes if outcome) == [2, 2, 2, 2]
    assert None in outcomes
