"""Declarations that are refused whatever the differences, and the lexical rules of their parts."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/settings/declare"
UNKNOWN = "the service has no context features ['unheard_of']; it has ['environment', 'user', 'theme']: add "
VALID = {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}


@pytest.mark.trap(44)
def test_a_new_setting_with_an_unknown_feature_is_not_found(api: Api):
    """It is a 404 in plain text that names the feature, those that there are, and the variable that adds one."""
    response = api.try_declare("cache_ttl", configurable_features=["user", "unheard_of"])
    assert (404, "text/plain; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert response.text.startswith(UNKNOWN)
    assert "HEKSHER_STARTUP_CONTEXT_FEATURES (--context-features)" in response.text


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0"])
def test_an_unknown_feature_is_not_found(api: Api, version: str):
    """At the stored version and in an upgrade it is a 404 in JSON, with the same text."""
    api.declare("cache_ttl")
    response = api.try_declare("cache_ttl", configurable_features=["user", "unheard_of"], version=version)
    assert 404 == response.status_code
    detail = response.json()["detail"]
    assert detail == Api(api.storage).try_declare("other", configurable_features=["user", "unheard_of"]).text
    changed = {"configurable_features": ["unheard_of"], "version": "3.0"}
    assert detail == api.put("/api/v1/settings/cache_ttl/configurable_features", json=changed).json()["detail"]


INVALID = [
    ({"default_value": "a"}, ["body", "default_value"]),
    ({"default_value": None}, ["body", "default_value"]),
    ({"default_value": True}, ["body", "default_value"]),
    ({"default_value": 1.5}, ["body", "default_value"]),
    ({"type": "Sequence<int>", "default_value": "abc"}, ["body", "default_value"]),
    ({"alias": "cache_ttl"}, ["body", "alias"]),
    ({"alias": "a b"}, ["body", "alias"]),
    ({"type": "enum[1]"}, ["body", "type"]),
    ({"type": "Enum[]"}, ["body", "type"]),
    ({"type": "Enum[[1]]"}, ["body", "type"]),
    ({"type": "int\n"}, ["body", "type"]),
    ({"type": "Sequence<" * 3000 + "int" + ">" * 3000}, ["body", "type"]),
    ({"type": 5}, ["body", "type"]),
    ({"configurable_features": []}, ["body", "configurable_features"]),
    ({"configurable_features": ["user", "user"]}, ["body", "configurable_features"]),
    ({"configurable_features": ["user\n"]}, ["body", "configurable_features", 0]),
    ({"configurable_features": ["user", True]}, ["body", "configurable_features", 1]),
    ({"configurable_features": ["user", None]}, ["body", "configurable_features", 1]),
    ({"configurable_features": "user"}, ["body", "configurable_features"]),
    ({"configurable_features": [f"f{number}" for number in range(257)]}, ["body", "configurable_features"]),
    ({"metadata": {"a b": 1}}, ["body", "metadata", "a b", "[key]"]),
    ({"metadata": {"a\n": 1}}, ["body", "metadata", "a\n", "[key]"]),
    ({"metadata": None}, ["body", "metadata"]),
    ({"metadata": [1]}, ["body", "metadata"]),
    ({"metadata": {f"k{number}": 1 for number in range(1001)}}, ["body", "metadata"]),
    ({"version": "1"}, ["body", "version"]),
    ({"version": "1.0\n"}, ["body", "version"]),
    ({"version": "1.0.0"}, ["body", "version"]),
    ({"version": "-1.0"}, ["body", "version"]),
    ({"version": "\u0660.\u0661"}, ["body", "version"]),
    ({"version": "1.1234567890"}, ["body", "version"]),
    ({"version": 1}, ["body", "version"]),
    ({"version": True}, ["body", "version"]),
    ({"version": None}, ["body", "version"]),
]


@pytest.mark.trap(35)
@pytest.mark.trap(44)
@pytest.mark.parametrize(("change", "location"), INVALID, ids=lambda part: repr(part)[:40])
def test_what_breaks_the_rules_is_refused(api: Api, change: dict, location: list):
    """It is a 422 that names the place, and nothing is stored."""
    assert [location] == locations(api.try_declare("cache_ttl", **change))
    assert {} == api.query()


@pytest.mark.parametrize("name", ["", "a b", "a-b", "a\n", "é", "a/b", "a" * 256, ".", ".."])
def test_a_setting_needs_a_proper_name(api: Api, name: str):
    """Names are letters, digits, underscores and dots, of at most 255 characters; nor is it one as an alias."""
    assert [["body", "name"]] == locations(api.try_declare(name))
    assert [["body", "alias"]] == locations(api.try_declare("a", alias=name))
    (answer,) = api.post(f"{PATH}-many", json=[{**VALID, "name": name}]).json()
    assert 422 == answer["status"]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_path_can_have_is_told_what_to_do(api: Api, name: str):
    """Programs and proxies take these out of a path, so a request about one would be about something else."""
    (part,) = api.try_declare(name).json()["detail"]
    assert f"no setting can be named {name!r}, which a path cannot have: add a letter, a digit or a _" == part["msg"]


@pytest.mark.parametrize("name", ["...", ".a", "a.b", "A", "0", "_", "a" * 255])
def test_unusual_names_are_fine(api: Api, name: str):
    """Dots may stand anywhere."""
    assert {"outcome": "created"} == api.declare(name)
    assert [name] == list(api.query(settings=name))


@pytest.mark.parametrize("field", ["name", "configurable_features", "type", "default_value"])
def test_required_fields_are_required(api: Api, field: str):
    """A body without one is a 422 that names it."""
    body = dict(VALID)
    del body[field]
    assert [["body", field]] == locations(api.post(PATH, json=body))


def test_unknown_fields_are_ignored(api: Api):
    """A newer client may say more than this service knows."""
    assert {"outcome": "created"} == api.declare("cache_ttl", priority=5)


def test_a_body_without_content_type_is_read_as_json(api: Api):
    """Existing clients send it that way."""
    body = b'{"name":"a","configurable_features":["user"],"type":"int","default_value":1}'
    assert {"outcome": "created"} == api.post(PATH, content=body).json()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "nonsense"])
def test_a_body_of_another_content_type_is_refused(api: Api, content_type: str):
    """It is a 422 that says which one to send."""
    body = b'{"name":"a","configurable_features":["user"],"type":"int","default_value":1}'
    response = api.post(PATH, content=body, headers={"Content-Type": content_type})
    assert [["body"]] == locations(response)
    assert response.json()["detail"][0]["msg"].endswith("send Content-Type: application/json")


@pytest.mark.parametrize("content_type", ["Application/JSON; charset=utf-8", "application/vnd.a+json", ""])
def test_a_body_of_json_is_read(api: Api, content_type: str):
    """However its type is written."""
    body = b'{"name":"a","configurable_features":["user"],"type":"int","default_value":1}'
    assert 200 == api.post(PATH, content=body, headers={"Content-Type": content_type}).status_code


def test_numbers_are_taken_as_text(api: Api):
    """Wherever a name or a version is asked for, as existing programs rely on."""
    api.add_features("5")
    assert 200 == api.try_declare(7, configurable_features=["user", 5], version=1.0).status_code
    setting = api.get_setting("7")
    assert (["user", "5"], "1.0") == (setting["configurable_features"], setting["version"])
    assert 204 == api.put("/api/v1/settings/7/type", json={"type": "float", "version": 2.1}).status_code
