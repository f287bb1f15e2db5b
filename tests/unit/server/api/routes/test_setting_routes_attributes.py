"""Changing the type and the features of a setting (compatibility.md, *Settings*); 404 is in test_settings."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/settings"


def put_type(api: Api, value_type: str, version: str, name: str = "ratio"):
    return api.put(f"{PATH}/{name}/type", json={"type": value_type, "version": version})


@pytest.fixture
def ratio(api: Api) -> Api:
    """A service with the float setting ``ratio`` at 1.1, default 1, and a rule with the value 2.0."""
    return api.begin_with(prepare_ratio)


def prepare_ratio(api: Api) -> None:
    api.declare("ratio", type="float", default_value=1)
    api.declare("ratio", type="float", default_value=1, version="1.1")
    api.add_rule("ratio", {"user": "a"}, 2.0)


@pytest.mark.storages
@pytest.mark.parametrize(
    ("value_type", "version"),
    [("int", "1.2"), ("int", "2.0"), ("float", "1.2"), ("Enum[1,2]", "2.0"), ("Enum[3,2,1.0]", "2.0")],
)
def test_a_type_is_changed(ratio: Api, value_type: str, version: str):
    """To a subtype in any newer version, to any that all values satisfy in a major one; the version is stored."""
    response = put_type(ratio, value_type, version)
    assert (204, b"") == (response.status_code, response.content)
    setting = ratio.get_setting("ratio")
    assert version == setting["version"]
    assert setting["type"] in {value_type, "Enum[1,2,3]"}


def test_the_type_it_has_needs_no_new_version(ratio: Api):
    """Version and type both unchanged is accepted, and records nothing."""
    revision = ratio.revision()
    assert 204 == put_type(ratio, "float", "1.1").status_code
    assert (revision, "1.1") == (ratio.revision(), ratio.get_setting("ratio")["version"])


@pytest.mark.parametrize(
    ("value_type", "version"), [("int", "1.1"), ("int", "1.0"), ("float", "1.0"), ("float", "0.9"), ("int", "01.1")]
)
def test_a_type_needs_a_newer_version(ratio: Api, value_type: str, version: str):
    """An older version is a 409 for any type, the same version for another type."""
    response = put_type(ratio, value_type, version)
    assert 409 == response.status_code
    assert "must be newer" in response.json()["detail"]
    assert ("float", "1.1") == tuple(ratio.get_setting("ratio")[key] for key in ("type", "version"))


@pytest.mark.trap(33)
@pytest.mark.parametrize("version", ["1.2", "2.0"])
def test_a_type_that_values_do_not_fit_is_refused(ratio: Api, version: str):
    """The conflicts name the ids of the rules, in a major version too."""
    misfit = ratio.add_rule("ratio", {"user": "b"}, 0.5)
    response = put_type(ratio, "int", version)
    assert (409, {"conflicts": [f"setting type incompatible with values for rules: [{misfit}]"]}) == (
        response.status_code,
        response.json(),
    )


def test_a_type_that_the_default_does_not_fit_is_refused(api: Api):
    """The default value must satisfy the type at every moment."""
    api.declare("ratio", type="float", default_value=1.5)
    response = put_type(api, "int", "2.0")
    assert 409 == response.status_code
    assert ["the default value 1.5 is no value of int"] == response.json()["conflicts"]
    assert "float" == api.get_setting("ratio")["type"]


def test_a_type_that_is_no_subtype_is_refused_in_a_minor_version(api: Api):
    """The conflict says that it needs a major version, together with all others."""
    api.declare("number", type="int", default_value=1)
    widening = put_type(api, "float", "1.1", "number")
    unrelated = put_type(api, "str", "1.1", "number")
    assert [409, 409] == [widening.status_code, unrelated.status_code]
    (conflict,) = widening.json()["conflicts"]
    assert "float is not a subtype of int" in conflict
    assert 2 == len(unrelated.json()["conflicts"])
    assert 204 == put_type(api, "float", "2.0", "number").status_code


@pytest.mark.parametrize("value_type", ["in", "", "int\n", "Sequence<>", "Enum[]", None, 1])
def test_a_malformed_type_is_refused(ratio: Api, value_type: object):
    """It is a 422 that names it."""
    assert [["body", "type"]] == locations(put_type(ratio, value_type, "2.0"))


def put_features(api: Api, features: object, version: str, name: str = "color"):
    body = {"configurable_features": features, "version": version}
    return api.put(f"{PATH}/{name}/configurable_features", json=body)


@pytest.fixture
def color(api: Api) -> Api:
    """A service with a setting on environment and user at 1.1, and a rule on user."""
    return api.begin_with(prepare_color)


def prepare_color(api: Api) -> None:
    api.declare("color")
    api.declare("color", version="1.1")
    api.add_rule("color", {"user": "a"}, 1)


@pytest.mark.storages
@pytest.mark.parametrize(
    ("features", "version", "expected"),
    [
        (["user"], "1.2", ["user"]),
        (["user"], "2.0", ["user"]),
        (["theme", "user"], "2.0", ["user", "theme"]),
        (["user", "environment"], "1.2", ["environment", "user"]),
    ],
)
def test_configurable_features_are_changed(color: Api, features: list[str], version: str, expected: list[str]):
    """Unused ones go in any newer version, new ones come in a major one, and the version is stored."""
    response = put_features(color, features, version)
    assert (204, b"") == (response.status_code, response.content)
    setting = color.get_setting("color")
    assert (expected, version) == (setting["configurable_features"], setting["version"])


def test_the_features_it_has_need_no_new_version(color: Api):
    """Nothing changing at all is accepted, and records nothing; order is nothing."""
    revision = color.revision()
    assert 204 == put_features(color, ["user", "environment"], "1.1").status_code
    assert revision == color.revision()


@pytest.mark.parametrize(
    ("features", "version"), [(["user"], "1.1"), (["user"], "1.0"), (["environment", "user"], "1.0")]
)
def test_configurable_features_need_a_newer_version(color: Api, features: list[str], version: str):
    """Else it is a 409."""
    response = put_features(color, features, version)
    assert 409 == response.status_code
    assert "must be newer" in response.json()["detail"]
    assert "1.1" == color.get_setting("color")["version"]


@pytest.mark.storages
@pytest.mark.parametrize("version", ["1.2", "2.0"])
def test_a_feature_in_use_cannot_be_removed(color: Api, version: str):
    """The 409 names the feature and the rules."""
    response = put_features(color, ["environment"], version)
    assert (409, {"detail": "configurable features ['user'] are still in use by rules [1]"}) == (
        response.status_code,
        response.json(),
    )


def test_features_cannot_be_added_in_a_minor_version(color: Api):
    """The 409 names them."""
    response = put_features(color, ["environment", "user", "theme"], "1.2")
    assert 409 == response.status_code
    assert "['theme']" in response.json()["detail"]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_setting_is_not_configurable_by_an_unknown_feature(color: Api, version: str):
    """It is a 404 in JSON that names it."""
    response = put_features(color, ["user", "unheard_of"], version)
    assert 404 == response.status_code
    assert "unheard_of" in response.json()["detail"]


@pytest.mark.trap(44)
@pytest.mark.parametrize("features", [[], ["user", "user"], ["a b"], ["user\n"], "user", None, [None], [["user"]]])
def test_configurable_features_are_distinct_names(color: Api, features: object):
    """None, repeated or malformed ones are a 422."""
    assert ["body", "configurable_features"] == locations(put_features(color, features, "2.0"))[0][:2]


@pytest.mark.storages
def test_every_change_is_one_entry_of_the_log(color: Api):
    """The entry has what differs in the setting before and after the change."""
    before = color.get_setting("color")
    requests = [
        ("set type", "type", {"type": "float", "version": "2.0"}),
        ("set configurable features", "configurable_features", {"configurable_features": ["user"], "version": "2.1"}),
        ("rename", "name", {"name": "color", "version": "2.2"}),
        ("set metadata", "metadata", {"metadata": {"a": 1}, "version": "2.3"}),
    ]
    for action, attribute, body in requests:
        revision = color.revision()
        response = color.put(f"{PATH}/color/{attribute}", json=body)
        assert str(revision + 1) == response.headers["Heksher-Revision"]
        after = color.get_setting("color")
        change = color.read_log()[-1].change
        changed = [name for name in before if before[name] != after[name]]
        sides = [{name: side[name] for name in changed} for side in (before, after)]
        assert (action, "setting", "color", *sides) == (
            change.action,
            change.kind,
            change.key,
            change.before,
            change.after,
        )
        before = after
