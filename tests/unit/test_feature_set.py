"""The features of a setting: a list and a set at once."""

import pytest

from heksher.feature_set import FeatureSet


def test_each_name_once() -> None:
    """A repeated name stands where it came first."""
    assert list(FeatureSet(["b", "a", "b"])) == ["b", "a"]


@pytest.mark.parametrize(
    ("other", "is_equal"),
    [
        (["b", "a"], True),
        (("b", "a"), True),
        (FeatureSet("ba"), True),
        ({"a", "b"}, True),
        (["a", "b"], False),
        (FeatureSet("ab"), False),
        ({"a"}, False),
        ("ba", False),
        (None, False),
    ],
)
def test_equality(other: object, is_equal: bool) -> None:
    """Order counts against what has one, and does not against a set; a text is no list of names."""
    assert (FeatureSet("ba") == other) is is_equal
    assert (other == FeatureSet("ba")) is is_equal


def test_positions() -> None:
    """It is indexed and sliced as a list."""
    features = FeatureSet("bca")
    assert (features[0], features[-1], features[1:]) == ("b", "a", FeatureSet("ca"))
    assert (features.index("c"), features.count("c"), len(features)) == (1, 1, 3)
    assert list(reversed(features)) == ["a", "c", "b"]


def test_set_operations() -> None:
    """They keep the order, and take anything that can be iterated over."""
    features = FeatureSet("bca")
    assert features - {"c"} == ["b", "a"]
    assert features & ["a", "b"] == ["b", "a"]
    assert features | ["z", "a"] == ["b", "c", "a", "z"]
    assert features ^ ["a", "z"] == {"b", "c", "z"}
    assert {"a", "z"} - features == {"z"}
    assert features <= set("abcd")
    assert features.isdisjoint(["z"])
    assert "c" in features


def test_it_is_no_key() -> None:
    """It equals tuples and sets, which have different hashes."""
    with pytest.raises(TypeError):
        hash(FeatureSet("a"))


def test_representation() -> None:
    """In a debugger, it shows its names."""
    assert repr(FeatureSet("ba")) == "FeatureSet(['b', 'a'])"
