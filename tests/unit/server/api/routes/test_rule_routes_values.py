"""Rules whose context values are any text: kept, found and told as they were sent (docs/reference/http-api.md)."""

import json

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/rules"
VALUES = ["alice@example.com", "eu-west-1", "café", 'a,b:"c"\\(*)', "two words", "x" * 256, "💩", "a&b=c#d%20+;"]


@pytest.fixture
def declared(api: Api) -> Api:
    """A service with a setting ``color`` on environment and user."""
    return api.begin_with(prepare_declared)


def prepare_declared(api: Api) -> None:
    api.declare("color", type="str", default_value="white")


@pytest.mark.storages
@pytest.mark.parametrize("value", VALUES)
def test_any_text_is_kept_and_found(declared: Api, value: str):
    """By its id, and by its conditions, whether the value is a JSON string with escapes or without."""
    rule_id = declared.add_rule("color", {"user": value, "environment": "dev"}, "black")
    rule = declared.get(f"{PATH}/{rule_id}").json()
    assert [["environment", "dev"], ["user", value]] == rule["feature_values"]
    for written in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        parameters = {"setting": "color", "feature_values": f"user:{written},environment:dev"}
        assert {"rule_id": rule_id} == declared.get(f"{PATH}/search", params=parameters).json()


@pytest.mark.storages
def test_values_that_look_alike_are_told_apart(declared: Api):
    """Case, a space within and a dot on a letter make another rule."""
    values = ["cafe", "Cafe", "café", "ca fe", "cafe.", "\u0441afe"]
    ids = [declared.add_rule("color", {"user": value}, "black") for value in values]
    assert [*range(1, len(values) + 1)] == ids
    assert 409 == declared.try_add_rule("color", {"user": "café"}, "red").status_code


@pytest.mark.parametrize(("number", "text"), [(5, "5"), (1.0, "1.0"), (2.5, "2.5"), (-3, "-3")])
def test_a_number_is_its_text(declared: Api, number: float, text: str):
    """As existing programs may send one: the rule has the text."""
    rule_id = declared.add_rule("color", {"user": number}, "black")
    assert [["user", text]] == declared.get(f"{PATH}/{rule_id}").json()["feature_values"]
    assert 409 == declared.try_add_rule("color", {"user": text}, "black").status_code


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "a context value is a string, or a number that stands for its text"),
        (None, "a context value is a string, or a number that stands for its text"),
        ("", "'' is no context value: it is empty"),
        ("*mia", "'*mia' is no context value: it begins with *, which stands for every value"),
        ("<none>", "'<none>' is no context value: it stands for no value"),
        (" x", "' x' is no context value: it begins or ends with white space"),
        ("x\u2028y", r"'x\u2028y' is no context value: it has a line separator, U+2028"),
        ("x" * 257, f"'{'x' * 79}… is no context value: it has 257 characters, and 256 are allowed"),
    ],
)
def test_what_is_no_value_is_refused_with_a_reason(declared: Api, value: object, reason: str):
    """The answer is a 422 that names the condition."""
    response = declared.try_add_rule("color", {"user": value}, "black")
    assert [["body", "feature_values", "user"]] == locations(response)
    assert reason == response.json()["detail"][0]["msg"]


@pytest.mark.parametrize("written", ['""', '"*"', '"<none>"', '" x"', r'"\ud800"', '"e\u0301"'])
def test_a_search_for_what_no_rule_can_have_is_refused(declared: Api, written: str):
    """The answer is a 422 that says why."""
    parameters = {"setting": "color", "feature_values": f"user:{written}"}
    response = declared.get(f"{PATH}/search", params=parameters)
    assert [["query", "feature_values"]] == locations(response)
    assert response.json()["detail"][0]["msg"].startswith("context feature 'user' cannot have the value ")


def test_a_search_for_other_text_says_how_it_is_written(declared: Api):
    """A value that is not plain is a JSON string."""
    parameters = {"setting": "color", "feature_values": "user:alice@example.com"}
    response = declared.get(f"{PATH}/search", params=parameters)
    assert response.json()["detail"][0]["msg"].endswith("stands as a JSON string")
