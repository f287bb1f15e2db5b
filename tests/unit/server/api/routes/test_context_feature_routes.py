"""Each answer of each route of the context features (docs/reference/compatibility.md, *Context features*)."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/context_features"


def list_features(api: Api) -> list[str]:
    return api.get(PATH).json()["context_features"]


@pytest.mark.storages
def test_features_are_listed_in_their_order(api: Api):
    """The list has the service's order, which is the order of addition at first."""
    response = api.get(PATH)
    assert (200, {"context_features": ["environment", "user", "theme"]}) == (response.status_code, response.json())


def test_an_empty_service_lists_no_features():
    """A service starts without context features."""
    assert [] == list_features(Api())


@pytest.mark.storages
def test_a_feature_has_an_index(api: Api):
    """The index counts from 0, the most general feature."""
    assert [{"index": 0}, {"index": 1}, {"index": 2}] == [
        api.get(f"{PATH}/{name}").json() for name in ("environment", "user", "theme")
    ]


@pytest.mark.parametrize("name", ["trust", "user%0A", "%00", "us%ff", "a" * 5000])
def test_an_unknown_feature_has_no_index(api: Api, name: str):
    """Whatever is not in the list is a 404 without a body."""
    response = api.get(f"{PATH}/{name}")
    assert (404, b"") == (response.status_code, response.content)


@pytest.mark.storages
def test_a_feature_is_added_last(api: Api):
    """An added feature is the most specific one."""
    response = api.post(PATH, json={"context_feature": "trust"})
    assert (204, b"") == (response.status_code, response.content)
    assert ["environment", "user", "theme", "trust"] == list_features(api)


@pytest.mark.storages
@pytest.mark.trap(37)
def test_the_first_feature_can_be_added():
    """An empty service takes its first feature."""
    api = Api()
    assert 204 == api.post(PATH, json={"context_feature": "user"}).status_code
    assert ["user"] == list_features(api)


def test_a_number_is_added_as_text(api: Api):
    """As existing programs rely on, here and where a feature is moved."""
    assert 204 == api.post(PATH, json={"context_feature": 5}).status_code
    assert 204 == api.patch(f"{PATH}/user/index", json={"to_after": 5}).status_code
    assert ["environment", "theme", "5", "user"] == list_features(api)


@pytest.mark.storages
def test_a_feature_that_exists_is_not_added(api: Api):
    """The refusal is the text of the contract, and nothing changes."""
    response = api.post(PATH, json={"context_feature": "user"})
    assert (409, "context feature already exists") == (response.status_code, response.text)
    assert ["environment", "user", "theme"] == list_features(api)


@pytest.mark.trap(41)
@pytest.mark.parametrize("name", ["", "a b", "a-b", "a.b", "user\n", "é", "a,b", "a/b", "a" * 256, None, True, ["a"]])
def test_a_feature_with_a_bad_name_is_not_added(api: Api, name: object):
    """A name that breaks the lexical rule is a 422, so it can never poison the list."""
    assert [["body", "context_feature"]] == locations(api.post(PATH, json={"context_feature": name}))
    assert ["environment", "user", "theme"] == list_features(api)


@pytest.mark.parametrize("name", ["2fa", "class", "_", "A", "0", "a" * 255])
def test_unusual_names_are_fine(api: Api, name: str):
    """Letters, digits and underscores are all that the rule asks for."""
    assert 204 == api.post(PATH, json={"context_feature": name}).status_code
    assert {"index": 3} == api.get(f"{PATH}/{name}").json()


def test_there_is_a_limit_on_features():
    """The service takes 256 context features, and says so when asked for more."""
    api = Api()
    api.add_features(*(f"f{number}" for number in range(256)))
    response = api.post(PATH, json={"context_feature": "one_more"})
    assert (400, {"detail": "the service takes at most 256 context features"}) == (
        response.status_code,
        response.json(),
    )


@pytest.mark.storages
@pytest.mark.parametrize(
    ("name", "body", "order"),
    [
        ("environment", {"to_after": "theme"}, ["user", "theme", "environment"]),
        ("environment", {"to_after": "user"}, ["user", "environment", "theme"]),
        ("theme", {"to_before": "environment"}, ["theme", "environment", "user"]),
        ("theme", {"to_before": "user"}, ["environment", "theme", "user"]),
        ("theme", {"to_after": "environment"}, ["environment", "theme", "user"]),
        ("user", {"to_before": "environment", "to_after": None}, ["user", "environment", "theme"]),
    ],
)
def test_a_feature_is_moved(api: Api, name: str, body: dict, order: list[str]):
    """A feature goes to just before or after another one, and the others keep their order."""
    response = api.patch(f"{PATH}/{name}/index", json=body)
    assert (204, b"", order) == (response.status_code, response.content, list_features(api))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("user", {"to_after": "environment"}),
        ("user", {"to_before": "theme"}),
        ("user", {"to_before": "user"}),
        ("user", {"to_after": "user"}),
    ],
)
def test_a_feature_can_be_moved_to_where_it_is(api: Api, name: str, body: dict):
    """Such a move is accepted, and changes and records nothing."""
    revision = api.revision()
    assert 204 == api.patch(f"{PATH}/{name}/index", json=body).status_code
    assert (revision, ["environment", "user", "theme"]) == (api.revision(), list_features(api))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("trust", {"to_after": "user"}),
        ("trust", {"to_before": "trust"}),
        ("user", {"to_after": "trust"}),
        ("user", {"to_before": "trust"}),
    ],
)
def test_unknown_features_cannot_be_moved(api: Api, name: str, body: dict):
    """If either of the two is unknown, the answer is a 404 without a body."""
    response = api.patch(f"{PATH}/{name}/index", json=body)
    assert (404, b"") == (response.status_code, response.content)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to_after": None},
        {"to_after": "environment", "to_before": "theme"},
        {"to_after": "a b"},
        {"to_before": True},
        [],
        None,
        "user",
    ],
)
def test_a_move_needs_one_target(api: Api, body: object):
    """None, two or malformed targets are a 422."""
    assert locations(api.patch(f"{PATH}/user/index", json=body))


@pytest.mark.storages
def test_a_feature_is_deleted(api: Api):
    """The others keep their order."""
    response = api.delete(f"{PATH}/user")
    assert (204, b"", ["environment", "theme"]) == (response.status_code, response.content, list_features(api))


def test_an_unknown_feature_cannot_be_deleted(api: Api):
    """It is a 404 without a body."""
    response = api.delete(f"{PATH}/trust")
    assert (404, b"") == (response.status_code, response.content)


@pytest.mark.storages
@pytest.mark.trap(37)
def test_a_feature_in_use_cannot_be_deleted(api: Api):
    """A feature that one or more settings are configurable by stays, with the text of the contract."""
    text = "context feature can't be deleted, there is at least one setting configured by it"
    api.declare("one", configurable_features=["user"])
    first = api.delete(f"{PATH}/user")
    api.declare("two", configurable_features=["user", "theme"])
    second = api.delete(f"{PATH}/user")
    assert [(409, text)] * 2 == [(response.status_code, response.text) for response in (first, second)]
    assert ["environment", "user", "theme"] == list_features(api)


def test_a_feature_can_be_deleted_when_no_setting_uses_it_any_more(api: Api):
    """Use ends with the setting."""
    api.declare("one", configurable_features=["user"])
    api.delete("/api/v1/settings/one")
    assert 204 == api.delete(f"{PATH}/user").status_code


@pytest.mark.storages
def test_each_write_tells_its_revision(api: Api):
    """The answer to a write has the revision at which it can be seen."""
    response = api.post(PATH, json={"context_feature": "trust"})
    assert str(api.revision()) == response.headers["Heksher-Revision"]
