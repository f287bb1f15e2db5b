"""A repeated import, on every storage: it uses all that a writer can do, in one unit of work."""

from dataclasses import replace

from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.picture import take_picture
from heksher.server.operations import rules
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.updating import update
from heksher.server.storage.base import NOBODY, Origin, RuleRecord, Storage
from tests.support.storages import a_setting, see_everything

SOMEBODY = Origin("ada", "moving in")
BEFORE = Contents(
    ("user", "theme", "zone"),
    [a_setting("a", aliases=["old"]), a_setting("b", ["user", "zone"]), a_setting("c"), a_setting("d", ["theme"])],
    [
        RuleRecord(1, "a", {"user": "x"}, 1),
        RuleRecord(2, "a", {"user": "y"}, 2),
        RuleRecord(3, "b", {"user": "x", "zone": "z"}, 3),
        RuleRecord(4, "c", {"user": "x"}, 4),
        RuleRecord(5, "d", {"theme": "dark"}, 5),
    ],
    next_rule_id=6,
)
# A renamed and a changed setting, one that is gone and one that takes its name, features that come, go and move.
AFTER = Contents(
    ("theme", "tier", "user"),
    [
        a_setting("a2", ["user", "tier"], aliases=["old", "a"]),
        a_setting("b", ["user"], default_value="x" * 5000),
        a_setting("c", ["theme"], aliases=["d"]),
        a_setting("e"),
    ],
    [
        RuleRecord(1, "a2", {"user": "x"}, 10, {"by": "me"}),
        RuleRecord(5, "c", {"theme": "dark"}, 5),
        RuleRecord(7, "a2", {"user": "y"}, 7),
        RuleRecord(8, "e", {"user": "x"}, 8),
    ],
    next_rule_id=20,
)


def test_everything_is_brought_up_to_date(storage: Storage) -> None:
    """In one entry, which a catalog can follow."""
    load(storage, BEFORE, SOMEBODY)
    catalog = Catalog(storage, 0)
    catalog.load()
    assert update(storage, AFTER, frozenset(), SOMEBODY).revision == 2
    contents = storage.read(lambda reader: (reader.context_features(), reader.settings(), reader.rules()))
    assert contents == (AFTER.features, AFTER.settings, AFTER.rules)
    assert catalog.refresh().picture == storage.read(take_picture)
    assert rules.add(storage, "e", {"user": "y"}, 1, {}, NOBODY).result == 20


def test_nothing_is_stored_where_something_was_changed(storage: Storage) -> None:
    """Unless that is to be skipped: then the rest is."""
    load(storage, BEFORE, SOMEBODY)
    rules.set_value(storage, 1, 11, NOBODY)
    before = see_everything(storage)
    (left,) = update(storage, AFTER, frozenset(), SOMEBODY).result.left
    assert (left.kind, left.key, left.setting) == ("rule", "1", "a2")
    assert see_everything(storage) == before
    update(storage, AFTER, frozenset(), SOMEBODY, is_skipping=True)
    kept = replace(AFTER.rules[0], value=11, metadata={})
    assert storage.read(lambda reader: reader.rules()) == [kept, *AFTER.rules[1:]]
