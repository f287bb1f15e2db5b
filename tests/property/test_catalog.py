"""Whatever is written, a catalog that follows the change log holds what one that is loaded anew holds."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heksher.revision_id import RevisionId
from heksher.server.catalog.answer import Answer
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.picture import Picture, take_picture
from heksher.server.catalog.query import CatalogQuery, build_answer
from heksher.server.catalog.reader import PictureReader
from heksher.server.errors import InvalidInputError, NotFoundError, OperationError
from heksher.server.json_bytes import encode
from heksher.server.operations import context_features, logged_change, metadata, rules, settings
from heksher.server.operations.context_features import Side
from heksher.server.operations.declaration import check_consistency, declare, declare_many
from heksher.server.operations.differences import Declaration
from heksher.server.storage.base import NOBODY, Reader, Storage, Writer, Written
from heksher.server.storage.memory import MemoryStorage
from heksher.value_type import JSON, parse_value_type
from heksher.wire import FeatureFilter
from tests.support.storages import read_revision

FEATURES = ("x", "y", "z")
NAMES = ("a", "b", "B", "c.d")
TYPES = ("float", "Mapping<float>")
# Those of one type are equal to Python, or nearly, and written differently.
VALUES: tuple[JSON, ...] = (0, 0.0, -0.0, 1, 1.0, {"k": 1, "l": 2}, {"l": 2, "k": 1}, {"k": 1.0, "l": 2})
MAX_CACHE_BYTES = 1_000_000

names = st.sampled_from(NAMES)
features = st.sampled_from(FEATURES)
values = st.sampled_from(VALUES)
some_metadata = st.dictionaries(st.sampled_from("kl"), st.sampled_from([1, 1.0, "m"]), max_size=2)
conditions = st.dictionaries(features, st.sampled_from("01"), min_size=1, max_size=2)
# Rules and settings are chosen among those that there are.
numbers = st.integers(0, 9)
edits = some_metadata.map(metadata.merge) | some_metadata.map(metadata.overwrite)
filters: st.SearchStrategy[Mapping[str, FeatureFilter] | None] = st.none() | st.dictionaries(
    features, st.none() | st.frozensets(st.sampled_from("01"), max_size=2), max_size=3
)
queries = st.builds(
    CatalogQuery,
    names=st.none() | st.lists(names, max_size=2, unique=True).map(tuple),
    filters=filters,
    include_metadata=st.booleans(),
    include_aliases=st.booleans(),
)


class CatalogMachine(RuleBasedStateMachine):
    """A storage that is written to, and a catalog that follows now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.storage: Storage = MemoryStorage()
        self.storage.open()
        self.catalog = Catalog(self.storage, MAX_CACHE_BYTES)
        self.asked: list[CatalogQuery] = []
        # What each query was answered with, by revision.
        self.history: dict[int, list[bytes | None]] = {}

    @initialize(several=st.lists(queries, min_size=8, max_size=8))
    def begin(self, several: list[CatalogQuery]) -> None:
        """Begin with some of everything, and with the queries that are asked all the time."""
        for feature in FEATURES:
            context_features.add_feature(self.storage, feature, NOBODY)
        for name, kind, default in (("a", "float", 0), ("b", "Mapping<float>", {"k": 1, "l": 2})):
            declaration = Declaration(name, frozenset("xyz"), parse_value_type(kind), default, "1.0", {}, None)
            declare(self.storage, declaration, NOBODY)
        for value in "01":
            rules.add(self.storage, "a", {"x": value}, 1, {}, NOBODY)
            rules.add(self.storage, "a", {"y": value, "x": "0"}, 1, {}, NOBODY)
            rules.add(self.storage, "b", {"z": value}, {"k": 1}, {}, NOBODY)
        self.catalog.load()
        # The first two are those that clients ask most.
        self.asked = [CatalogQuery(), CatalogQuery(("a", "b"), {"x": None}), *several]
        self.remember()

    @rule(name=names, alias=st.none() | names, kind=st.sampled_from(TYPES), default=values,
          chosen=st.frozensets(features, min_size=2), is_major=st.booleans())  # fmt: skip
    def declare(
        self, name: str, alias: str | None, kind: str, default: JSON, chosen: frozenset[str], is_major: bool
    ) -> None:
        """Declare a new setting or another version of one, perhaps under another name."""
        version = self.next_version(name if alias is None else alias, is_major=is_major)
        declaration = Declaration(name, chosen, parse_value_type(kind), default, version, {}, alias)
        self.write(lambda: declare(self.storage, declaration, NOBODY))

    @rule(several=st.lists(st.tuples(names, st.none() | names, st.sampled_from(TYPES), values), min_size=2, max_size=5))
    def declare_at_once(self, several: list[tuple[str, str | None, str, JSON]]) -> None:
        """Declare several settings in one entry, some of them perhaps more than once, or under another name."""
        declarations = []
        for position, (name, alias, kind, default) in enumerate(several):
            major = int(self.next_version(name if alias is None else alias, is_major=True).split(".")[0])
            # Later declarations of one setting are of later versions; those of a new one must be the first.
            version = f"{major + position}.0" if major > 1 else "1.0"
            declaration = Declaration(name, frozenset("xyz"), parse_value_type(kind), default, version, {}, alias)
            with suppress(InvalidInputError):
                check_consistency(declaration)
                declarations.append(declaration)
        self.write(lambda: declare_many(self.storage, declarations, NOBODY))

    @rule(name=st.sampled_from("ab"), default=values)
    def change_default(self, name: str, default: JSON) -> None:
        """Declare another version of a setting, with nothing but another default value."""
        stored = self.storage.read(lambda reader: reader.find_setting(name))
        if stored is not None:
            version, value_type = self.next_version(name), parse_value_type(stored.type)
            declaration = Declaration(
                stored.name, stored.configurable_features, value_type, default, version, stored.metadata, None
            )
            self.write(lambda: declare(self.storage, declaration, NOBODY))

    @rule(name=names, new_name=names)
    def rename(self, name: str, new_name: str) -> None:
        """Rename a setting."""
        self.write(lambda: settings.rename(self.storage, name, new_name, self.next_version(name), NOBODY))

    @rule(name=names, chosen=st.frozensets(features, min_size=1), edit=edits)
    def change_setting(self, name: str, chosen: frozenset[str], edit: metadata.Edit) -> None:
        """Change what no answer shows."""
        storage = self.storage
        self.write(
            lambda: settings.set_configurable_features(
                storage, name, chosen, self.next_version(name, is_major=True), NOBODY
            )
        )
        self.write(lambda: metadata.edit_of_setting(storage, name, edit, self.next_version(name), NOBODY))

    @rule(name=names)
    def delete_setting(self, name: str) -> None:
        """Delete a setting with its rules."""
        self.write(lambda: settings.delete(self.storage, name, NOBODY))

    @rule(name=names, wanted=conditions, value=values, given=some_metadata)
    def add_rule(self, name: str, wanted: dict[str, str], value: JSON, given: metadata.Metadata) -> None:
        """Add a rule."""
        self.write(lambda: rules.add(self.storage, name, wanted, value, given, NOBODY))

    @rule(number=numbers, value=values)
    def set_value(self, number: int, value: JSON) -> None:
        """Change the value of a rule."""
        self.write(lambda: rules.set_value(self.storage, self.choose_rule(number), value, NOBODY))

    @rule(number=numbers, edit=edits)
    def edit_rule_metadata(self, number: int, edit: metadata.Edit) -> None:
        """Change the metadata of a rule."""
        self.write(lambda: metadata.edit_of_rule(self.storage, self.choose_rule(number), edit, NOBODY))

    @rule(number=numbers)
    def delete_rule(self, number: int) -> None:
        """Delete a rule."""
        self.write(lambda: rules.delete(self.storage, self.choose_rule(number), NOBODY))

    @rule(feature=st.sampled_from([*FEATURES, "w", "v"]), other=features, side=st.sampled_from(["before", "after"]))
    def change_features(self, feature: str, other: str, side: Side) -> None:
        """Move a feature, or add one at the end, or delete one."""
        if feature in FEATURES:
            self.write(lambda: context_features.move_feature(self.storage, feature, side, other, NOBODY))
        elif feature in context_features.list_features(self.storage).content:
            self.write(lambda: context_features.delete_feature(self.storage, feature, NOBODY))
        else:
            self.write(lambda: context_features.add_feature(self.storage, feature, NOBODY))

    @rule(name=names, several=st.lists(st.tuples(conditions, values), min_size=1, max_size=4))
    def change_at_once(self, name: str, several: list[tuple[dict[str, str], JSON]]) -> None:
        """Delete rules, add them again with their ids, and change others, in one entry."""

        def work(writer: Writer) -> None:
            order = writer.context_features()
            found = writer.find_setting(name)
            if found is None:
                return
            gone = writer.rules([found.name])[::2]
            for each in gone:
                writer.delete_rule(each.rule_id)
                writer.record(logged_change.delete_rule(each, order))
            for wanted, value in several:
                if found.configurable_features >= wanted.keys() and not writer.find_rule_by_conditions(
                    found.name, wanted
                ):
                    old = [each for each in gone if each.conditions == wanted]
                    added = writer.add_rule(found.name, wanted, value, {}, old[0].rule_id if old else None)
                    writer.record(logged_change.add_rule(added, order))
                    changed = replace(added, value=[value], metadata={"k": 1})
                    writer.replace_rule(changed)
                    writer.record(logged_change.change_rule("set value", added, changed, order))

        self.write(lambda: self.storage.write(work))

    @rule(name=names)
    def delete_and_restore(self, name: str) -> None:
        """Delete a setting with its rules, and bring all of it back, in one entry."""

        def work(writer: Writer) -> None:
            order = writer.context_features()
            found = writer.find_setting(name)
            if found is None:
                return
            gone = writer.rules([found.name])
            writer.delete_setting(found.name)
            writer.record_all(logged_change.delete_setting(found, gone, order))
            writer.add_setting(found)
            writer.record(logged_change.change_setting("revert", None, found, order))
            for each in gone[::-1]:
                writer.record(
                    logged_change.add_rule(
                        writer.add_rule(found.name, each.conditions, each.value, each.metadata, each.rule_id), order
                    )
                )

        self.write(lambda: self.storage.write(work))

    @rule()
    def follow(self) -> None:
        """Have the catalog follow all that was written since it last did."""
        self.catalog.refresh()
        state = self.load()
        picture = self.storage.read(take_picture)
        assert picture == state.picture
        assert see_revisions(picture) == see_revisions(state.picture)
        assert [list(setting.rules) for setting in picture.settings.values()] == [
            list(setting.rules) for setting in state.picture.settings.values()
        ]
        assert list(picture.settings) == list(state.picture.settings)
        for key, query in enumerate(self.asked):
            slot = state.cache.get(b"%d" % key)
            if slot is not None and slot.answer is not None:
                assert (answer(picture, query), query) == (slot.answer.plain.body, slot.query)

    @rule()
    def ask(self) -> None:
        """Have the catalog keep the answers to all queries."""
        state = self.load()
        for key, query in enumerate(self.asked):
            with suppress(NotFoundError):
                kept = Answer(build_answer(state.picture, query), state.picture.feature_order)
                state.cache.put(b"%d" % key, query, kept)

    @invariant()
    def tells_what_has_changed(self) -> None:
        """An answer is never another one than at an earlier revision without the catalog knowing it."""
        anew = Catalog(self.storage, MAX_CACHE_BYTES).load()
        for state in (self.load(), anew):
            now = self.history.get(state.picture.revision)
            for revision, then in self.history.items():
                if now is not None and revision < state.picture.revision:
                    changed = [query for query, *tags in zip(self.asked, then, now, strict=True) if tags[0] != tags[1]]
                    assert [] == [query for query in changed if not state.has_changed(query, RevisionId(revision))]

    @invariant()
    def reads_like_the_storage(self) -> None:
        """A reader of a picture gives what the storage's own reader gives."""
        picture = self.storage.read(take_picture)
        assert self.storage.read(see_all) == see_all(PictureReader(picture))

    def write(self, operation: Callable[[], Written[object]]) -> None:
        """Do something that may be refused."""
        with suppress(OperationError):
            operation()
        if read_revision(self.storage) not in self.history:
            self.remember()

    def remember(self) -> None:
        """Note what each query is answered with now."""
        picture = self.storage.read(take_picture)
        self.history[picture.revision] = [identify(picture, query) for query in self.asked]

    def load(self) -> CatalogState:
        """Return the state of the catalog."""
        return self.catalog.load()

    def choose_rule(self, number: int) -> int:
        """Return the id of one of the rules that there are, or one that there is not."""
        found = [found.rule_id for found in self.storage.read(lambda reader: reader.rules())]
        return found[number % len(found)] if found else number

    def next_version(self, name: str, *, is_major: bool = False) -> str:
        """Return the version that a change of a setting may have."""
        found = self.storage.read(lambda reader: reader.find_setting(name))
        if found is None:
            return "1.0"
        major, minor = map(int, found.version.split("."))
        return f"{major + 1}.0" if is_major else f"{major}.{minor + 1}"


def answer(picture: Picture, query: CatalogQuery) -> bytes | None:
    """Return the answer to a query; ``None`` if that is not found."""
    try:
        return build_answer(picture, query)
    except NotFoundError:
        return None


def identify(picture: Picture, query: CatalogQuery) -> bytes | None:
    """Return the tag of the answer to a query; ``None`` if that is not found."""
    body = answer(picture, query)
    return None if body is None else Answer(body, picture.feature_order).plain.tag


def see_revisions(picture: Picture) -> list[int]:
    """Return the revisions of all settings, which make no difference to their equality."""
    return [setting.record.revision for setting in picture.settings.values()]


def see_all(reader: Reader) -> Sequence[object]:
    """Return everything that a reader has to say but the change log, with ``1`` and ``1.0`` told apart."""
    found = reader.rules()
    conditions_there = [(each.setting, each.conditions) for each in found]
    return [
        reader.revision(),
        reader.context_features(),
        reader.features_revision(),
        reader.settings(),
        found,
        [each.revision for each in [*reader.settings(), *found]],
        [encode([each.value, each.metadata]) for each in found],
        [reader.find_setting(name) for name in NAMES],
        [reader.find_rule(rule_id) for rule_id in range(len(found) + 5)],
        [reader.find_rule_by_conditions(setting, there) for setting, there in conditions_there],
        reader.find_rule_by_conditions("a", {"x": "9"}),
        reader.rules(["a", "B", "unheard_of"]),
    ]


TestCatalog = CatalogMachine.TestCase
TestCatalog.settings = hypothesis_settings(stateful_step_count=20)
