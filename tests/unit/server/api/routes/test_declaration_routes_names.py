"""Declarations that rename, and those under an old name (compatibility.md, *Declare*, *Renaming*)."""

import pytest

from tests.support.api import Api, minor

RENAMED = {"alias": "cache_ttl", "version": "1.1"}


@pytest.mark.storages
def test_a_declaration_renames(api: Api):
    """The alias is the name so far; rules stay, and the old name goes on to work everywhere."""
    api.declare("cache_ttl")
    rule_id = api.add_rule("cache_ttl", {"user": "a"}, 10)
    assert {
        "outcome": "upgraded",
        "previous_version": "1.0",
        "differences": [minor("name", "cache_ttl")],
    } == api.declare("cache.ttl", **RENAMED)
    setting = api.get_setting("cache_ttl")
    assert ("cache.ttl", ["cache_ttl"], "1.1") == (setting["name"], setting["aliases"], setting["version"])
    assert {"cache.ttl"} == set(api.query(settings="cache_ttl,cache.ttl"))
    assert [rule_id] == [rule["rule_id"] for rule in api.query(settings="cache_ttl")["cache.ttl"]["rules"]]


def test_repeating_a_renaming_declaration_is_up_to_date(api: Api):
    """The alias is now an alias of the setting, under which it may be declared."""
    api.declare("cache_ttl")
    api.declare("cache.ttl", **RENAMED)
    assert {"outcome": "uptodate"} == api.declare("cache.ttl", **RENAMED)


def test_a_rename_at_the_same_version_is_a_mismatch(api: Api):
    """A name is an attribute, which does not change without a version."""
    api.declare("cache_ttl")
    response = api.try_declare("cache.ttl", alias="cache_ttl")
    assert (409, {"outcome": "mismatch", "differences": [minor("name", "cache_ttl")]}) == (
        response.status_code,
        response.json(),
    )


def test_renaming_back_swaps_name_and_alias(api: Api):
    """A declaration under an alias, with the present name as its alias, makes that alias the name again."""
    api.declare("cache_ttl")
    api.declare("cache.ttl", **RENAMED)
    assert [minor("name", "cache.ttl")] == api.declare("cache_ttl", alias="cache.ttl", version="1.2")["differences"]
    setting = api.get_setting("cache.ttl")
    assert ("cache_ttl", ["cache.ttl"]) == (setting["name"], setting["aliases"])


@pytest.mark.storages
def test_all_earlier_names_stay_aliases(api: Api):
    """After two renames both earlier names work; aliases are sorted by bytes."""
    api.declare("b")
    api.declare("C", alias="b", version="1.1")
    api.declare("a", alias="C", version="1.2")
    assert ["C", "b"] == api.get_setting("b")["aliases"]


@pytest.mark.trap(34)
def test_an_application_that_uses_the_old_name_goes_on(api: Api):
    """Under an alias without "alias" a declaration never renames: equal, newer and older versions."""
    api.declare("cache_ttl")
    api.declare("cache.ttl", **RENAMED)
    assert {"outcome": "uptodate"} == api.declare("cache_ttl", version="1.1")
    assert {"outcome": "outdated", "latest_version": "1.1", "differences": [minor("name", "cache.ttl")]} == api.declare(
        "cache_ttl"
    )
    assert {
        "outcome": "upgraded",
        "previous_version": "1.1",
        "differences": [minor("default_value", 60)],
    } == api.declare("cache_ttl", default_value=70, version="1.2")
    setting = api.get_setting("cache.ttl")
    assert ("cache.ttl", ["cache_ttl"], 70, "1.2") == tuple(
        setting[key] for key in ("name", "aliases", "default_value", "version")
    )


def test_an_outdated_rename_is_reported(api: Api):
    """A declaration that renames, but is older, says what the name is now."""
    api.declare("a")
    api.declare("b", alias="a", version="1.1")
    api.declare("c", alias="b", version="1.2")
    assert {"outcome": "outdated", "latest_version": "1.2", "differences": [minor("name", "c")]} == api.declare(
        "b", alias="a", version="1.1"
    )


@pytest.mark.parametrize("name", ["new", "cache_ttl"])
def test_an_unknown_alias_is_not_found(api: Api, name: str):
    """Whether or not the name exists."""
    api.declare("cache_ttl")
    response = api.try_declare(name, alias="unknown", version="1.1")
    assert 404 == response.status_code
    assert "'unknown'" in response.json()["detail"]


@pytest.mark.storages
def test_the_alias_of_another_setting_is_a_conflict(api: Api):
    """Whether it is the other's name or an alias of it."""
    api.declare("one")
    api.declare("other_old")
    api.declare("other", alias="other_old", version="1.1")
    responses = [api.try_declare("one", alias=alias, version="1.1") for alias in ("other", "other_old")]
    assert [409, 409] == [response.status_code for response in responses]
    assert all("belongs to setting 'other'" in response.json()["detail"] for response in responses)


def test_a_new_name_needs_the_canonical_name_as_alias(api: Api):
    """To rename a setting by one of its aliases is a conflict that names the canonical name."""
    api.declare("a")
    api.declare("b", alias="a", version="1.1")
    response = api.try_declare("c", alias="a", version="1.2")
    assert 409 == response.status_code
    assert "give 'b' as alias" in response.json()["detail"]


@pytest.mark.storages
@pytest.mark.trap(33)
def test_a_rename_with_a_change_of_type_checks_the_rules(api: Api):
    """Both in one declaration are refused as the change of type alone would be, and accepted when the values fit."""
    api.declare("ratio", type="float", default_value=1)
    rule_id = api.add_rule("ratio", {"user": "a"}, 0.5)
    declaration = {"type": "int", "default_value": 1, "alias": "ratio", "version": "2.0"}
    response = api.try_declare("share", **declaration)
    assert (
        409,
        [
            minor("name", "ratio"),
            {"level": "mismatch", "message": f"setting type incompatible with values for rules: [{rule_id}]"},
        ],
    ) == (response.status_code, response.json()["differences"])
    assert ("ratio", "float") == (api.get_setting("ratio")["name"], api.get_setting("ratio")["type"])
    api.put(f"/api/v1/rules/{rule_id}/value", json={"value": 5})
    assert [minor("type", "float"), minor("name", "ratio")] == api.declare("share", **declaration)["differences"]
    setting = api.get_setting("ratio")
    assert ("share", "int", ["ratio"], "2.0") == tuple(setting[key] for key in ("name", "type", "aliases", "version"))


@pytest.mark.storages
def test_an_accepted_declaration_is_one_entry_of_the_log(api: Api):
    """The entry has what differs in the setting before and after; refusals and agreements have none."""
    api.declare("cache_ttl")
    api.try_declare("cache_ttl", default_value=1)
    api.declare("cache.ttl", **RENAMED)
    api.declare("cache.ttl", **RENAMED)
    api.declare("cache_ttl")
    created, renamed = [entry.change for entry in api.read_log() if entry.change.kind == "setting"]
    assert ("declare", "cache_ttl", None) == (created.action, created.key, created.before)
    assert ("declare", "cache.ttl") == (renamed.action, renamed.key)
    assert api.get_setting("cache.ttl") == {**created.after, **renamed.after}
    assert {name: created.after[name] for name in renamed.after} == renamed.before
