"""What every storage keeps, and what it answers. The guarantees for units of work are in ``test_storage_units``."""

from collections.abc import Callable

import pytest

from heksher.server.storage.base import LoggedChange, RuleRecord, SettingRecord, Storage, Writer
from heksher.server.storage.storage_errors import ContractError
from heksher.value_type import JSON
from tests.support.storages import SOME_CHANGE, Place, a_setting, see_everything, store

FEATURES = ("environment", "user", "theme")
NAN = float("nan")


@pytest.fixture
def filled(storage: Storage) -> Storage:
    """A storage with context features and two settings, of which the first has an alias and two rules."""

    def fill(writer: Writer) -> None:
        writer.set_context_features(FEATURES)
        writer.add_setting(a_setting("cache_ttl", ("environment", "user"), aliases=("ttl",)))
        writer.add_setting(a_setting("background", ("theme",)))
        writer.add_rule("cache_ttl", {"user": "guest"}, 10, {"by": "test"})
        writer.add_rule("cache_ttl", {"environment": "dev", "user": "guest"}, 5, {})

    store(storage, fill)
    return storage


def test_is_empty_at_first(storage: Storage) -> None:
    """A new storage holds nothing, at revision 0."""
    assert see_everything(storage) == (0, (), [], [], 0, [])


def test_keeps_the_order_of_features(storage: Storage) -> None:
    """Context features are listed in the order in which they were set."""
    store(storage, lambda writer: writer.set_context_features(["b", "a", "c"]))
    assert storage.read(lambda reader: reader.context_features()) == ("b", "a", "c")


@pytest.mark.parametrize(
    "features",
    [
        ("theme", "user", "environment"),
        ("x", "environment", "user", "y", "theme", "z"),
        ("user", "theme", "environment", "x"),
    ],
)
def test_changes_features(filled: Storage, features: tuple[str, ...]) -> None:
    """The list of context features can be reordered and added to, in any way at once."""
    store(filled, lambda writer: writer.set_context_features(features))
    assert filled.read(lambda reader: reader.context_features()) == features


def test_drops_unused_features(storage: Storage) -> None:
    """Features that no setting is configurable by can be taken from the list."""
    store(storage, lambda writer: writer.set_context_features(FEATURES))
    store(storage, lambda writer: writer.set_context_features(["theme"]))
    assert storage.read(lambda reader: reader.context_features()) == ("theme",)
    store(storage, lambda writer: writer.set_context_features([]))
    assert storage.read(lambda reader: reader.context_features()) == ()


def test_keeps_every_attribute_of_a_setting(storage: Storage) -> None:
    """A setting is found as it was added."""
    setting = SettingRecord(
        name="frontend.theme",
        type='Enum["a","b"]',
        default_value="a",
        configurable_features=frozenset({"user", "theme"}),
        version="1.12",
        metadata={"owner": ["x", {"y": None}]},
        aliases=frozenset({"theme", "old.theme"}),
    )
    store(storage, lambda writer: writer.set_context_features(FEATURES), lambda writer: writer.add_setting(setting))
    assert storage.read(lambda reader: reader.find_setting("frontend.theme")) == setting
    assert storage.read(lambda reader: reader.settings()) == [setting]


@pytest.mark.parametrize(
    ("name", "found"),
    [("cache_ttl", "cache_ttl"), ("ttl", "cache_ttl"), ("TTL", None), ("cache", None), ("", None)],
)
def test_finds_settings_by_any_name(filled: Storage, name: str, found: str | None) -> None:
    """A setting is found by its name and by each alias, written exactly so."""
    setting = filled.read(lambda reader: reader.find_setting(name))
    assert (setting and setting.name) == found


def test_finds_several_settings_at_once(filled: Storage) -> None:
    """Those that are there are found by the name or alias that was asked for, complete, among any number of others."""
    others = [*(f"other_{number}" for number in range(3000)), "", "TTL", "\0", "x\ud800"]
    setting = filled.read(lambda reader: reader.find_setting("cache_ttl"))
    assert [{"cache_ttl": setting, "ttl": setting}, {"ttl": setting}, {}, {}] == [
        filled.read(lambda reader, names=names: reader.find_settings(names))
        for names in (["cache_ttl", "ttl", *others], {"ttl"}, others, [])
    ]


@pytest.mark.parametrize("name", ["\0", "cache_ttl\0", "\ud800", "cache_ttl\udfff", "é", "x" * 100_000, "%", "ttl'"])
def test_finds_nothing_by_impossible_names(filled: Storage, name: str) -> None:
    """A name that no database could hold is nobody's name, and no error."""
    assert filled.read(lambda reader: reader.find_setting(name)) is None
    assert filled.read(lambda reader: reader.rules([name])) == []
    assert filled.read(lambda reader: reader.find_rule_by_conditions(name, {"user": "guest"})) is None
    assert filled.read(lambda reader: reader.find_rule_by_conditions("cache_ttl", {"user": name})) is None


def test_sorts_settings_by_bytes(storage: Storage) -> None:
    """Settings are listed by the bytes of their names, whatever the language of the database."""
    names = ["a.b", "Z", "a_b", "B", "a", "ab", "_", "0", "a0"]

    def fill(writer: Writer) -> None:
        for name in names:
            writer.add_setting(a_setting(name, ()))

    store(storage, fill)
    assert storage.read(lambda reader: [setting.name for setting in reader.settings()]) == sorted(names)


def test_keeps_long_texts(storage: Storage) -> None:
    """Names, values of conditions and metadata may be long."""
    name, value = "n" * 1000, "v" * 10_000
    store(storage, lambda writer: writer.set_context_features([name]))
    store(storage, lambda writer: writer.add_setting(a_setting(name, [name], aliases=["a" * 1000])))
    rule = store(storage, lambda writer: writer.add_rule(name, {name: value}, 1, {"key": value})).result[0]
    assert rule == RuleRecord(1, name, {name: value}, 1, {"key": value})
    assert storage.read(lambda reader: reader.find_rule_by_conditions(name, {name: value})) == rule


def test_renaming_keeps_rules(filled: Storage) -> None:
    """A setting that gets another name keeps its rules; the old name becomes an alias if it is given as one."""
    renamed = a_setting("lifetime", ("environment", "user"), aliases=("cache_ttl", "ttl"))
    store(filled, lambda writer: writer.replace_setting("cache_ttl", renamed))
    names = ("lifetime", "cache_ttl", "ttl")
    assert filled.read(lambda reader: [reader.find_setting(name) for name in names]) == [renamed] * 3
    assert filled.read(lambda reader: [rule.setting for rule in reader.rules()]) == ["lifetime", "lifetime"]
    assert filled.read(lambda reader: len(reader.rules(["lifetime"]))) == 2
    assert filled.read(lambda reader: reader.rules(["cache_ttl"])) == []
    assert filled.read(lambda reader: reader.find_rule_by_conditions("lifetime", {"user": "guest"})) is not None
    assert filled.read(lambda reader: reader.find_rule_by_conditions("cache_ttl", {"user": "guest"})) is None


def test_swaps_name_and_alias(filled: Storage) -> None:
    """A setting can be renamed back to its own alias."""
    swapped = a_setting("ttl", ("environment", "user"), aliases=("cache_ttl",))
    store(filled, lambda writer: writer.replace_setting("cache_ttl", swapped))
    assert filled.read(lambda reader: reader.find_setting("cache_ttl")) == swapped
    assert filled.read(lambda reader: [rule.rule_id for rule in reader.rules(["ttl"])]) == [1, 2]


def test_replaces_every_attribute_of_a_setting(filled: Storage) -> None:
    """A setting is found as it was replaced; a name that it gave up is free."""
    replaced = SettingRecord("cache_ttl", "Sequence<int>", [1], frozenset({"theme"}), "2.0", {"a": 1})
    store(filled, lambda writer: writer.replace_setting("cache_ttl", replaced))
    assert filled.read(lambda reader: reader.find_setting("cache_ttl")) == replaced
    store(filled, lambda writer: writer.add_setting(a_setting("ttl")))
    assert filled.read(lambda reader: len(reader.settings())) == 3


def test_deletes_a_setting_with_its_rules(filled: Storage) -> None:
    """With a setting go its rules and all of its names; nothing else goes."""
    store(filled, lambda writer: writer.delete_setting("cache_ttl"))
    assert filled.read(lambda reader: reader.find_setting("ttl")) is None
    assert filled.read(lambda reader: reader.settings()) == [a_setting("background", ("theme",))]
    assert filled.read(lambda reader: reader.rules()) == []
    store(filled, lambda writer: writer.add_setting(a_setting("ttl", aliases=("cache_ttl",))))
    assert filled.read(lambda reader: reader.rules(["ttl"])) == []


def test_gives_a_rule_as_stored(filled: Storage) -> None:
    """Adding a rule gives it with its id, and so it is found by id and by its conditions in any order."""
    conditions = {"user": "admin", "environment": "dev"}
    rule = store(filled, lambda writer: writer.add_rule("cache_ttl", conditions, [1], {"k": 1})).result[0]
    assert rule == RuleRecord(3, "cache_ttl", conditions, [1], {"k": 1})
    assert filled.read(lambda reader: reader.find_rule(3)) == rule
    by_conditions = {"environment": "dev", "user": "admin"}
    assert filled.read(lambda reader: reader.find_rule_by_conditions("cache_ttl", by_conditions)) == rule


def test_finds_rules_by_exactly_their_conditions(filled: Storage) -> None:
    """A rule is not found by some of its conditions, by more of them, or at another setting."""
    searches: list[tuple[str, dict[str, str]]] = [
        ("cache_ttl", {"environment": "dev"}),
        ("cache_ttl", {"user": "guest", "theme": "dark"}),
        ("cache_ttl", {}),
        ("background", {"user": "guest"}),
        ("ttl", {"user": "guest"}),
    ]
    found = filled.read(lambda reader: [reader.find_rule_by_conditions(*search) for search in searches])
    assert found == [None] * len(searches)


def test_lists_rules_of_settings(filled: Storage) -> None:
    """Rules are listed by ascending id, of all settings or of those that are named; unknown names have none."""
    store(filled, lambda writer: writer.add_rule("background", {"theme": "dark"}, 1, {}))
    store(filled, lambda writer: writer.add_rule("cache_ttl", {"user": "admin"}, 1, {}))
    expected: list[tuple[list[str] | None, list[int]]] = [
        (None, [1, 2, 3, 4]),
        (["cache_ttl"], [1, 2, 4]),
        (["background", "cache_ttl", "background"], [1, 2, 3, 4]),
        (["unknown", "background"], [3]),
        ([], []),
    ]
    listed = filled.read(
        lambda reader: [(names, [rule.rule_id for rule in reader.rules(names)]) for names, _ in expected]
    )
    assert listed == expected


@pytest.mark.trap(42)
def test_takes_any_number_of_names(filled: Storage) -> None:
    """More settings than a database takes parameters can be named at once."""
    names = [*(f"unknown{number}" for number in range(70_000)), "cache_ttl"]
    assert filled.read(lambda reader: [rule.rule_id for rule in reader.rules(names)]) == [1, 2]


@pytest.mark.parametrize("rule_id", [0, -1, 3, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**100])
def test_finds_no_rule_by_a_foreign_number(filled: Storage, rule_id: int) -> None:
    """Any whole number may be asked for as an id."""
    assert filled.read(lambda reader: reader.find_rule(rule_id)) is None


def test_replaces_value_and_metadata_of_a_rule(filled: Storage) -> None:
    """A rule is found as it was replaced; other rules stay as they are."""
    replaced = RuleRecord(1, "cache_ttl", {"user": "guest"}, 11, {"new": True})
    other = filled.read(lambda reader: reader.find_rule(2))
    store(filled, lambda writer: writer.replace_rule(replaced))
    assert filled.read(lambda reader: reader.rules()) == [replaced, other]


def test_deletes_a_rule(filled: Storage) -> None:
    """A deleted rule is gone, and its conditions are free again."""
    store(filled, lambda writer: writer.delete_rule(1))
    assert filled.read(lambda reader: [rule.rule_id for rule in reader.rules()]) == [2]
    assert filled.read(lambda reader: reader.find_rule(1)) is None
    store(filled, lambda writer: writer.add_rule("cache_ttl", {"user": "guest"}, 1, {}))
    assert filled.read(lambda reader: [rule.rule_id for rule in reader.rules()]) == [2, 3]


def test_never_gives_a_rule_id_twice(place: Place, filled: Storage) -> None:
    """The id of a deleted rule is not given again, not even after a restart, or if it went with its setting."""
    store(filled, lambda writer: writer.delete_rule(2))
    filled.close()
    reopened = place.connect()
    reopened.open()
    rule = store(reopened, lambda writer: writer.add_rule("cache_ttl", {"user": "new"}, 1, {})).result[0]
    assert rule.rule_id == 3
    store(reopened, lambda writer: writer.delete_setting("cache_ttl"))
    rule = store(reopened, lambda writer: writer.add_rule("background", {"theme": "new"}, 1, {})).result[0]
    assert rule.rule_id == 4
    reopened.close()


VIOLATIONS: dict[str, Callable[[Writer], object]] = {
    "a feature twice": lambda writer: writer.set_context_features([*FEATURES, "user"]),
    "a feature in use is missing": lambda writer: writer.set_context_features(["environment", "user"]),
    "a name that is a name": lambda writer: writer.add_setting(a_setting("background")),
    "a name that is an alias": lambda writer: writer.add_setting(a_setting("ttl")),
    "an alias that is a name": lambda writer: writer.add_setting(a_setting("new", aliases=("background",))),
    "an alias that is an alias": lambda writer: writer.add_setting(a_setting("new", aliases=("ttl",))),
    "an alias that is the own name": lambda writer: writer.add_setting(a_setting("new", aliases=("new",))),
    "an unknown feature": lambda writer: writer.add_setting(a_setting("new", ("unknown",))),
    "a default that is no JSON": lambda writer: writer.add_setting(a_setting("new", default_value=float("nan"))),
    "to a name that is a name": lambda writer: writer.replace_setting("cache_ttl", a_setting("background")),
    "to a name that is an alias": lambda writer: writer.replace_setting("background", a_setting("ttl")),
    "to an unknown feature": lambda writer: writer.replace_setting("background", a_setting("background", ("x",))),
    "replace no setting": lambda writer: writer.replace_setting("unknown", a_setting("unknown")),
    "replace by alias": lambda writer: writer.replace_setting("ttl", a_setting("ttl")),
    "delete no setting": lambda writer: writer.delete_setting("unknown"),
    "delete by alias": lambda writer: writer.delete_setting("ttl"),
    "the same conditions": lambda writer: writer.add_rule("cache_ttl", {"user": "guest", "environment": "dev"}, 1, {}),
    "a rule of no setting": lambda writer: writer.add_rule("unknown", {"user": "x"}, 1, {}),
    "a rule by alias": lambda writer: writer.add_rule("ttl", {"user": "x"}, 1, {}),
    "a value that is no JSON": lambda writer: writer.add_rule("cache_ttl", {"user": "x"}, float("inf"), {}),
    "replace no rule": lambda writer: writer.replace_rule(RuleRecord(9, "cache_ttl", {"user": "guest"}, 1)),
    "move a rule": lambda writer: writer.replace_rule(RuleRecord(1, "background", {"user": "guest"}, 1)),
    "change conditions": lambda writer: writer.replace_rule(RuleRecord(1, "cache_ttl", {"user": "x"}, 1)),
    "delete no rule": lambda writer: writer.delete_rule(9),
    "a change that is no JSON": lambda writer: writer.record(LoggedChange("a", "rule", "1", None, {"value": NAN})),
    "the id of no rule": lambda writer: writer.add_rule("cache_ttl", {"user": "x"}, 1, {}, rule_id=9),
    "the id of a rule": lambda writer: writer.add_rule("cache_ttl", {"user": "x"}, 1, {}, rule_id=1),
    "load an id beyond the next": lambda writer: writer.load([], [RuleRecord(12, "cache_ttl", {"user": "x"}, 1)], 12),
}


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_refuses_what_would_corrupt(filled: Storage, violation: Callable[[Writer], object]) -> None:
    """A change that breaks the contract is an error, and nothing of its unit of work is stored.

    Nothing is stored either if the work goes on as if there had been no error.
    """
    before = see_everything(filled)
    with pytest.raises(ContractError):
        filled.write(lambda writer: (writer.record(SOME_CHANGE), writer.delete_rule(1), violation(writer)))
    assert see_everything(filled) == before

    def swallow(writer: Writer) -> None:
        writer.record(SOME_CHANGE)
        with pytest.raises(ContractError):
            violation(writer)

    with pytest.raises(ContractError, match="nothing was stored"):
        filled.write(swallow)
    assert see_everything(filled) == before


VALUES: list[JSON] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -0.0,
    1.5,
    1e308,
    5e-324,
    2**53 + 1,
    2**64,
    -(10**300),
    "",
    "a\0b",
    "\ud800",
    "\u2028é😀'\"\\",
    [],
    {},
    [[], {}, None],
    {"": 0, "a\0": "\0", "é": [1, 1.0, True, None]},
    {"b": {"a": [{"c": [[[1]]]}]}, "a": 2},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_keeps_any_json_value(filled: Storage, value: JSON) -> None:
    """A JSON value comes back as it was given, wherever it stands: 1 stays an int, 1.0 a float, null a value."""
    change = LoggedChange("change", "rule", "3", {"value": value}, {"": value})
    metadata = {"key": value}

    def add(writer: Writer) -> RuleRecord:
        setting = SettingRecord("any", "any", value, frozenset({"user"}), "1.0", metadata)
        writer.add_setting(setting)
        return writer.add_rule("any", {"user": "x"}, value, metadata)

    added = store(filled, add, change=change).result[0]
    rule = filled.read(lambda reader: reader.find_rule(3))
    setting = filled.read(lambda reader: reader.find_setting("any"))
    entry = filled.read(lambda reader: reader.log()[-1])
    assert rule is not None
    assert setting is not None
    assert entry.change.before is not None
    for stored in (added.value, rule.value, setting.default_value, entry.change.before["value"]):
        # repr, because 1 == 1.0 == True, and 0.0 == -0.0.
        assert repr(stored) == repr(value)
    for metadata_stored in (added.metadata, rule.metadata, setting.metadata):
        assert repr(metadata_stored) == repr(metadata)
    assert entry.change == change


def test_shares_no_value_with_callers(filled: Storage) -> None:
    """What a caller does to a value that it gave, or was given, changes nothing that is stored."""
    value: list[JSON] = [1]
    metadata: dict[str, JSON] = {"a": [1]}
    conditions = {"user": "x"}
    added = store(filled, lambda writer: writer.add_rule("cache_ttl", conditions, value, metadata)).result[0]
    before = see_everything(filled)
    value.append(2)
    metadata.clear()
    conditions.clear()
    read = filled.read(lambda reader: reader.find_rule(3))
    for rule in (added, read):
        assert rule is not None
        assert isinstance(rule.value, list)
        assert isinstance(rule.metadata, dict)
        rule.value.append(3)
        rule.metadata.clear()
    assert see_everything(filled) == before
