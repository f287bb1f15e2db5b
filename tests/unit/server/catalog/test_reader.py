"""A picture as a unit of reading work sees it. That it sees what the storage's own does is in ``tests/property``."""

import pytest

from heksher.server.catalog.reader import PictureReader
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.catalogs import ORDER, a_picture, a_rule
from tests.support.storages import a_setting

A, B = a_setting("a"), a_setting("b", aliases=["old"])
RULES = [
    a_rule(1, "b", {"user": "x", "environment": "y"}, [1, 1.0], {"by": "me"}),
    a_rule(2, "a", {"user": "x"}),
    a_rule(3, "b", {"user": "x"}),
]
READER = PictureReader(a_picture(A, B, rules=RULES))


def test_a_reader_gives_what_the_picture_shows():
    """Records as the storage gives them."""
    assert (7, ORDER, [A, B]) == (READER.revision(), READER.context_features(), READER.settings())


def test_settings_are_found_by_any_name():
    """Or not at all."""
    assert [A, B, B, None] == [READER.find_setting(name) for name in ("a", "b", "old", "c")]


def test_rules_come_by_id():
    """Of all settings or of some; an alias is no canonical name."""
    assert RULES == READER.rules()
    assert [[RULES[0], RULES[2]], [], []] == [READER.rules(names) for names in (["b", "c"], ["old"], [])]


def test_a_rule_is_found_by_its_id():
    """Any integer will do."""
    assert [RULES[1], None, None] == [READER.find_rule(rule_id) for rule_id in (2, 4, -1)]


def test_a_rule_is_found_by_its_conditions():
    """By exactly these."""
    assert RULES[0] == READER.find_rule_by_conditions("b", {"environment": "y", "user": "x"})
    assert READER.find_rule_by_conditions("a", {"environment": "y", "user": "x"}) is None
    assert READER.find_rule_by_conditions("unheard_of", {"user": "x"}) is None


def test_there_is_no_change_log():
    """It is in the database, which is away."""
    for read in (
        READER.log,
        READER.history,
        lambda: READER.changes(1),
        lambda: READER.last_change(1),
        lambda: READER.forgotten_deletion("rule", "1"),
    ):
        with pytest.raises(StorageUnavailableError, match="change log"):
            read()
