"""Each answer of each route of the settings (compatibility.md, *Settings*); attributes and metadata apart."""

import pytest

from heksher.server.storage.base import LoggedChange
from tests.support.api import Api, locations

PATH = "/api/v1/settings"

# Every request that is about one setting: method, what follows its name in the path, body.
REQUESTS = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("PUT", "/type", {"type": "int", "version": "2.0"}),
    ("PUT", "/name", {"name": "other", "version": "2.0"}),
    ("PUT", "/configurable_features", {"configurable_features": ["user"], "version": "2.0"}),
    ("GET", "/metadata", None),
    ("POST", "/metadata", {"metadata": {}, "version": "2.0"}),
    ("PUT", "/metadata", {"metadata": {}, "version": "2.0"}),
    ("DELETE", "/metadata", {"version": "2.0"}),
    ("PUT", "/metadata/key", {"value": 1, "version": "2.0"}),
    ("DELETE", "/metadata/key", {"version": "2.0"}),
]


@pytest.fixture
def renamed(api: Api) -> Api:
    """A service with one setting, ``cache.ttl``, that used to be ``cache_ttl``, at version 1.1."""
    return api.begin_with(prepare_renamed)


def prepare_renamed(api: Api) -> None:
    api.declare("cache_ttl", metadata={"key": 1})
    api.declare("cache.ttl", metadata={"key": 1}, alias="cache_ttl", version="1.1")


@pytest.mark.parametrize("name", ["unknown", "cache_ttl%0A", "%00", "%ff", "a%20b", "a" * 5000, "%F0%9F%92%A9"])
@pytest.mark.parametrize(("method", "suffix", "body"), REQUESTS)
def test_an_unknown_setting_is_not_found(renamed: Api, method: str, suffix: str, body: object, name: str):
    """Whatever is not the name or an alias of a setting is a 404 with a text."""
    response = renamed.request(method, f"{PATH}/{name}{suffix}", json=body)
    assert (404, "text/plain; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert response.text.startswith("there is no setting named ")


@pytest.mark.storages
@pytest.mark.parametrize(("method", "suffix", "body"), REQUESTS)
def test_an_alias_is_as_good_as_the_name(renamed: Api, method: str, suffix: str, body: object):
    """Every route takes an alias, and does to the setting what it would do under the name."""
    by_name, by_alias = renamed, Api()
    by_alias.add_features("environment", "user", "theme")
    by_alias.declare("cache_ttl", metadata={"key": 1})
    by_alias.declare("cache.ttl", metadata={"key": 1}, alias="cache_ttl", version="1.1")
    expected = by_name.request(method, f"{PATH}/cache.ttl{suffix}", json=body)
    actual = by_alias.request(method, f"{PATH}/cache_ttl{suffix}", json=body)
    assert expected.status_code in {200, 204}
    assert (expected.status_code, expected.text) == (actual.status_code, actual.text)
    everything = f"{PATH}?include_additional_data=true"
    assert by_name.get(everything).json() == by_alias.get(everything).json()


@pytest.mark.parametrize(("method", "suffix", "body"), [request for request in REQUESTS if request[2]])
def test_a_body_is_required(renamed: Api, method: str, suffix: str, body: object):
    """A missing, empty or otherwise shaped body is a 422."""
    for content in (b"", b"null", b"[]", b"{}", b'"a"', b"{"):
        assert locations(renamed.request(method, f"{PATH}/cache.ttl{suffix}", content=content))


@pytest.mark.parametrize("version", ["1", "1.", "v1.0", "1.0\n", "1.0.0", "", None, True, "1.1234567890"])
@pytest.mark.parametrize(("method", "suffix", "body"), [request for request in REQUESTS if request[2]])
def test_a_version_has_two_numbers(renamed: Api, method: str, suffix: str, body: dict, version: object):
    """A malformed version is a 422 that names it."""
    response = renamed.request(method, f"{PATH}/cache.ttl{suffix}", json={**body, "version": version})
    assert [["body", "version"]] == locations(response)


@pytest.mark.storages
def test_settings_are_listed_by_name(api: Api):
    """The list has four attributes of each setting, sorted by the bytes of the names."""
    for name in ("b", "B", "a.b", "a_b", "_"):
        api.declare(name)
    response = api.get(PATH)
    assert 200 == response.status_code
    assert {
        "settings": [
            {"name": name, "type": "int", "default_value": 60, "version": "1.0"}
            for name in ("B", "_", "a.b", "a_b", "b")
        ]
    } == response.json()


@pytest.mark.storages
@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_settings_are_listed_with_additional_data(renamed: Api, text: str):
    """The list has all seven attributes on demand."""
    response = renamed.get(PATH, params={"include_additional_data": text})
    assert {
        "settings": [
            {
                "name": "cache.ttl",
                "configurable_features": ["environment", "user"],
                "type": "int",
                "default_value": 60,
                "metadata": {"key": 1},
                "aliases": ["cache_ttl"],
                "version": "1.1",
            }
        ]
    } == response.json()


def test_an_empty_service_lists_no_settings():
    """A service starts without settings."""
    assert {"settings": []} == Api().get(PATH).json()


def test_the_choice_of_additional_data_is_true_or_false(api: Api):
    """Anything else is a 422."""
    assert [["query", "include_additional_data"]] == locations(api.get(f"{PATH}?include_additional_data=maybe"))


@pytest.mark.storages
def test_a_setting_has_seven_attributes(api: Api):
    """Features come in the service's order, whatever the declaration's was, and after the service's has changed."""
    api.declare("cache_ttl", configurable_features=["theme", "user"], type='Flags["a"]', default_value=[])
    assert {
        "name": "cache_ttl",
        "configurable_features": ["user", "theme"],
        "type": 'Flags["a"]',
        "default_value": [],
        "metadata": {},
        "aliases": [],
        "version": "1.0",
    } == api.get_setting("cache_ttl")
    api.patch("/api/v1/context_features/theme/index", json={"to_before": "environment"})
    assert ["theme", "user"] == api.get_setting("cache_ttl")["configurable_features"]


@pytest.mark.storages
def test_a_setting_is_deleted_with_its_rules(renamed: Api):
    """The rules go too, and both names are free; the log has all that is needed to undo it."""
    rule_id = renamed.add_rule("cache.ttl", {"user": "a"}, 1)
    picture = renamed.get_setting("cache.ttl")
    response = renamed.delete(f"{PATH}/cache_ttl")
    assert (204, b"") == (response.status_code, response.content)
    assert 404 == renamed.get(f"/api/v1/rules/{rule_id}").status_code
    assert {} == renamed.query()
    rule = {"setting": "cache.ttl", "value": 1, "feature_values": [["user", "a"]], "metadata": {}}
    assert (
        LoggedChange("delete", "rule", str(rule_id), rule, None, "cache.ttl"),
        LoggedChange("delete", "setting", "cache.ttl", picture, None),
    ) == renamed.read_log()[-1].changes
    assert {"outcome": "created"} == renamed.declare("cache_ttl")
    assert {"outcome": "created"} == renamed.declare("cache.ttl")


def put_name(api: Api, name: str, new_name: object, version: str):
    return api.put(f"{PATH}/{name}/name", json={"name": new_name, "version": version})


@pytest.mark.storages
@pytest.mark.parametrize(("name", "version"), [("cache.ttl", "1.1"), ("cache_ttl", "1.2"), ("cache.ttl", "2.0")])
def test_a_setting_is_renamed(renamed: Api, name: str, version: str):
    """At the same or a newer version; the old name becomes an alias, beside the older ones."""
    rule_id = renamed.add_rule("cache.ttl", {"user": "a"}, 1)
    response = put_name(renamed, name, "ttl", version)
    assert (204, b"") == (response.status_code, response.content)
    setting = renamed.get_setting("cache_ttl")
    assert ("ttl", ["cache.ttl", "cache_ttl"], version) == tuple(setting[key] for key in ("name", "aliases", "version"))
    assert "ttl" == renamed.get(f"/api/v1/rules/{rule_id}").json()["setting"]


@pytest.mark.storages
@pytest.mark.parametrize("name", ["cache.ttl", "cache_ttl"])
def test_a_setting_can_take_its_alias_as_its_name(renamed: Api, name: str):
    """The two are swapped."""
    assert 204 == put_name(renamed, name, "cache_ttl", "1.2").status_code
    setting = renamed.get_setting("cache.ttl")
    assert ("cache_ttl", ["cache.ttl"], "1.2") == tuple(setting[key] for key in ("name", "aliases", "version"))


@pytest.mark.trap(34)
@pytest.mark.parametrize("name", ["cache.ttl", "cache_ttl"])
def test_the_same_name_only_bumps_the_version(renamed: Api, name: str):
    """Through an alias as well."""
    assert 204 == put_name(renamed, name, "cache.ttl", "1.2").status_code
    setting = renamed.get_setting("cache.ttl")
    assert ("cache.ttl", ["cache_ttl"], "1.2") == tuple(setting[key] for key in ("name", "aliases", "version"))


def test_the_same_name_and_version_change_nothing(renamed: Api):
    """Such a request is accepted and records nothing."""
    revision = renamed.revision()
    assert 204 == put_name(renamed, "cache.ttl", "cache.ttl", "1.1").status_code
    assert revision == renamed.revision()


@pytest.mark.parametrize("new_name", ["cache.ttl", "cache_ttl", "ttl"])
def test_an_older_version_does_not_rename(renamed: Api, new_name: str):
    """It is a 409, even for the name that the setting has."""
    response = put_name(renamed, "cache.ttl", new_name, "1.0")
    assert 409 == response.status_code
    assert "must be newer" in response.json()["detail"]
    assert "cache.ttl" == renamed.get_setting("cache_ttl")["name"]


@pytest.mark.storages
@pytest.mark.parametrize("new_name", ["cache.ttl", "cache_ttl"])
def test_a_name_of_another_setting_cannot_be_taken(renamed: Api, new_name: str):
    """Neither its name nor an alias of it."""
    renamed.declare("other")
    response = put_name(renamed, "other", new_name, "2.0")
    assert 409 == response.status_code
    assert "belongs to setting 'cache.ttl'" in response.json()["detail"]


@pytest.mark.parametrize("new_name", ["", "a b", "a\n", "é", None, True, "a" * 256, ".", ".."])
def test_a_new_name_follows_the_rules(renamed: Api, new_name: object):
    """Else it is a 422."""
    assert [["body", "name"]] == locations(put_name(renamed, "cache.ttl", new_name, "2.0"))


def test_settings_are_listed_in_pages_where_a_limit_is_given(api: Api):
    """As whole as without: the same items, in the same order."""
    for name in "dbace":
        api.declare(name)
    whole = api.get(PATH).json()
    assert {"settings"} == whole.keys()
    found, cursor = [], {}
    while cursor is not None:
        page = api.get(PATH, params={"limit": 2, **cursor}).json()
        assert len(page["settings"]) <= 2
        found += page["settings"]
        cursor = None if page["next_cursor"] is None else {"cursor": page["next_cursor"]}
    assert whole["settings"] == found
    assert "aliases" in api.get(PATH, params={"limit": 1, "include_additional_data": "true"}).json()["settings"][0]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=YQ", "limit"), ("limit=1&cursor=a", "cursor")],
)
def test_a_page_of_settings_that_cannot_be(api: Api, query: str, wrong: str):
    """Is refused, and what is wrong is named."""
    assert [["query", wrong]] == locations(api.get(f"{PATH}?{query}"))
