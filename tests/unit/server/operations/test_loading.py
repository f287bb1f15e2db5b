"""Loading everything at once. What storages guarantee of it is in ``tests/conformance``."""

from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.effect import EVERYWHERE
from heksher.server.catalog.picture import take_picture
from heksher.server.operations.loading import Contents, load
from heksher.server.storage.base import Storage
from tests.support.catalogs import a_rule
from tests.support.operations import SOMEBODY, read_last, read_revision
from tests.support.storages import a_setting

CONTENTS = Contents(("user", "theme"), [a_setting()], [a_rule(7), a_rule(5)], next_rule_id=9)


def test_what_is_loaded_is_one_entry(storage: Storage):
    """The features that were there before are in it."""
    assert 4 == load(storage, CONTENTS, SOMEBODY).revision
    entry = read_last(storage)
    assert SOMEBODY == entry.origin
    assert ["context_features", "setting", "rule", "rule"] == [change.kind for change in entry.changes]
    assert {"context_features": ["environment", "user", "theme"]} == entry.changes[0].before


def test_a_catalog_follows(storage: Storage):
    """In the one step that it is, with the rules in their order."""
    catalog = Catalog(storage, 0)
    catalog.load()
    load(storage, CONTENTS, SOMEBODY)
    state = catalog.refresh()
    assert storage.read(take_picture) == state.picture
    assert [5, 7] == list(state.picture.settings["cache_ttl"].rules)
    assert (4, (EVERYWHERE,)) == (state.steps[-1].revision, state.steps[-1].effects)


def test_nothing_is_nothing_to_store(storage: Storage):
    """No entry of the log is made of it, and no error."""
    features = tuple(storage.read(lambda reader: reader.context_features()))
    before = read_revision(storage)
    loaded = load(storage, Contents(features, [], [], next_rule_id=9), SOMEBODY)
    assert (False, before) == (loaded.result, read_revision(storage))
