"""Several writes in one request: all of them or none."""

import pytest

from heksher.server.limits import MAX_BULK_OPERATIONS
from tests.support.access import make_guarded
from tests.support.api import Api
from tests.support.operations import read_last
from tests.support.storages import see_everything

PATH = "/api/v1/bulk"


def op(method: str, path: str, body: object = None) -> dict[str, object]:
    return {"method": method, "path": f"/api/v1{path}", "body": body}


def add(setting: str, conditions: dict[str, str], value: object) -> dict[str, object]:
    return op("POST", "/rules", {"setting": setting, "feature_values": conditions, "value": value})


def bulk(api: Api, *operations: object, **more: object):
    return api.post(PATH, json={"operations": operations, **more})


@pytest.mark.storages
def test_each_kind_of_write_can_be_a_part(ruled: Api):
    """All of v1, in one entry; the answers are those that each would get alone, and queries see all of them."""
    before = ruled.revision()
    setting = {"configurable_features": ["user"], "type": "int", "default_value": 1, "version": "1.0"}
    response = bulk(
        ruled,
        op("POST", "/context_features", {"context_feature": "country"}),
        op("PATCH", "/context_features/country/index", {"to_before": "environment"}),
        op("POST", "/settings/declare", {"name": "new", **setting}),
        op("PUT", "/settings/new/configurable_features", {"configurable_features": ["country"], "version": "2.0"}),
        op("PUT", "/settings/new/type", {"type": "float", "version": "3.0"}),
        op("PUT", "/settings/new/name", {"name": "newer", "version": "3.1"}),
        op("POST", "/settings/new/metadata", {"metadata": {"a": 1, "b": 2}, "version": "3.2"}),
        op("PUT", "/settings/new/metadata/a", {"value": 3, "version": "3.3"}),
        op("DELETE", "/settings/new/metadata/b", {"version": "3.4"}),
        add("new", {"country": "de"}, 0.5),
        op("PUT", "/rules/5/value", {"value": 1.5}),
        op("PATCH", "/rules/5", {"value": 2.5}),
        op("POST", "/rules/5/metadata", {"metadata": {"by": "me"}}),
        op("DELETE", "/rules/1"),
        op("DELETE", "/settings/A"),
    )
    assert 200 == response.status_code, response.text
    answer = response.json()
    tag = f'"{response.headers["Heksher-Revision-Id"]}"'
    changed, deleted = ({"status": 204, "body": None, "etag": etag} for etag in (tag, None))
    declared = {"status": 200, "body": {"outcome": "created"}, "etag": None}
    added = {"status": 201, "body": {"rule_id": 5}, "etag": tag}
    assert [changed] * 2 + [declared] + [changed] * 6 == answer["results"][:9]
    assert [added] + [changed] * 3 + [deleted] * 2 == answer["results"][9:]
    assert {before + 1} == {answer["revision"], ruled.revision(), int(response.headers["Heksher-Revision"])}
    assert 15 == read_last(ruled.storage).size
    shown = ruled.query(include_metadata="true")
    assert {"b", "newer"} == shown.keys()
    rule = {"rule_id": 5, "value": 2.5, "context_features": [["country", "de"]], "metadata": {"by": "me"}}
    assert {"default_value": 1, "rules": [rule]} == shown["newer"]
    assert {"a": 3} == ruled.get_setting("newer")["metadata"]


@pytest.mark.storages
def test_a_refusal_at_the_end_leaves_nothing(ruled: Api):
    """The answer is that to the first one that is refused, as problem details with its number."""
    before = see_everything(ruled.storage)
    many = [add("A", {"user": f"u{number}"}, number) for number in range(50)]
    response = bulk(ruled, *many, add("A", {"user": "u7"}, 0), op("DELETE", "/rules/99"))
    assert (409, "application/problem+json") == (response.status_code, response.headers["content-type"])
    assert {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "operation 50: rule already exists",
        "operation": 50,
    } == response.json()
    assert before == see_everything(ruled.storage)


@pytest.mark.parametrize(
    ("operation", "status", "expected"),
    [
        (op("DELETE", "/rules/99"), 404, {"detail": "operation 1: there is no rule with this id"}),
        (op("DELETE", "/settings/x"), 404, {"detail": "operation 1: there is no setting named 'x'"}),
        (add("A", {"theme": "x"}, 1), 400, {}),
        (op("PUT", "/settings/b/name", {"name": "A", "version": "1.2"}), 409, {}),
        (
            op("PUT", "/settings/b/type", {"type": "str", "version": "2.0"}),
            409,
            {
                "conflicts": [
                    "the default value 60 is no value of str",
                    "setting type incompatible with values for rules: [1, 2, 3, 4]",
                ]
            },
        ),
        (
            add("x", {"user": "x"}, 1),
            422,
            {
                "errors": [
                    {
                        "loc": ["body", "operations", 1, "body", "setting"],
                        "msg": "there is no setting named 'x'",
                        "type": "value_error",
                    }
                ]
            },
        ),
        (op("PUT", "/rules/1/value"), 422, {"detail": "operation 1: body: Field required"}),
        (
            op("PUT", "/rules/1/value", {}),
            422,
            {
                "detail": "operation 1: body.value: Field required",
                "errors": [
                    {"loc": ["body", "operations", 1, "body", "value"], "msg": "Field required", "type": "missing"}
                ],
            },
        ),
        (
            op("POST", "/settings/declare", {"name": "A", "configurable_features": ["environment", "user"],
                                             "type": "int", "default_value": 5, "version": "1.0"}),
            409,
            {
                "answer": {
                    "outcome": "mismatch",
                    "differences": [{"level": "minor", "attribute": "default_value", "latest_value": 0}],
                }
            },
        ),
    ],
)  # fmt: skip
def test_a_refused_part_is_told(ruled: Api, operation: object, status: int, expected: dict[str, object]):
    """With its status, its number and what there is to say of it."""
    before = ruled.revision()
    response = bulk(ruled, add("A", {"user": "x"}, 1), operation)
    assert (status, 1) == (response.status_code, response.json()["operation"]), response.text
    assert expected == {key: response.json()[key] for key in expected}
    assert before == ruled.revision()


def test_what_is_refused_first_counts(ruled: Api):
    """Also where what comes later could never be read."""
    response = bulk(ruled, op("DELETE", "/rules/99"), op("DELETE", "/nothing"))
    assert (404, 0) == (response.status_code, response.json()["operation"])


def test_a_value_that_is_too_large_is_refused(ruled: Api):
    """As it is alone."""
    response = bulk(ruled, add("A", {"user": "x"}, "x" * 1024 * 1024))
    assert (422, 0) == (response.status_code, response.json()["operation"])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ["body", "operations"]),
        ({"operations": []}, ["body", "operations"]),
        ({"operations": [op("DELETE", "/rules/1")] * (MAX_BULK_OPERATIONS + 1)}, ["body", "operations"]),
        ({"operations": [op("GET", "/rules/1")]}, ["body", "operations", 0, "method"]),
        ({"operations": [{**op("DELETE", "/rules/1"), "bodi": 1}]}, ["body", "operations", 0, "bodi"]),
        ({"operations": [op("DELETE", "/rules/1")], "dry": True}, ["body", "dry"]),
        ({"operations": [op("DELETE", "/rules/1")], "reason": "x" * 501}, ["body", "reason"]),
        ({"operations": [op("DELETE", "/rules/1")], "reason": "\u0000"}, ["body", "reason"]),
    ],
)
def test_a_request_that_breaks_the_rules_is_refused(ruled: Api, body: object, place: list[str | int]):
    """With the place where it does."""
    response = ruled.post(PATH, json=body)
    assert 422 == response.status_code
    assert [place] == [part["loc"] for part in response.json()["errors"]]


def test_as_many_as_there_may_be(ruled: Api):
    """Ten thousand are."""
    assert 200 == bulk(ruled, *[op("PUT", "/rules/1/value", {"value": 1})] * MAX_BULK_OPERATIONS).status_code


def test_the_log_says_who_and_why(ruled: Api):
    """The reason in the body, or else that in the header."""
    headers = {"Heksher-Actor": "Ada", "Heksher-Reason": "header"}
    for reason, expected in (({"reason": "body\nof it"}, "body\nof it"), ({}, "header")):
        body = {"operations": [op("PUT", "/rules/1/value", {"value": len(expected)})], **reason}
        assert 200 == ruled.post(PATH, json=body, headers=headers).status_code
        assert ("Ada", expected) == (read_last(ruled.storage).origin.actor, read_last(ruled.storage).origin.reason)


def test_each_part_needs_its_grant(ruled: Api):
    """For its route, and for its setting."""
    guarded = make_guarded(ruled, grants=("read", "edit:b.", "edit"))

    def ask(grant: str, *operations: object):
        return guarded.post(
            PATH, json={"operations": operations}, headers={"Authorization": f"Bearer hks_with {grant}"}
        )

    change = op("PUT", "/rules/1/value", {"value": 9})
    assert (403, 0) == ((refused := ask("read", change)).status_code, refused.json()["operation"])
    assert "operation 0: this needs the grant edit: ask an admin of this service for it" == refused.json()["detail"]
    # Whoever may not ask alone is not told that there is no such rule.
    assert 403 == ask("read", op("DELETE", "/rules/99")).status_code
    assert (403, 0) == ((refused := ask("edit:b.", change)).status_code, refused.json()["operation"])
    assert "grant edit for setting 'b'" in refused.json()["detail"]
    assert (403, 1) == ((refused := ask("edit", change, op("DELETE", "/settings/A"))).status_code,
                        refused.json()["operation"])  # fmt: skip
    assert 200 == ask("edit", change).status_code
