"""Rules: what is stored, logged and raised. The answers are in the tests of the routes."""

import pytest

from heksher.server.errors import DuplicateError, InvalidInputError, NotAcceptableError, NotFoundError
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY, Storage, Written
from tests.support.operations import SOMEBODY, read_last


def test_a_rule_lives(declared: Storage):
    """Added, found, changed and deleted, each write with its revision and origin."""
    assert Written(1, 5) == rules.add(declared, "cache_ttl", {"user": "a"}, 1, {"k": 1}, SOMEBODY)
    assert 1 == rules.search(declared, "cache_ttl", {"user": "a"})
    assert Written(None, 6) == rules.set_value(declared, 1, 1.5, SOMEBODY)
    assert {
        "setting": "cache_ttl",
        "value": 1.5,
        "feature_values": [["user", "a"]],
        "metadata": {"k": 1},
    } == rules.get(declared, 1).content
    assert Written(None, 7) == rules.delete(declared, 1, SOMEBODY)
    assert SOMEBODY == read_last(declared).origin
    assert Written(2, 8) == rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)


def test_an_equal_value_is_not_logged(declared: Storage):
    """Equal as JSON: 1 is 1.0."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    assert Written(None, 5) == rules.set_value(declared, 1, 1.0, NOBODY)


@pytest.mark.parametrize(
    ("name", "conditions", "value", "error"),
    [
        ("x", {"user": "b"}, 1, InvalidInputError),
        ("x\x00", {"user": "b"}, 1, InvalidInputError),
        ("cache_ttl", {"theme": "b"}, 1, NotAcceptableError),
        ("cache_ttl", {"user": "b"}, "1", NotAcceptableError),
        ("cache_ttl", {"user": "b"}, {"a": ["x" * 5000]}, NotAcceptableError),
        ("cache_ttl", {"user": "a"}, 1, DuplicateError),
    ],
)
def test_errors_change_nothing(declared: Storage, name: str, conditions: dict, value: object, error: type[Exception]):
    """Whatever is wrong, the message is short and nothing is stored."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    with pytest.raises(error) as raised:
        rules.add(declared, name, conditions, value, {}, NOBODY)
    assert len(str(raised.value)) < 300
    assert 5 == declared.read(lambda reader: reader.revision())


def test_a_value_that_does_not_fit_is_refused(declared: Storage):
    """As when the rule is added."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    with pytest.raises(NotAcceptableError, match='"x" is not a value'):
        rules.set_value(declared, 1, "x", NOBODY)


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: rules.get(storage, 1),
        lambda storage: rules.set_value(storage, 1, 1, NOBODY),
        lambda storage: rules.delete(storage, 1, NOBODY),
        lambda storage: rules.search(storage, "cache_ttl", {"user": "a"}),
        lambda storage: rules.search(storage, "x", {"user": "a"}),
    ],
)
def test_an_unknown_rule_is_not_found(declared: Storage, call):
    """Whatever it is asked for."""
    with pytest.raises(NotFoundError) as raised:
        call(declared)
    assert "rule" == raised.value.kind
