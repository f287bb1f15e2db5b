"""Filters on context values that are any text, in a URL and in a body (docs/reference/http-api.md, *Query*)."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/query"
MAIL = "alice@example.com"
ODD = 'a,b:("c")'


@pytest.fixture
def mailed(api: Api) -> Api:
    """A service with rules for users whose names are any text: 1 for ``guest``, 2 for ``MAIL``, 3 for ``ODD``."""
    return api.begin_with(prepare_mailed)


def prepare_mailed(api: Api) -> None:
    api.declare("color", type="str", default_value="white")
    for user in ("guest", MAIL, ODD):
        api.add_rule("color", {"user": user}, user)


def ask(api: Api, filters: object) -> list[int]:
    """Ask with these filters by GET, if they are a text, and by POST; return the ids of the rules."""
    answers = [api.post(PATH, json={"context_filters": filters})]
    if isinstance(filters, str):
        answers.append(api.get(PATH, params={"context_filters": filters}))
    found = [[rule["rule_id"] for rule in answer.json()["settings"]["color"]["rules"]] for answer in answers]
    assert all(ids == found[0] for ids in found)
    return found[0]


@pytest.mark.storages
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("*", [1, 2, 3]),
        ("user:*", [1, 2, 3]),
        ('user:("alice@example.com","x")', [2]),
        ('user:(guest,"alice@example.com")', [1, 2]),
        ('user:("guest")', [1]),
        (r'user:("a,b:(\"c\")"),environment:("x")', [3]),
        ('user:("*")', []),
        ({"user": "*"}, [1, 2, 3]),
        ({"user": ["*"]}, []),
        ({"user": ["*", MAIL]}, [2]),
        ({"user": [MAIL, ODD]}, [2, 3]),
        ({"user": [5]}, []),
        ({"user": ["x" * 300]}, []),
    ],
)
def test_filters_take_any_text(mailed: Api, filters: object, expected: list[int]):
    """Plain and quoted values may be mixed; a star is every value, and inside a list it is a value."""
    assert expected == ask(mailed, filters)


def test_the_text_comes_back(mailed: Api):
    """The answer has each value as it was sent."""
    rules = mailed.get(PATH).json()["settings"]["color"]["rules"]
    assert [[["user", user]] for user in ("guest", MAIL, ODD)] == [rule["context_features"] for rule in rules]


@pytest.mark.parametrize("value", ["", "*mia", "<none>", " x", "e\u0301", "é" * 257])
def test_a_filter_for_what_no_rule_can_have_is_refused(mailed: Api, value: str):
    """The answer is a 422 that says why: it would never find anything."""
    posted = mailed.post(PATH, json={"context_filters": {"user": [value]}})
    assert ["body", "context_filters"] == locations(posted)[0][:2]
    asked = mailed.get(PATH, params={"context_filters": f'user:("{value}")'})
    assert [["query", "context_filters"]] == locations(asked)
    reasons = [response.json()["detail"][0]["msg"].partition(": ")[2] for response in (posted, asked)]
    assert reasons[0] == reasons[1] != ""


@pytest.mark.parametrize("value", [True, None, {}, ["guest"]])
def test_a_list_has_texts_and_numbers(mailed: Api, value: object):
    """Anything else is a 422 that names the feature."""
    response = mailed.post(PATH, json={"context_filters": {"user": ["guest", value]}})
    assert [["body", "context_filters"]] == locations(response)
    expected = (
        "the filter for 'user' has something else: a context value is a string, or a number that stands for its text"
    )
    assert expected == response.json()["detail"][0]["msg"]


@pytest.mark.parametrize("last", [MAIL, "*mia"])
def test_a_filter_may_have_many_values(mailed: Api, last: str):
    """They are read aside, so that no other request waits for that, and mean the same, whether in a list or a text."""
    values = [f"é{number}" for number in range(2000)]
    written = ",".join(f'"{value}"' for value in [*values, last])
    several = [
        mailed.post(PATH, json={"context_filters": {"user": [*values, last]}}),
        mailed.post(PATH, json={"context_filters": f"user:({written})"}),
    ]
    if last == MAIL:
        assert [[2]] * 2 == [
            [rule["rule_id"] for rule in answer.json()["settings"]["color"]["rules"]] for answer in several
        ]
    else:
        assert [422] * 2 == [answer.status_code for answer in several]


def test_a_number_in_a_list_is_its_text(mailed: Api):
    """As in a rule."""
    mailed.add_rule("color", {"user": 2.5}, "black")
    assert [4] == ask(mailed, {"user": [2.5]}) == ask(mailed, {"user": ["2.5"]})
