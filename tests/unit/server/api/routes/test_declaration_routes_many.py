"""Many declarations in one request: each is answered as it would be alone, and all are one transaction."""

import pytest

from tests.support.api import Api, locations, minor
from tests.support.catalogs import open_fragile
from tests.support.operations import read_last

PATH = "/api/v1/settings/declare-many"
DECLARE = "/api/v1/settings/declare"


def declaration(name: object, **attributes: object) -> dict[str, object]:
    """Write a declaration; what is not given does not matter."""
    defaults = {"configurable_features": ["environment", "user"], "type": "int", "default_value": 60}
    return {"name": name, **defaults, **attributes}


def declare_many(api: Api, *declarations: object) -> list[tuple[int, object]]:
    """Declare settings; return the answers."""
    response = api.post(PATH, json=declarations)
    assert 200 == response.status_code, response.text
    answers = response.json()
    assert all({"status", "body"} == set(answer) for answer in answers)
    return [(answer["status"], answer["body"]) for answer in answers]


@pytest.mark.storages
def test_many_settings_are_declared_in_one_transaction(api: Api):
    """All are stored, with one entry of the log, at the revision that the answer tells."""
    before = api.revision()
    response = api.post(PATH, json=[declaration(f"s{number}") for number in range(300)])
    assert [{"status": 200, "body": {"outcome": "created"}}] * 300 == response.json()
    assert (str(before + 1), before + 1) == (response.headers["Heksher-Revision"], api.revision())
    assert {f"s{number}" for number in range(300)} == api.query().keys()
    assert 300 == read_last(api.storage).size


@pytest.mark.storages
def test_declarations_that_change_nothing_write_nothing(api: Api):
    """What is known already costs no entry of the log, as for each process of a fleet but the first."""
    declarations = [declaration(f"s{number}") for number in range(3)]
    declare_many(api, *declarations)
    before = api.revision()
    response = api.post(PATH, json=declarations)
    assert [{"status": 200, "body": {"outcome": "uptodate"}}] * 3 == response.json()
    assert (str(before), before) == (response.headers["Heksher-Revision"], api.revision())


@pytest.mark.storages
def test_a_later_declaration_sees_an_earlier_one(api: Api):
    """One setting is created, upgraded and renamed within one request, and queries answer the end of it."""
    answers = declare_many(
        api,
        declaration("old"),
        declaration("old", default_value=61, version="1.1"),
        declaration("new", default_value=61, version="1.2", alias="old"),
        declaration("old", default_value=61, version="1.2"),
        declaration("old", default_value=62, version="1.2"),
        declaration("other", alias="new"),
    )
    assert [
        (200, {"outcome": "created"}),
        (200, {"outcome": "upgraded", "previous_version": "1.0", "differences": [minor("default_value", 60)]}),
        (200, {"outcome": "upgraded", "previous_version": "1.1", "differences": [minor("name", "old")]}),
        (200, {"outcome": "uptodate"}),
        (409, {"outcome": "mismatch", "differences": [minor("default_value", 61)]}),
        (
            200,
            {
                "outcome": "outdated",
                "latest_version": "1.2",
                "differences": [minor("name", "new"), minor("default_value", 61)],
            },
        ),
    ] == answers
    assert {"new": {"default_value": 61, "rules": []}} == api.query()
    assert ["old"] == api.get_setting("new")["aliases"]


REFUSED = [
    declaration("cache_ttl", default_value=61),
    declaration("cache_ttl", version="1.1", type="float"),
    declaration("new", version="2.0"),
    declaration("new", configurable_features=["user", "unheard_of"]),
    declaration("cache_ttl", version="1.1", configurable_features=["user", "unheard_of"]),
    declaration("cache_ttl", alias="unheard_of"),
    declaration("cache_ttl", alias="taken"),
    declaration("new", alias="new"),
    declaration("new", default_value="a"),
    declaration("new", type="enum[1]"),
    declaration("new", configurable_features=[]),
    declaration("new", configurable_features=["user", "user", 1]),
    declaration("new", metadata={"a b": 1}),
    declaration("a b"),
    declaration(None),
    {},
    {"name": "new"},
    5,
    "new",
    [declaration("new")],
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda part: repr(part)[:40])
def test_a_declaration_is_refused_as_it_would_be_alone(api: Api, refused: object):
    """With the same status and the same body, and it keeps no other from being stored."""
    api.declare("cache_ttl")
    api.declare("taken")
    alone = api.post(DECLARE, json=refused)
    is_json = alone.headers["content-type"] == "application/json"
    expected = (alone.status_code, alone.json() if is_json else alone.text)
    answers = declare_many(api, declaration("one"), refused, declaration("two"))
    assert [(200, {"outcome": "created"}), expected, (200, {"outcome": "created"})] == answers
    assert {"cache_ttl", "taken", "one", "two"} == api.query().keys()


@pytest.mark.parametrize(
    "body", [[], {}, None, "a", 5, declaration("a"), [declaration("a")] * 1001], ids=lambda body: repr(body)[:20]
)
def test_what_is_no_list_of_declarations_is_refused(api: Api, body: object):
    """From 1 to 1,000 are declared at once; anything else is a 422 as a whole, and nothing is stored."""
    assert [["body"]] == locations(api.post(PATH, json=body))
    assert {} == api.query()


def test_a_thousand_declarations_are_not_too_many(api: Api):
    """The limit itself is allowed."""
    assert [(200, {"outcome": "created"})] * 1000 == declare_many(api, *(declaration(f"s{n}") for n in range(1000)))


def test_a_database_that_is_away():
    """Declarations that need it are 503; those that break the rules are told so all the same; no revision is told."""
    api = Api(storage := open_fragile())
    storage.is_away = True
    response = api.post(PATH, json=[declaration("a"), declaration("b", type="enum[1]"), declaration("c")])
    answers = response.json()
    assert (200, [503, 422, 503]) == (response.status_code, [answer["status"] for answer in answers])
    assert answers[0] == answers[2]
    assert "cannot reach its database" in answers[0]["body"]["detail"]
    assert "Heksher-Revision" not in response.headers


def test_the_service_announces_it(api: Api):
    """Clients learn of it from the request that each of them sends first."""
    announced = api.get("/api/v1/context_features").headers["Heksher-Capabilities"]
    assert "declare-many" in announced.split(", ")


def test_it_is_described_with_the_declarations_schema(api: Api):
    """The OpenAPI document says what is in the list, and how long it may be."""
    described = api.get("/openapi.json").json()["paths"][PATH]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert ("array", 1, 1000) == (schema["type"], schema["minItems"], schema["maxItems"])
    described = schema["items"]
    assert ("SettingDeclaration", ["name", "configurable_features", "type", "default_value"]) == (
        described["title"],
        described["required"],
    )
