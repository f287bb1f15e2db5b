"""The v1 API as both sides see it: lexical rules, versions, paths and context filters."""

from collections.abc import Mapping

import pytest

from heksher.wire import (
    FeatureFilter,
    RepeatedFilterError,
    can_be_stored_name,
    format_context_filters,
    is_feature,
    is_metadata_key,
    is_setting_name,
    is_version,
    lets_through,
    parse_conditions,
    parse_context_filters,
    setting_path,
    version_key,
)


@pytest.mark.trap(41)
@pytest.mark.parametrize("text", ["", "a-b", "a.b", "a b", "é", "a:b", "a,b", "*", "(a)", "a/b", "\u0663"])
def test_what_is_no_feature(text: str) -> None:
    """A context feature consists of ASCII letters, digits and underscores, and of at least one."""
    assert not is_feature(text)


@pytest.mark.parametrize("text", ["a", "A", "0", "_", "user_id", "2fa", "class", "x" * 1000])
def test_features(text: str) -> None:
    """Letters of both cases, digits and underscores are allowed anywhere in a feature."""
    assert is_feature(text)


@pytest.mark.trap(35)
@pytest.mark.parametrize("is_valid", [is_feature, is_setting_name, is_metadata_key])
def test_names_are_checked_to_their_end(is_valid: type[bool]) -> None:
    """White space around a name is refused, a trailing newline too."""
    assert is_valid("name")
    assert not any(is_valid(text) for text in ("name\n", "\nname", " name", "name ", "name\r\n", "na\nme"))


@pytest.mark.trap(35)
def test_versions_are_checked_to_their_end() -> None:
    """A version followed by a newline is refused."""
    assert not is_version("1.0\n")


def test_setting_names_have_dots() -> None:
    """Dots make domains; they are not allowed in features or metadata keys."""
    assert is_setting_name("frontend.theme_2")
    assert not is_setting_name("frontend/theme")
    assert not is_setting_name("frontend-theme")
    assert not is_metadata_key("a.b")


@pytest.mark.parametrize("text", [".", ".."])
def test_what_a_path_cannot_have_is_no_setting_name(text: str) -> None:
    """A service may still have one from before it was refused; any other row of dots is a name."""
    assert not is_setting_name(text)
    assert can_be_stored_name(text)
    assert all(is_setting_name(f"{text}{more}") for more in ("..", "a", "_"))


def test_metadata_keys_have_hyphens() -> None:
    """Hyphens are allowed in metadata keys only."""
    assert is_metadata_key("doc-url_1")
    assert not is_feature("doc-url")


@pytest.mark.parametrize("text", ["1.0", "0.0", "10.20", "01.0", f"{'9' * 18}.{'9' * 18}"])
def test_versions(text: str) -> None:
    """A version is two numbers with a dot between them."""
    assert is_version(text)


@pytest.mark.trap(44)
@pytest.mark.parametrize(
    "text",
    ["", "1", "1.", ".1", "1.0.0", "v1.0", "-1.0", "1,0", "1. 0", "\u0661.\u0660", f"1.{'9' * 19}", f"{'9' * 5000}.0"],
)
def test_what_is_no_version(text: str) -> None:
    """Anything else is none, and neither are numbers that are too long to be read."""
    assert not is_version(text)


def test_versions_compare_as_numbers() -> None:
    """``1.10`` is newer than ``1.9``, and ``2.0`` than both."""
    ascending = ["0.9", "1.0", "1.9", "1.10", "2.0", "10.0"]
    as_text = sorted(ascending)
    assert ascending != as_text
    assert ascending == sorted(as_text, key=version_key)


@pytest.mark.trap(44)
def test_leading_zeros_do_not_make_another_version() -> None:
    """``01.0`` is version ``1.0``."""
    assert version_key("1.0") == version_key("01.00")


def test_setting_path() -> None:
    """The path of a setting ends with its name."""
    assert setting_path("frontend.theme_2") == "/api/v1/settings/frontend.theme_2"


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", {}),
        ("a:*", {"a": None}),
        ("a:(x)", {"a": frozenset("x")}),
        ("a:(y,x),b:*", {"a": frozenset("xy"), "b": None}),
        ("a:(x,x)", {"a": frozenset("x")}),
        ("b:*,a:*", {"a": None, "b": None}),
        ('a:("x")', {"a": frozenset("x")}),
        ('user:("alice@example.com","x")', {"user": frozenset({"alice@example.com", "x"})}),
        ('a:(x,"eu-west-1",y),b:*,c:("é")', {"a": frozenset({"x", "eu-west-1", "y"}), "b": None, "c": frozenset("é")}),
        (r'a:("\u00e9","\ud83d\udca9","\"\\\/")', {"a": frozenset({"é", "💩", '"\\/'})}),
        ('a:("),b:*,c:(")', {"a": frozenset({"),b:*,c:("})}),
        ('a:("*")', {"a": frozenset("*")}),
        (f"a:({'x' * 300})", {"a": frozenset({"x" * 300})}),
    ],
)
def test_filters_are_read(text: str, filters: Mapping[str, FeatureFilter]) -> None:
    """A filter names a feature and its values, each plain or as a JSON string, or all of them."""
    assert filters == parse_context_filters(text)


@pytest.mark.trap(31)
@pytest.mark.parametrize("feature", ["user_id", "userId", "USER", "user2", "2", "_"])
def test_filters_take_every_name_of_a_feature(feature: str) -> None:
    """A feature with capitals, digits or underscores is filtered like any other."""
    assert parse_context_filters(f"{feature}:(x),b:*") == {feature: frozenset("x"), "b": None}


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("null", 0),
        ("*", 0),
        ("**", 0),
        ("trust:()", 0),
        ("trust:", 0),
        ("trust", 0),
        (":*", 0),
        (",", 0),
        ("a:*,", 4),
        (",a:*", 0),
        ("a:*,,b:*", 4),
        ("a:**", 0),
        ("a:*b:*", 0),
        ("a:* b:*", 0),
        ("a:(x)(y)", 0),
        ("a:(x,)", 0),
        ("a:(,x)", 0),
        ("a:(x", 0),
        ("a:x", 0),
        ("a:(*)", 0),
        ("a: (x)", 0),
        ("a:(x), b:*", 6),
        ("a:*\n", 0),
        ("a:(x)\n", 0),
        ("a:(x\n)", 0),
        ("a-b:*", 0),
        ("a:(é)", 0),
        ("a:(a@b)", 0),
        ("a:('x')", 0),
        ('a:"x"', 0),
        ('a:("x)', 0),
        ('a:("x"y)', 0),
        ('a:("x" )', 0),
        ('a:("x\ty")', 0),
        (r'a:("\x")', 0),
        (r'a:("\u00e")', 0),
        ("a:(1.5)", 0),
        ("a:(x),b:(a@b)", 6),
    ],
)
def test_malformed_filters_are_refused(text: str, position: int) -> None:
    """The error says from which character on the text makes no sense, and what is expected."""
    with pytest.raises(
        ValueError, match=rf"at character {position}: .*; expected feature:\* or feature:\(value,"
    ) as raised:
        parse_context_filters(text)
    assert not isinstance(raised.value, RepeatedFilterError)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a:(x,"")', "context feature 'a' cannot have the value '': it is empty"),
        ('b:*,a:("*mia")', r"context feature 'a' cannot have the value '\*mia': it begins with \*"),
        (r'a:("\ud800")', "context feature 'a' cannot have the value '.*': it has half a surrogate pair"),
        (r'a:("x\n")', "it has a control character"),
        ('a:("e\u0301")', "it is not in the normal form NFC"),
        (f'a:("{"é" * 257}")', "it has 257 characters"),
    ],
)
def test_filters_for_what_no_rule_can_have_are_refused(text: str, fault: str) -> None:
    """The error names the feature and the value, and says what is wrong with it."""
    with pytest.raises(ValueError, match=fault):
        parse_context_filters(text)


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("a:x", {"a": "x"}),
        ('b:"x",a:y', {"a": "y", "b": "x"}),
        ('user:"alice@example.com",a:"b:c,d:e"', {"user": "alice@example.com", "a": "b:c,d:e"}),
        (f"a:{'x' * 300}", {"a": "x" * 300}),
    ],
)
def test_conditions_are_read(text: str, conditions: Mapping[str, str]) -> None:
    """A condition names a feature and its value, plain or as a JSON string."""
    assert conditions == parse_conditions(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", ":x", "a:x,", ",a:x", "a:*", "a:(x)", "a:a@b", 'a:"x', 'a:"x"y', "a:x b:y", "a:x\n", 'a-b:"x"'],
)
def test_malformed_conditions_are_refused(text: str) -> None:
    """The error says what is expected, and how other texts are written."""
    with pytest.raises(ValueError, match=r"expected feature:value, .*; a value that is .* stands as a JSON string"):
        parse_conditions(text)


def test_repeated_conditions_are_refused() -> None:
    """A rule has one value for a feature."""
    with pytest.raises(ValueError, match="the context feature 'a' has more than one value"):
        parse_conditions('a:x,b:y,a:"x"')


@pytest.mark.parametrize("text", ['a:""', 'a:"*"', 'a:"<none>"', 'a:" x"', r'a:"\u0000"'])
def test_conditions_that_no_rule_can_have_are_refused(text: str) -> None:
    """The error names the feature and says what is wrong with the value."""
    with pytest.raises(ValueError, match="context feature 'a' cannot have the value"):
        parse_conditions(text)


def test_repeated_filter_is_an_error_of_its_own() -> None:
    """A feature with two filters is told apart from malformed text: the API answers the two differently."""
    with pytest.raises(RepeatedFilterError, match="context feature 'a' has more than one filter"):
        parse_context_filters("a:*,b:*,a:(x)")


def test_filters_are_written_in_one_way() -> None:
    """Features and values are sorted, so that the same filters make the same request."""
    filters: dict[str, FeatureFilter] = {"d": None, "b": frozenset("B"), "a": frozenset("hgfedcba")}
    assert format_context_filters(filters) == "a:(a,b,c,d,e,f,g,h),b:(B),d:*"
    assert format_context_filters({}) == ""


def test_filters_are_plain_where_they_can_be() -> None:
    """Only values that are not plain are written as JSON strings, so that existing services get what they know."""
    filters: dict[str, FeatureFilter] = {"user": frozenset({"guest", "alice@example.com", 'é"'})}
    assert r'user:("alice@example.com",guest,"é\"")' == format_context_filters(filters)


@pytest.mark.parametrize(
    ("filters", "is_let_through"),
    [
        ({"a": None, "b": None}, True),
        ({"a": frozenset("xy"), "b": None}, True),
        ({"a": frozenset("x"), "b": frozenset("y"), "c": frozenset("z")}, True),
        ({"a": frozenset("x")}, False),
        ({"a": frozenset("y"), "b": None}, False),
        ({}, False),
    ],
)
def test_rule_is_let_through_with_all_its_conditions(filters: dict[str, FeatureFilter], is_let_through: bool) -> None:
    """Each condition must be let through; one on a feature without a filter is not."""
    assert is_let_through == lets_through(filters, [("a", "x"), ("b", "y")])


def test_no_conditions_are_let_through() -> None:
    """A rule without conditions, if there were one, would pass any filter."""
    assert lets_through({}, [])
