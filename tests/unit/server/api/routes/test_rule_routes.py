"""Each answer of each route of the rules (docs/reference/compatibility.md, *Rules*)."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/rules"
UNKNOWN_IDS = ["2", "0", "99999999999999999999999999", "9" * 4000]


@pytest.fixture
def ruled(api: Api) -> Api:
    """A service with a setting ``cache.ttl``, once ``cache_ttl``, and a rule with the id 1."""
    return api.begin_with(prepare_ruled)


def prepare_ruled(api: Api) -> None:
    api.declare("cache_ttl")
    api.declare("cache.ttl", alias="cache_ttl", version="1.1")
    api.add_rule("cache.ttl", {"user": "guest", "environment": "dev"}, 10, metadata={"by": "me"})


@pytest.mark.storages
@pytest.mark.parametrize("name", ["cache.ttl", "cache_ttl"])
def test_a_rule_is_added(ruled: Api, name: str):
    """The answer has its id, and where it is; the setting may be named by an alias."""
    response = ruled.try_add_rule(name, {"user": "admin"}, 20)
    assert (201, {"rule_id": 2}, "/2") == (response.status_code, response.json(), response.headers["location"])
    assert str(ruled.revision()) == response.headers["Heksher-Revision"]
    assert {"setting": "cache.ttl", "value": 20, "feature_values": [["user", "admin"]], "metadata": {}} == ruled.get(
        f"{PATH}/2"
    ).json()


@pytest.mark.storages
@pytest.mark.parametrize(
    ("value_type", "default", "value"),
    [
        ("int", 1, 0),
        ("int", 1, 2.0),
        ("float", 1, 2),
        ("bool", True, False),
        ("str", "a", ""),
        ("str", "a", "\u0000 \u2028 💩"),
        ("Sequence<int>", [1], []),
        ("Mapping<float>", {}, {"a": 1.5, "": 2}),
        ("Enum[1,true]", 1, True),
        ('Flags["a","b"]', [], ["b"]),
    ],
)
def test_values_of_every_type_are_kept(api: Api, value_type: str, default: object, value: object):
    """What was sent comes back, falsy or not."""
    api.declare("setting", type=value_type, default_value=default)
    rule_id = api.add_rule("setting", {"user": "a"}, value)
    stored = api.get(f"{PATH}/{rule_id}").json()["value"]
    assert (type(value), value) == (type(stored), stored)


@pytest.mark.parametrize("feature_values", [{}, None, [], "a:x", {"user": ""}, {"user": True}, {"user": ["a"]}])
def test_conditions_are_required(ruled: Api, feature_values: object):
    """None, or malformed ones, are a 422."""
    assert ["body", "feature_values"] == locations(ruled.try_add_rule("cache.ttl", feature_values, 1))[0][:2]


@pytest.mark.trap(35)
@pytest.mark.parametrize("feature_values", [{"user\n": "a"}, {"user": "a\n"}, {"": "a"}, {"user": "a" * 257}])
def test_conditions_follow_the_rules(ruled: Api, feature_values: dict):
    """A trailing newline does not pass, nor does a value of more than 256 characters."""
    assert ["body", "feature_values"] == locations(ruled.try_add_rule("cache.ttl", feature_values, 1))[0][:2]


def test_a_number_is_taken_as_text(ruled: Api):
    """As existing programs rely on; true and null are no text."""
    rule_id = ruled.add_rule("cache.ttl", {"user": 5}, 1)
    assert [["user", "5"]] == ruled.get(f"{PATH}/{rule_id}").json()["feature_values"]


@pytest.mark.parametrize("name", ["unknown", "", "a b", "cache.ttl\n", None, 5])
def test_a_rule_needs_a_setting(ruled: Api, name: object):
    """An unknown or malformed setting is a 422."""
    assert [["body", "setting"]] == locations(ruled.try_add_rule(name, {"user": "a"}, 1))


@pytest.mark.parametrize("field", ["setting", "feature_values", "value"])
def test_required_fields_are_required(ruled: Api, field: str):
    """A body without one is a 422 that names it."""
    body = {"setting": "cache.ttl", "feature_values": {"user": "a"}, "value": 1}
    del body[field]
    assert [["body", field]] == locations(ruled.post(PATH, json=body))


@pytest.mark.parametrize("feature", ["theme", "unheard_of"])
def test_a_rule_needs_configurable_features(ruled: Api, feature: str):
    """A feature that the setting is not configurable by is a 400 that names it, whether or not the service has it."""
    response = ruled.try_add_rule("cache.ttl", {"user": "a", feature: "a"}, 1)
    assert 400 == response.status_code
    assert f"['{feature}']" in response.json()["detail"]


@pytest.mark.parametrize("value", ["a", 1.5, True, None, [1], {}])
def test_a_rule_needs_a_value_of_the_type(ruled: Api, value: object):
    """Any other is a 400 that names both."""
    response = ruled.try_add_rule("cache.ttl", {"user": "a"}, value)
    assert 400 == response.status_code
    assert "'cache.ttl'" in response.json()["detail"]
    assert "int" in response.json()["detail"]


@pytest.mark.storages
@pytest.mark.parametrize("name", ["cache.ttl", "cache_ttl"])
def test_conditions_are_unique(ruled: Api, name: str):
    """A second rule with the same conditions is a 409 with the text of the contract, whatever its value."""
    response = ruled.try_add_rule(name, {"environment": "dev", "user": "guest"}, 11)
    assert (409, "rule already exists") == (response.status_code, response.text)


@pytest.mark.storages
def test_some_of_the_conditions_make_another_rule(ruled: Api):
    """So does another setting."""
    ruled.declare("other")
    assert [2, 3] == [
        ruled.add_rule("cache.ttl", {"user": "guest"}, 1),
        ruled.add_rule("other", {"environment": "dev", "user": "guest"}, 1),
    ]


SEARCHES = ["environment:dev,user:guest", "user:guest,environment:dev"]


@pytest.mark.storages
@pytest.mark.parametrize("name", ["cache.ttl", "cache_ttl"])
@pytest.mark.parametrize("conditions", SEARCHES)
def test_a_rule_is_found_by_its_conditions(ruled: Api, conditions: str, name: str):
    """In any order, under the name or an alias of its setting."""
    response = ruled.get(f"{PATH}/search", params={"setting": name, "feature_values": conditions})
    assert (200, {"rule_id": 1}) == (response.status_code, response.json())


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("cache.ttl", "user:guest"),
        ("cache.ttl", "user:guest,environment:dev,theme:dark"),
        ("cache.ttl", "user:guest,environment:Dev"),
        ("cache.ttl", "unheard_of:guest"),
        ("unknown", "environment:dev,user:guest"),
    ],
)
def test_only_exact_conditions_find_a_rule(ruled: Api, name: str, conditions: str):
    """Fewer, more or other ones, or another setting, are a 404 without a body."""
    response = ruled.get(f"{PATH}/search", params={"setting": name, "feature_values": conditions})
    assert (404, b"") == (response.status_code, response.content)


@pytest.mark.parametrize(
    "conditions",
    ["", ",", "user", "user:", ":guest", "user:guest,", "user:guest,,a:b", "user:a:b", "user:a b", "user:*",
     "user:guest\n", "user:a,user:b", "user:a,user:a", "user:(a)"],
)  # fmt: skip
def test_malformed_conditions_find_nothing(ruled: Api, conditions: str):
    """They are a 422 that names the parameter."""
    response = ruled.get(f"{PATH}/search", params={"setting": "cache.ttl", "feature_values": conditions})
    assert [["query", "feature_values"]] == locations(response)


@pytest.mark.parametrize("name", ["", "a b", "cache.ttl\n", "%00"])
def test_a_malformed_setting_finds_nothing(ruled: Api, name: str):
    """It is a 422."""
    response = ruled.get(f"{PATH}/search", params={"setting": name, "feature_values": "user:a"})
    assert [["query", "setting"]] == locations(response)


def test_a_search_needs_both_parameters(ruled: Api):
    """Without them it is a 422."""
    assert [["query", "setting"], ["query", "feature_values"]] == locations(ruled.get(f"{PATH}/search"))


@pytest.mark.storages
def test_a_rule_is_read(ruled: Api):
    """Its conditions come in feature order, also after that has changed."""
    rule = {"setting": "cache.ttl", "value": 10, "metadata": {"by": "me"}}
    response = ruled.get(f"{PATH}/1")
    assert (200, {**rule, "feature_values": [["environment", "dev"], ["user", "guest"]]}) == (
        response.status_code,
        response.json(),
    )
    ruled.patch("/api/v1/context_features/user/index", json={"to_before": "environment"})
    assert {**rule, "feature_values": [["user", "guest"], ["environment", "dev"]]} == ruled.get(f"{PATH}/1").json()


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {"value": 1}),
        ("PUT", "/value", {"value": 1}),
        ("GET", "/metadata", None),
        ("POST", "/metadata", {"metadata": {}}),
        ("PUT", "/metadata", {"metadata": {}}),
        ("DELETE", "/metadata", None),
        ("PUT", "/metadata/key", {"value": 1}),
        ("DELETE", "/metadata/key", None),
    ],
)
class TestEveryRouteOfOneRule:
    """What the routes that are about one rule have in common."""

    @pytest.mark.parametrize("rule_id", UNKNOWN_IDS)
    def test_an_unknown_rule_is_not_found(self, ruled: Api, method: str, suffix: str, body: object, rule_id: str):
        """Any number that is not a rule's id is a 404 without a body."""
        response = ruled.request(method, f"{PATH}/{rule_id}{suffix}", json=body)
        assert (404, b"") == (response.status_code, response.content)

    @pytest.mark.parametrize("rule_id", ["a", "1.0", "-1", "+1", "1_0", "%201", "1%0A", "%00", "%D9%A1", "9" * 5000])
    def test_an_id_is_a_whole_number(self, ruled: Api, method: str, suffix: str, body: object, rule_id: str):
        """Anything else is a 422, and so is a number of more than 4,300 digits."""
        response = ruled.request(method, f"{PATH}/{rule_id}{suffix}", json=body)
        assert [["path", "rule_id"]] == locations(response)


VALUE_ROUTES = pytest.mark.parametrize(("method", "suffix"), [("PUT", "/value"), ("PATCH", "")])


@pytest.mark.storages
@VALUE_ROUTES
def test_a_value_is_changed(ruled: Api, method: str, suffix: str):
    """To another one of the type, falsy ones included, by the deprecated route too."""
    response = ruled.request(method, f"{PATH}/1{suffix}", json={"value": 0})
    assert (204, b"") == (response.status_code, response.content)
    assert str(ruled.revision()) == response.headers["Heksher-Revision"]
    assert {
        "setting": "cache.ttl",
        "value": 0,
        "feature_values": [["environment", "dev"], ["user", "guest"]],
        "metadata": {"by": "me"},
    } == ruled.get(f"{PATH}/1").json()


@VALUE_ROUTES
def test_the_same_value_changes_nothing(ruled: Api, method: str, suffix: str):
    """It is accepted, and records nothing."""
    revision = ruled.revision()
    assert 204 == ruled.request(method, f"{PATH}/1{suffix}", json={"value": 10}).status_code
    assert revision == ruled.revision()


@VALUE_ROUTES
@pytest.mark.parametrize("value", ["a", 1.5, True, None, [1], {}])
def test_a_value_that_does_not_fit_is_refused(ruled: Api, method: str, suffix: str, value: object):
    """It is a 400, and the value stays."""
    response = ruled.request(method, f"{PATH}/1{suffix}", json={"value": value})
    assert 400 == response.status_code
    assert "int" in response.json()["detail"]
    assert 10 == ruled.get(f"{PATH}/1").json()["value"]


@VALUE_ROUTES
@pytest.mark.parametrize("content", [b"", b"{}", b"10", b"null", b'{"value": NaN}', b'{"value": 1e999}'])
def test_a_value_is_required(ruled: Api, method: str, suffix: str, content: bytes):
    """A body without one is a 422."""
    assert locations(ruled.request(method, f"{PATH}/1{suffix}", content=content))


@pytest.mark.storages
def test_a_rule_is_deleted(ruled: Api):
    """It is gone, and its id is not given again."""
    response = ruled.delete(f"{PATH}/1")
    assert (204, b"") == (response.status_code, response.content)
    assert str(ruled.revision()) == response.headers["Heksher-Revision"]
    assert 404 == ruled.delete(f"{PATH}/1").status_code
    assert 2 == ruled.add_rule("cache.ttl", {"user": "guest", "environment": "dev"}, 1)


@pytest.mark.storages
def test_every_change_of_a_rule_is_one_entry_of_the_log(ruled: Api):
    """The entry has the rule before and after the change."""
    added = {
        "setting": "cache.ttl",
        "value": 10,
        "feature_values": [["environment", "dev"], ["user", "guest"]],
        "metadata": {"by": "me"},
    }
    ruled.put(f"{PATH}/1/value", json={"value": 11})
    ruled.put(f"{PATH}/1/metadata", json={"metadata": {}})
    ruled.delete(f"{PATH}/1")
    emptied = {**added, "value": 11, "metadata": {}}
    assert [
        ("add", "1", None, added),
        ("set value", "1", {"value": 10}, {"value": 11}),
        ("set metadata", "1", {"metadata": {"by": "me"}}, {"metadata": {}}),
        ("delete", "1", emptied, None),
    ] == [
        (entry.change.action, entry.change.key, entry.change.before, entry.change.after)
        for entry in ruled.read_log()
        if entry.change.kind == "rule"
    ]
