"""Each answer of each route of the rules' metadata (docs/reference/compatibility.md, *Rules*); 404 is in test_rules."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/rules/1/metadata"


@pytest.fixture
def noted(api: Api) -> Api:
    """A service with a rule that has metadata."""
    return api.begin_with(prepare_noted)


def prepare_noted(api: Api) -> None:
    api.declare("cache_ttl")
    api.add_rule("cache_ttl", {"user": "a"}, 1, metadata={"a": 1, "b": [True]})


@pytest.mark.storages
def test_metadata_is_read(noted: Api):
    """The answer has the whole object."""
    response = noted.get(PATH)
    assert (200, {"metadata": {"a": 1, "b": [True]}}) == (response.status_code, response.json())


@pytest.mark.storages
@pytest.mark.parametrize(
    ("method", "suffix", "body", "expected"),
    [
        ("POST", "", {"metadata": {"b": None, "c": "x"}}, {"a": 1, "b": None, "c": "x"}),
        ("POST", "", {"metadata": {"b": [1]}}, {"a": 1, "b": [1]}),
        ("PUT", "", {"metadata": {"c": {"d": 1.5}}}, {"c": {"d": 1.5}}),
        ("DELETE", "", None, {}),
        ("PUT", "/a", {"value": True}, {"a": True, "b": [True]}),
        ("PUT", "/-_9", {"value": None}, {"a": 1, "b": [True], "-_9": None}),
        ("DELETE", "/a", None, {"b": [True]}),
    ],
)
def test_metadata_is_changed(noted: Api, method: str, suffix: str, body: object, expected: dict):
    """Without a version: rules have none."""
    revision = noted.revision()
    response = noted.request(method, PATH + suffix, json=body)
    assert (204, b"", str(revision + 1)) == (
        response.status_code,
        response.content,
        response.headers["Heksher-Revision"],
    )
    assert expected == noted.get(PATH).json()["metadata"]
    assert 1 == noted.get("/api/v1/rules/1").json()["value"]


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("POST", "", {"metadata": {}}),
        ("POST", "", {"metadata": {"a": 1.0}}),
        ("PUT", "", {"metadata": {"b": [True], "a": 1}}),
        ("PUT", "/a", {"value": 1}),
    ],
)
def test_equal_metadata_changes_nothing(noted: Api, method: str, suffix: str, body: object):
    """It is accepted, and records nothing."""
    revision = noted.revision()
    assert 204 == noted.request(method, PATH + suffix, json=body).status_code
    assert revision == noted.revision()


@pytest.mark.parametrize("key", ["c", "%00", "a%0A", "%ff"])
def test_a_key_that_is_not_there_is_removed_already(noted: Api, key: str):
    """It is a 204 that records nothing."""
    revision = noted.revision()
    assert 204 == noted.delete(f"{PATH}/{key}").status_code
    assert revision == noted.revision()


def test_metadata_is_empty_where_a_body_has_none(noted: Api):
    """To set no keys keeps all of them, to replace them by none leaves none."""
    assert 204 == noted.post(PATH, json={}).status_code
    assert {} != noted.get(PATH).json()["metadata"]
    assert 204 == noted.put(PATH, json={}).status_code
    assert {} == noted.get(PATH).json()["metadata"]


@pytest.mark.parametrize("key", ["a%20b", "a.b", "a%0A", "%C3%A9", "a" * 256])
def test_a_key_follows_the_rules(noted: Api, key: str):
    """To set a malformed key is a 422."""
    assert [["path", "key"]] == locations(noted.put(f"{PATH}/{key}", json={"value": 1}))


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", [{"metadata": {"a b": 1}}, {"metadata": []}, {"metadata": None}])
def test_metadata_is_an_object_with_proper_keys(noted: Api, method: str, body: object):
    """Anything else is a 422."""
    assert ["body", "metadata"] == locations(noted.request(method, PATH, json=body))[0][:2]


def test_a_value_is_required(noted: Api):
    """A body without one is a 422."""
    assert [["body", "value"]] == locations(noted.put(f"{PATH}/a", json={}))


def test_there_is_a_limit_on_keys(noted: Api):
    """Metadata takes 1,000 keys, at once or little by little."""
    metadata = {f"k{number}": 1 for number in range(1000)}
    assert 204 == noted.put(PATH, json={"metadata": metadata}).status_code
    response = noted.put(f"{PATH}/one_more", json={"value": 1})
    assert (400, {"detail": "metadata has at most 1000 keys, and this makes 1001"}) == (
        response.status_code,
        response.json(),
    )
