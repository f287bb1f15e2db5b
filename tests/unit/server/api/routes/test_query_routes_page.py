"""What the existing management page needs of this service, which it is written for without knowing it.

Its back end asks for all settings and all rules with metadata, and its page fails as a whole on what it does not know.
"""

import re

import pytest

from heksher.value_type import parse_value_type
from tests.support.api import Api

QUERY = "/api/v1/query"
# As its back end asks.
PAGE = {"params": {"include_metadata": "true"}, "headers": {"Accept-Encoding": "gzip, deflate"}}
# The types that version 0.5 of the existing service has.
KNOWN_TYPE = re.compile(r"((Sequence|Mapping)<)*(int|float|str|bool|(Enum|Flags)\[.*\])>*")


@pytest.fixture
def large(ruled: Api) -> Api:
    """A service whose answer is large enough to be compressed."""
    for number in range(50):
        ruled.add_rule("b", {"user": f"u{number}"}, number, metadata={"by": "me"})
    return ruled


def test_an_answer_with_metadata_is_never_compressed(large: Api):
    """The page's back end passes the body on decompressed, with our length of it: less than that would arrive."""
    for _ in range(2):  # made, then from memory
        answer = large.get(QUERY, **PAGE)
        assert "content-encoding" not in answer.headers
        assert len(answer.content) == int(answer.headers["content-length"])
    assert "gzip" == large.get(QUERY, headers=PAGE["headers"]).headers["content-encoding"]


def test_an_answer_with_metadata_has_one_tag(large: Api):
    """Whatever the client could decompress."""
    tag = large.get(QUERY, **PAGE).headers["etag"]
    for known in (tag, "*"):
        again = large.get(QUERY, params=PAGE["params"], headers={**PAGE["headers"], "If-None-Match": known})
        assert (304, tag) == (again.status_code, again.headers["etag"])


def test_every_rule_has_an_object_as_metadata(large: Api):
    """A rule without it, or with null, would keep the page from loading."""
    large.post("/api/v1/rules", json={"setting": "b", "feature_values": {"user": "new"}, "value": 1})
    refused = large.try_add_rule("b", {"user": "null"}, 1, metadata=None)
    assert 422 == refused.status_code
    rules = large.get(QUERY, **PAGE).json()["settings"]["b"]["rules"]
    assert {dict} == {type(rule["metadata"]) for rule in rules}


@pytest.mark.parametrize(
    "value_type", ["int", "float", "str", "bool", "Enum[1]", "Flags[1]", "Sequence<int>", "Mapping<int>"]
)
def test_no_default_is_null(api: Api, value_type: str):
    """There is no type that null is a value of."""
    assert 422 == api.try_declare("a", type=value_type, default_value=None).status_code
    assert {} == api.query()


def test_every_setting_has_features(ruled: Api):
    """It cannot be declared without, and not be made one without."""
    assert 422 == ruled.try_declare("c", configurable_features=[]).status_code
    body = {"configurable_features": [], "version": "2.0"}
    assert 422 == ruled.put("/api/v1/settings/A/configurable_features", json=body).status_code


def test_every_condition_is_text(ruled: Api):
    """A number is stored as text."""
    ruled.add_rule("b", {"user": 7}, 7)
    rules = ruled.get(QUERY, **PAGE).json()["settings"]["b"]["rules"]
    assert {str} == {type(part) for rule in rules for condition in rule["context_features"] for part in condition}


@pytest.mark.parametrize(
    ("value_type", "default"),
    [('Sequence < Mapping <Flags ["a"]> >', []), ("Enum [1.0, true]", 1), ("float", 1.5), ("Mapping<bool>", {})],
)
def test_every_type_is_known_to_the_page(api: Api, value_type: str, default: object):
    """It is answered in canonical form, whatever it was declared as."""
    api.declare("a", type=value_type, default_value=default)
    answered = api.get_setting("a")["type"]
    assert KNOWN_TYPE.fullmatch(answered)
    assert answered == str(parse_value_type(answered))


@pytest.mark.storages
def test_both_lists_name_the_same_settings(ruled: Api):
    """Whatever was renamed and deleted; the page looks each setting of the one up in the other."""
    ruled.declare("c")
    ruled.put("/api/v1/settings/c/name", json={"name": "d", "version": "1.1"})
    ruled.delete("/api/v1/settings/A")
    listed = ruled.get("/api/v1/settings", params={"include_additional_data": "true"}).json()["settings"]
    assert ["b", "d"] == [setting["name"] for setting in listed]
    assert {"b", "d"} == set(ruled.get(QUERY, **PAGE).json()["settings"])


def test_no_rule_is_on_a_feature_that_its_setting_lacks(ruled: Api):
    """Neither can it be added, nor can the feature be taken from the setting."""
    assert 400 == ruled.try_add_rule("A", {"theme": "dark"}, 1).status_code
    body = {"configurable_features": ["environment", "user"], "version": "2.0"}
    assert 409 == ruled.put("/api/v1/settings/b/configurable_features", json=body).status_code


@pytest.mark.without_token
def test_a_name_without_a_space_can_be_sent(ruled: Api):
    """The page sends no header field with a space; a name is percent-encoded."""
    header = {"Heksher-Actor": "Ada%20Lovelace"}
    assert 204 == ruled.put("/api/v1/rules/1/value", json={"value": 5}, headers=header).status_code
    assert "Ada Lovelace" == ruled.read_log()[-1].origin.actor
