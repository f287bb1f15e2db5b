"""Tags, and writes that expect them."""

from typing import Any

import httpx2
import pytest

from heksher.revision_id import RevisionId
from heksher.server.api.if_match import read_if_match
from heksher.server.errors import BadHeaderError
from heksher.server.storage.base import Expectation
from tests.support.access import make_guarded
from tests.support.api import Api
from tests.support.catalogs import open_fragile

RULE = "/api/v1/rules/{rule_id}/value"
FIRST, SECOND = RevisionId(1, "0123456789ab"), RevisionId(22, "abcdefabcdef")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", None),
        (" * ", None),
        (f'"{FIRST}"', {FIRST}),
        (f'"{FIRST}", "{SECOND}"', {FIRST, SECOND}),
        (f'"{FIRST}","{SECOND}"', {FIRST, SECOND}),
        (f', "{FIRST}" ,, "{SECOND}" ,', {FIRST, SECOND}),
        ('"0"', {RevisionId(0)}),
        ('"17"', {RevisionId(17)}),
        (f'W/"{FIRST}"', set()),
        (f'W/"{FIRST}", "{SECOND}"', {SECOND}),
        ('"of-another-service"', set()),
        ('""', set()),
        (f'"a,b", "{FIRST}"', {FIRST}),
    ],
)
def test_the_header_names_tags(text: str, expected: set[RevisionId] | None):
    """One, several, or any; those of another form, and those that are said to be weak, are none that an object has."""
    found = read_if_match(text, RULE, {"rule_id": "7"})
    assert Expectation("rule", "7", None if expected is None else frozenset(expected)) == found


MALFORMED = ["", "17", str(FIRST), '"', f'"{FIRST}', f'"{FIRST}" "{SECOND}"', '*, "a"', '"a" b', '"a b"', '"\n"']


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_header_is_refused(text: str):
    """With what is expected."""
    with pytest.raises(BadHeaderError, match=r"If-Match: expected tags as answers have them in ETag"):
        read_if_match(text, RULE, {"rule_id": "7"})


@pytest.mark.parametrize(
    ("path", "parts", "kind", "key"),
    [
        ("/api/v1/settings/{name}/type", {"name": "a.b"}, "setting", "a.b"),
        ("/api/v1/settings/{name}", {"name": "a"}, "setting", "a"),
        ("/api/v1/rules/{rule_id}/metadata/{key}", {"rule_id": "7", "key": "k"}, "rule", "7"),
        ("/api/v1/context_features", {}, "context_features", ""),
        ("/api/v1/context_features/{name}/index", {"name": "user"}, "context_features", ""),
    ],
)
def test_the_object_is_that_of_the_path(path: str, parts: dict[str, str], kind: str, key: str):
    """Whatever of it is changed."""
    assert Expectation(kind, key, None) == read_if_match("*", path, parts)


@pytest.fixture
def ruled(api: Api) -> Api:
    """A service with a setting and a rule with the id 1."""
    api.declare("ttl")
    api.add_rule("ttl", {"user": "guest"}, 10)
    return api


SETTING_PATH, RULE_PATH, FEATURES_PATH = "/api/v1/settings/ttl", "/api/v1/rules/1", "/api/v1/context_features"
OF_SETTING, OF_RULE = "/api/v1/settings/{name}", "/api/v1/rules/{rule_id}"
# For each object: where it is read, and its writes in an order in which each changes something.
WRITES: list[tuple[str, list[tuple[str, str, Any]]]] = [
    (
        RULE_PATH,
        [
            ("PUT", f"{OF_RULE}/value", {"value": 20}),
            ("PATCH", OF_RULE, {"value": 30}),
            ("POST", f"{OF_RULE}/metadata", {"metadata": {"a": 1}}),
            ("PUT", f"{OF_RULE}/metadata", {"metadata": {"b": 1}}),
            ("PUT", f"{OF_RULE}/metadata/{{key}}", {"value": 2}),
            ("DELETE", f"{OF_RULE}/metadata/{{key}}", None),
            ("DELETE", f"{OF_RULE}/metadata", None),
            ("DELETE", OF_RULE, None),
        ],
    ),
    (
        SETTING_PATH,
        [
            ("POST", f"{OF_SETTING}/metadata", {"metadata": {"a": 1}, "version": "1.1"}),
            ("PUT", f"{OF_SETTING}/metadata", {"metadata": {"b": 1}, "version": "1.2"}),
            ("PUT", f"{OF_SETTING}/metadata/{{key}}", {"value": 2, "version": "1.3"}),
            ("DELETE", f"{OF_SETTING}/metadata/{{key}}", {"version": "1.4"}),
            ("DELETE", f"{OF_SETTING}/metadata", {"version": "1.5"}),
            (
                "PUT",
                f"{OF_SETTING}/configurable_features",
                {"configurable_features": ["user", "theme"], "version": "2.0"},
            ),
            ("PUT", f"{OF_SETTING}/type", {"type": "float", "version": "3.0"}),
            ("PUT", f"{OF_SETTING}/name", {"name": "new", "version": "3.1"}),
            ("DELETE", OF_SETTING, None),
        ],
    ),
    (
        FEATURES_PATH,
        [
            ("POST", FEATURES_PATH, {"context_feature": "tier"}),
            ("PATCH", f"{FEATURES_PATH}/{{name}}/index", {"to_before": "user"}),
            ("DELETE", f"{FEATURES_PATH}/{{name}}", None),
        ],
    ),
]


def fill(path: str) -> str:
    """Return the path of a request to the object of a test, for that of a route."""
    return path.format(rule_id=1, key="a", name="tier" if "context_features" in path else "ttl")


def send(api: Api, write: tuple[str, str, Any], tag: str) -> httpx2.Response:
    method, path, body = write
    return api.request(method, fill(path), json=body, headers={"If-Match": tag})


@pytest.mark.storages
@pytest.mark.parametrize(("path", "writes"), WRITES)
def test_each_write_can_expect_what_was_read(ruled: Api, path: str, writes: list[tuple[str, str, Any]]):
    """It answers the tag that its object has then; with an older one it is refused, and changes nothing."""
    first = tag = ruled.get(path).headers["ETag"]
    for write in writes:
        is_deletion = (write[0], fill(write[1])) == ("DELETE", path)
        answer = send(ruled, write, tag)
        assert 204 == answer.status_code, (write, answer.text)
        revision = ruled.revision()
        refused = send(ruled, write, first)
        assert (412, "application/problem+json", revision) == (
            refused.status_code,
            refused.headers["content-type"],
            ruled.revision(),
        ), write
        if is_deletion:
            assert ("ETag" in answer.headers, refused.json()["current"], refused.json()["etag"]) == (False, None, None)
        else:
            tag = ruled.get(path).headers["ETag"]
            assert [tag] * 3 == [answer.headers["ETag"], refused.headers["ETag"], refused.json()["etag"]]
            assert ruled.get(path).json() == refused.json()["current"]
            assert f'"{answer.headers["Heksher-Revision-Id"]}"' == tag
        assert revision == refused.json()["last_change"]["revision"]


def test_a_setting_can_be_expected_when_it_is_made_what_it_was(ruled: Api):
    """As by other writes of it."""
    first = ruled.get(SETTING_PATH).headers["ETag"]
    ruled.put(f"{SETTING_PATH}/name", json={"name": "new", "version": "1.1"})
    write = ("POST", f"{OF_SETTING}/revert", {"to": 5})
    assert (412, "new") == ((refused := send(ruled, write, first)).status_code, refused.json()["current"]["name"])
    assert 200 == send(ruled, write, refused.headers["ETag"]).status_code
    assert "ttl" == ruled.get_setting("ttl")["name"]


def test_every_write_of_an_object_with_a_tag_is_tested(api: Api):
    """And describes the header, and what it is answered with; no other route has it."""
    paths = api.get("/openapi.json").json()["paths"]
    described = {
        (method.upper(), path): "412" in operation["responses"]
        for path, item in paths.items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "If-Match"
    }
    tested = {(method, path) for _, writes in WRITES for method, path, _ in writes}
    tested.add(("POST", f"{OF_SETTING}/revert"))
    assert dict.fromkeys(tested, True) == described


def test_objects_have_tags_of_their_own(ruled: Api):
    """A change of a rule is none of its setting; metadata have the tag of what they belong to."""
    before = [ruled.get(path).headers["ETag"] for path in (RULE_PATH, SETTING_PATH, FEATURES_PATH)]
    rule_id = ruled.add_rule("ttl", {"user": "admin"}, 1)
    assert before == [ruled.get(path).headers["ETag"] for path in (RULE_PATH, SETTING_PATH, FEATURES_PATH)]
    assert before[:2] == [ruled.get(f"{path}/metadata").headers["ETag"] for path in (RULE_PATH, SETTING_PATH)]
    added = ruled.try_add_rule("ttl", {"user": "other"}, 1)
    assert added.headers["ETag"] == ruled.get(f"/api/v1/rules/{rule_id + 1}").headers["ETag"]
    assert '"0"' == Api().get(FEATURES_PATH).headers["ETag"]


def test_a_write_that_changes_nothing_has_no_new_tag(ruled: Api):
    """And makes no revision; the tag that was read goes on."""
    tag, revision = ruled.get(RULE_PATH).headers["ETag"], ruled.revision()
    answer = send(ruled, ("PUT", f"{RULE_PATH}/value", {"value": 10}), tag)
    assert (204, False, revision) == (answer.status_code, "ETag" in answer.headers, ruled.revision())
    assert 204 == send(ruled, ("PUT", f"{RULE_PATH}/value", {"value": 20}), tag).status_code


def test_a_refusal_says_who_and_why(ruled: Api):
    """For whoever has to decide."""
    tag = ruled.get(RULE_PATH).headers["ETag"]
    headers = {"Heksher-Actor": "Ada%20Lovelace", "Heksher-Reason": "incident%204711"}
    ruled.put(f"{RULE_PATH}/value", json={"value": 20}, headers=headers)
    problem = send(ruled, ("PUT", f"{RULE_PATH}/value", {"value": 30}), tag).json()
    assert ("Precondition Failed", 412, 20) == (problem["title"], problem["status"], problem["current"]["value"])
    assert ("Ada Lovelace", "incident 4711", "nobody") == tuple(
        problem["last_change"][key] for key in ("actor", "reason", "actor_kind")
    )
    ruled.delete(RULE_PATH, headers=headers)
    problem = send(ruled, ("DELETE", RULE_PATH, None), tag).json()
    assert (None, "Ada Lovelace", "delete") == (
        problem["current"],
        problem["last_change"]["actor"],
        problem["last_change"]["parts"][0]["action"],
    )


@pytest.mark.parametrize(
    ("write", "status"),
    [
        (("PUT", "/api/v1/rules/99/value", {"value": 1}), 404),
        (("DELETE", "/api/v1/settings/unheard_of", None), 404),
        (("PUT", "/api/v1/rules/x/value", {"value": 1}), 422),
        (("PUT", f"{RULE_PATH}/value", {}), 422),
        (("PUT", f"{RULE_PATH}/value", {"value": "x"}), 400),
    ],
)
def test_what_is_refused_in_any_case_is_refused_as_ever(ruled: Api, write: tuple[str, str, Any], status: int):
    """Nothing is expected of what was never there, or what cannot be asked."""
    answer = send(ruled, write, "*")
    method, path, body = write
    without = ruled.request(method, path, json=body)
    assert (status, without.content) == (answer.status_code, answer.content)
    assert status == without.status_code


NEW_RULE = {"setting": "ttl", "feature_values": {"user": "x"}, "value": 1}
NEW_SETTING = {"name": "n", "configurable_features": ["user"], "type": "int", "default_value": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/rules", NEW_RULE),
        ("/api/v1/settings/declare", NEW_SETTING),
        ("/api/v1/bulk", {"operations": [{"method": "DELETE", "path": "/api/v1/rules/1"}]}),
    ],
)
def test_what_has_no_tag_cannot_be_expected(ruled: Api, path: str, body: Any):
    """Rather than that nobody looks at it."""
    revision = ruled.revision()
    answer = ruled.post(path, json=body, headers={"If-Match": "*"})
    assert (400, True, revision) == (answer.status_code, "If-Match is for writes" in answer.text, ruled.revision())


def test_reads_do_not_look_at_it(ruled: Api):
    """Nor does a malformed one keep them from being answered."""
    for path in (RULE_PATH, SETTING_PATH, FEATURES_PATH, "/api/v1/query", "/api/v1/changes"):
        assert 200 == ruled.get(path, headers={"If-Match": "malformed"}).status_code
    assert 400 == send(ruled, ("DELETE", RULE_PATH, None), "malformed").status_code


def test_whoever_may_not_write_is_told_that(ruled: Api):
    """By the step in front of the routes, or by the operation, whatever is expected."""
    guarded = make_guarded(ruled, grants=["read", "edit:in."])
    tag = ruled.get(RULE_PATH).headers["ETag"]
    for grant in ("read", "edit:in."):
        headers = {"Authorization": f"Bearer hks_with {grant}", "If-Match": tag}
        assert 403 == guarded.delete(RULE_PATH, headers=headers).status_code


def test_while_the_database_is_away_there_are_no_tags():
    """Nor can anything be written then."""
    storage = open_fragile()
    api = Api(storage)
    api.app.services.catalog.load()
    path = "/api/v1/settings/cache_ttl"
    assert "ETag" in api.get(path).headers
    storage.is_away = True
    answer = api.get(path)
    assert (200, False) == (answer.status_code, "ETag" in answer.headers)


def make_bulk(api: Api, *operations: dict[str, Any]) -> httpx2.Response:
    return api.post("/api/v1/bulk", json={"operations": [*operations]})


@pytest.mark.storages
def test_operations_of_a_bulk_can_expect_what_was_read(ruled: Api):
    """Before any of them; the results have the new tags, and the one that is refused says what there is."""
    tag = ruled.get(RULE_PATH).headers["ETag"]
    setting_tag = ruled.get(SETTING_PATH).headers["ETag"]
    operations = [
        {"method": "PUT", "path": f"{RULE_PATH}/value", "body": {"value": 20}, "if_match": tag},
        {"method": "PUT", "path": f"{RULE_PATH}/metadata", "body": {"metadata": {"a": 1}}, "if_match": tag},
        {"method": "PUT", "path": f"{RULE_PATH}/value", "body": {"value": 20}},
        {"method": "DELETE", "path": SETTING_PATH, "if_match": setting_tag},
    ]
    answer = make_bulk(ruled, *operations[:3])
    new = ruled.get(RULE_PATH).headers["ETag"]
    assert (200, [new, new, None]) == (answer.status_code, [each["etag"] for each in answer.json()["results"]])
    refused = make_bulk(ruled, operations[3], operations[0])
    problem = refused.json()
    assert (412, 1, None) == (refused.status_code, problem["operation"], problem["current"])
    refused = make_bulk(ruled, operations[2], operations[0])
    problem = refused.json()
    assert (412, 1, new) == (refused.status_code, problem["operation"], problem["etag"])
    assert 20 == problem["current"]["value"]
    assert 200 == make_bulk(ruled, operations[3]).status_code


NEW_VALUE = {"method": "PUT", "path": f"{RULE_PATH}/value", "body": {"value": 20}, "if_match": "malformed"}
ADDITION = {"method": "POST", "path": "/api/v1/rules", "body": NEW_RULE, "if_match": "*"}


@pytest.mark.parametrize(("operation", "message"), [(NEW_VALUE, "expected tags"), (ADDITION, "no tag")])
def test_operations_expect_nothing_that_cannot_be_expected(ruled: Api, operation: dict[str, Any], message: str):
    """The answer says where."""
    answer = make_bulk(ruled, operation)
    (fault,) = answer.json()["errors"]
    assert (422, ["body", "operations", 0, "if_match"]) == (answer.status_code, fault["loc"])
    assert message in fault["msg"]


def test_a_dry_run_expects_what_the_write_would(ruled: Api):
    """It is refused with what there is, or tells what would be done."""
    ruled.app.services.catalog.load()
    tag, path = ruled.get(RULE_PATH).headers["ETag"], f"{RULE_PATH}/value?dry_run=true"
    assert 200 == send(ruled, ("PUT", path, {"value": 20}), tag).status_code
    ruled.put(f"{RULE_PATH}/value", json={"value": 30})
    refused = send(ruled, ("PUT", path, {"value": 20}), tag)
    assert (412, 30) == (refused.status_code, refused.json()["current"]["value"])
