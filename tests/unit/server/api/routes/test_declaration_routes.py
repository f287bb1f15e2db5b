"""Each outcome of a declaration, and each difference (docs/reference/compatibility.md, *Declare*).

Renames are in test_declaration_names, what is refused whatever is stored in test_declaration_refusals.
"""

import pytest

from heksher.server.config import Config
from tests.support.api import Api, major, minor, removal


@pytest.mark.storages
def test_a_new_setting_is_created(api: Api):
    """Version 1.0 creates it with all its attributes."""
    response = api.try_declare("cache_ttl", metadata={"unit": "s"}, version="1.0")
    assert (200, {"outcome": "created"}) == (response.status_code, response.json())
    assert {
        "name": "cache_ttl",
        "configurable_features": ["environment", "user"],
        "type": "int",
        "default_value": 60,
        "metadata": {"unit": "s"},
        "aliases": [],
        "version": "1.0",
    } == api.get_setting("cache_ttl")


def test_version_and_metadata_have_defaults(api: Api):
    """A declaration without them is version 1.0 with no metadata, and a null alias is none."""
    assert {"outcome": "created"} == api.declare("cache_ttl", alias=None)
    setting = api.get_setting("cache_ttl")
    assert ("1.0", {}) == (setting["version"], setting["metadata"])


@pytest.mark.parametrize("version", ["1.1", "2.0", "0.9", "0.0"])
def test_a_new_setting_starts_at_version_one(api: Api, version: str):
    """Any other version of a setting that does not exist is a 400."""
    response = api.try_declare("cache_ttl", version=version)
    assert 400 == response.status_code
    assert version in response.json()["detail"]
    assert 404 == api.get("/api/v1/settings/cache_ttl").status_code


@pytest.mark.storages
def test_a_service_can_accept_any_first_version():
    """Then it takes programs that are beyond 1.0; the name that a setting had before in them is its alias."""
    api = Api(config=Config(database="unused", first_version="any"))
    api.add_features("environment", "user")
    assert {"outcome": "created"} == api.declare("ttl", version="2.3", alias="cache_ttl")
    setting = api.get_setting("cache_ttl")
    assert ("ttl", "2.3", ["cache_ttl"]) == (setting["name"], setting["version"], setting["aliases"])
    assert {"outcome": "uptodate"} == api.declare("ttl", version="2.3", alias="cache_ttl")
    assert "outdated" == api.declare("cache_ttl", version="1.0")["outcome"]
    assert 404 == api.try_declare("ttl", version="2.4", alias="unheard_of").status_code


@pytest.mark.storages
def test_the_same_declaration_is_up_to_date(api: Api):
    """Repeating a declaration changes nothing; order of features and options, and 60.0 for 60, are no differences."""
    api.declare("cache_ttl")
    revision = api.revision()
    assert {"outcome": "uptodate"} == api.declare("cache_ttl")
    assert {"outcome": "uptodate"} == api.declare("cache_ttl", configurable_features=["user", "environment"])
    assert {"outcome": "uptodate"} == api.declare("cache_ttl", default_value=60.0)
    assert revision == api.revision()


def test_equal_types_may_be_written_differently(api: Api):
    """White space and the order of options do not make another type."""
    api.declare("theme", type='Enum["dark","light",1]', default_value="dark")
    assert {"outcome": "uptodate"} == api.declare("theme", type='Enum [1.0, "light", "dark"]', default_value="dark")


@pytest.mark.trap(44)
def test_leading_zeros_of_a_version_mean_nothing(api: Api):
    """01.0 is 1.0, and 1.010 is 1.10."""
    assert {"outcome": "created"} == api.declare("cache_ttl", version="01.0")
    assert "1.0" == api.get_setting("cache_ttl")["version"]
    assert "upgraded" == api.declare("cache_ttl", version="1.010")["outcome"]
    assert "1.10" == api.get_setting("cache_ttl")["version"]


def test_versions_are_compared_as_numbers(api: Api):
    """1.10 is newer than 1.9."""
    api.declare("cache_ttl")
    api.declare("cache_ttl", version="1.9")
    assert {"outcome": "upgraded", "previous_version": "1.9", "differences": []} == api.declare(
        "cache_ttl", version="1.10"
    )
    assert {"outcome": "outdated", "latest_version": "1.10", "differences": []} == api.declare(
        "cache_ttl", version="1.9"
    )


MISMATCHES = [
    ({"default_value": 61}, [minor("default_value", 60)]),
    ({"metadata": {"unit": "s"}}, [minor("metadata", {})]),
    ({"type": "float"}, [major("type", "int")]),
    ({"type": "Enum[60,61]"}, [major("type", "int")]),
    ({"configurable_features": ["user"]}, [removal("['environment']")]),
    (
        {"configurable_features": ["environment", "user", "theme"]},
        [major("configurable_features", ["environment", "user"])],
    ),
    (
        {"configurable_features": ["user", "theme"]},
        [removal("['environment']"), major("configurable_features", ["environment", "user"])],
    ),
    (
        {"configurable_features": ["theme"], "type": "float", "default_value": 1.5, "metadata": {"a": True}},
        [
            removal("['environment', 'user']"),
            minor("default_value", 60),
            minor("metadata", {}),
            major("configurable_features", ["environment", "user"]),
            major("type", "int"),
        ],
    ),
]


@pytest.mark.parametrize(("change", "differences"), MISMATCHES)
def test_the_same_version_with_other_attributes_is_a_mismatch(api: Api, change: dict, differences: list):
    """It is a 409 with the differences that an upgrade would have, and nothing changes."""
    api.declare("cache_ttl")
    before = api.get_setting("cache_ttl")
    response = api.try_declare("cache_ttl", **change)
    assert (409, {"outcome": "mismatch", "differences": differences}) == (response.status_code, response.json())
    assert before == api.get_setting("cache_ttl")


def test_one_is_not_true(api: Api):
    """Values are compared as JSON, where 1 and true differ, inside metadata too."""
    api.declare("flag", type="Enum[1,true]", default_value=1, metadata={"a": [0]})
    response = api.try_declare("flag", type="Enum[1,true]", default_value=True, metadata={"a": [False]})
    assert {
        "outcome": "mismatch",
        "differences": [minor("default_value", 1), minor("metadata", {"a": [0]})],
    } == response.json()


MINOR_UPGRADES = [
    ({"default_value": 61}, [minor("default_value", 60)]),
    ({"metadata": {"unit": "s"}}, [minor("metadata", {})]),
    ({"configurable_features": ["environment"]}, [removal("['user']")]),
    ({"type": "int", "default_value": 60}, []),
]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
@pytest.mark.parametrize(("change", "differences"), MINOR_UPGRADES)
def test_minor_differences_are_acceptable_in_any_upgrade(api: Api, version: str, change: dict, differences: list):
    """Default value, metadata and features that no rule uses can change in a minor version; nothing has to."""
    api.declare("cache_ttl")
    response = api.try_declare("cache_ttl", version=version, **change)
    assert (200, {"outcome": "upgraded", "previous_version": "1.0", "differences": differences}) == (
        response.status_code,
        response.json(),
    )
    assert {**change, "version": version} == {
        key: value for key, value in api.get_setting("cache_ttl").items() if key in {*change, "version"}
    }


@pytest.mark.storages
@pytest.mark.trap(32)
@pytest.mark.parametrize(
    ("value_type", "old", "new"),
    [
        ("int", 60, 0),
        ("float", 1.5, 0.0),
        ("bool", True, False),
        ("str", "a", ""),
        ("Sequence<int>", [1], []),
        ("Mapping<int>", {"a": 1}, {}),
        ('Flags["a"]', ["a"], []),
    ],
)
def test_an_upgrade_to_a_falsy_default_is_stored(api: Api, value_type: str, old: object, new: object):
    """Zero, false and empty values are defaults like any other."""
    api.declare("setting", type=value_type, default_value=old)
    outcome = api.declare("setting", type=value_type, default_value=new, version="1.1")
    assert {"outcome": "upgraded", "previous_version": "1.0", "differences": [minor("default_value", old)]} == outcome
    assert new == api.get_setting("setting")["default_value"]
    assert new == api.query()["setting"]["default_value"]


@pytest.mark.storages
def test_narrowing_the_type_is_minor(api: Api):
    """A subtype that all rule values satisfy is acceptable in a minor version."""
    api.declare("ratio", type="float", default_value=1)
    api.add_rule("ratio", {"user": "a"}, 2.0)
    assert {"outcome": "upgraded", "previous_version": "1.0", "differences": [minor("type", "float")]} == api.declare(
        "ratio", type="int", default_value=1, version="1.1"
    )
    assert "int" == api.get_setting("ratio")["type"]


MAJOR_CHANGES = [
    ({"type": "float"}, [major("type", "int")]),
    ({"type": "Enum[60]"}, [major("type", "int")]),
    ({"type": "str", "default_value": ""}, [minor("default_value", 60), major("type", "int")]),
    (
        {"configurable_features": ["environment", "user", "theme"]},
        [major("configurable_features", ["environment", "user"])],
    ),
]


@pytest.mark.parametrize(("change", "differences"), MAJOR_CHANGES)
def test_major_differences_need_a_major_upgrade(api: Api, change: dict, differences: list):
    """A minor version with them is rejected and changes nothing, a major one is accepted."""
    api.declare("cache_ttl")
    before = api.get_setting("cache_ttl")
    rejected = api.try_declare("cache_ttl", version="1.1", **change)
    assert (409, {"outcome": "rejected", "previous_version": "1.0", "differences": differences}) == (
        rejected.status_code,
        rejected.json(),
    )
    assert before == api.get_setting("cache_ttl")
    assert {"outcome": "upgraded", "previous_version": "1.0", "differences": differences} == api.declare(
        "cache_ttl", version="2.0", **change
    )


def test_features_are_told_in_the_services_order(api: Api):
    """The latest value of configurable features has the service's order, not that of a declaration."""
    api.declare("cache_ttl", configurable_features=["theme", "environment"])
    response = api.try_declare("cache_ttl", configurable_features=["user", "environment", "theme"])
    assert [major("configurable_features", ["environment", "theme"])] == response.json()["differences"]


@pytest.mark.storages
@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0"])
def test_a_feature_in_use_cannot_be_removed(api: Api, version: str):
    """It is a mismatch at any version, told with the ids of the rules; features out of use are told apart."""
    api.declare("color", configurable_features=["environment", "user", "theme"])
    rule_ids = [api.add_rule("color", {"theme": theme, "user": "a"}, 1) for theme in ("dark", "light")]
    api.add_rule("color", {"user": "b"}, 1)
    response = api.try_declare("color", configurable_features=["user"], version=version)
    assert 409 == response.status_code
    assert [
        removal("['environment']"),
        {"level": "mismatch", "message": f"configurable features ['theme'] are still in use by rules {rule_ids}"},
    ] == response.json()["differences"]
    assert ["environment", "user", "theme"] == api.get_setting("color")["configurable_features"]


@pytest.mark.storages
@pytest.mark.trap(33)
@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0"])
def test_a_type_that_a_rule_does_not_satisfy_is_a_mismatch(api: Api, version: str):
    """From float to int, a subtype, is refused at any version while a rule's value is no whole number."""
    api.declare("ratio", type="float", default_value=1)
    rule_id = api.add_rule("ratio", {"user": "a"}, 0.5)
    api.add_rule("ratio", {"user": "b"}, 2.0)
    response = api.try_declare("ratio", type="int", default_value=1, version=version)
    assert 409 == response.status_code
    assert [
        {"level": "mismatch", "message": f"setting type incompatible with values for rules: [{rule_id}]"}
    ] == response.json()["differences"]
    assert "float" == api.get_setting("ratio")["type"]


def test_an_older_declaration_is_outdated(api: Api):
    """It learns the latest version and what has happened since, and changes nothing."""
    api.declare("cache_ttl", type="float")
    api.declare("cache_ttl", type="int", default_value=61, metadata={"unit": "s"}, version="1.1")
    before = api.get_setting("cache_ttl")
    response = api.try_declare("cache_ttl", type="float")
    assert (
        200,
        {
            "outcome": "outdated",
            "latest_version": "1.1",
            "differences": [minor("type", "int"), minor("default_value", 61), minor("metadata", {"unit": "s"})],
        },
    ) == (response.status_code, response.json())
    assert before == api.get_setting("cache_ttl")


OUTDATED = [
    # What was declared at 1.0; what the setting became at 2.0; what has happened since.
    ({"type": "int"}, {"type": "float"}, [major("type", "float")]),
    ({"type": "float"}, {"type": "int"}, [minor("type", "int")]),
    ({"type": "int"}, {"type": "str", "default_value": ""}, [minor("default_value", ""), major("type", "str")]),
    (
        {"configurable_features": ["environment", "user"]},
        {"configurable_features": ["user"]},
        [removal("['environment']")],
    ),
    (
        {"configurable_features": ["user"]},
        {"configurable_features": ["environment", "user"]},
        [major("configurable_features", ["environment", "user"])],
    ),
    (
        {"configurable_features": ["user"]},
        {"configurable_features": ["theme"]},
        [removal("['user']"), major("configurable_features", ["theme"])],
    ),
]


@pytest.mark.parametrize(("old", "new", "differences"), OUTDATED)
def test_the_directions_of_an_outdated_declaration_are_reversed(api: Api, old: dict, new: dict, differences: list):
    """Narrowing and removal since then are minor, widening and addition are major."""
    api.declare("cache_ttl", **old)
    api.declare("cache_ttl", **new, version="2.0")
    assert {"outcome": "outdated", "latest_version": "2.0", "differences": differences} == api.declare(
        "cache_ttl", **old
    )


def test_an_outdated_declaration_may_name_a_feature_that_is_gone(api: Api):
    """A feature that the service has no more was fine at the time, and rules on other values are no mismatch."""
    api.declare("cache_ttl", configurable_features=["user", "theme"])
    api.declare("cache_ttl", configurable_features=["user"], version="1.1")
    api.delete("/api/v1/context_features/theme")
    api.add_rule("cache_ttl", {"user": "a"}, 1)
    assert [removal("['theme']")] == api.declare("cache_ttl", configurable_features=["user", "theme"])["differences"]
    assert [removal("['theme']"), major("configurable_features", ["user"])] == api.declare(
        "cache_ttl", configurable_features=["theme"]
    )["differences"]


@pytest.mark.storages
def test_exact_numbers_are_kept(api: Api):
    """Integers beyond 64 bits, and floats, come back digit for digit."""
    number = 10**299 + 7
    api.declare("big", default_value=number)
    api.declare("float", type="float", default_value=0.1)
    assert (number, 0.1) == (api.query()["big"]["default_value"], api.query()["float"]["default_value"])


@pytest.mark.storages
def test_every_declaration_tells_the_revision(api: Api):
    """A client can demand at least the revision that its declaration was answered with."""
    revisions = [api.try_declare("a").headers["Heksher-Revision"] for _ in range(2)]
    revisions.append(api.try_declare("a", default_value=1).headers["Heksher-Revision"])
    assert [str(api.revision())] * 3 == revisions
