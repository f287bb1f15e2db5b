"""Evaluation through HTTP: how it is asked, and what it is answered from."""

import pytest

from heksher.server.access.grants import Role
from heksher.server.asgi.access import find_access
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY
from tests.support.access import make_guarded
from tests.support.api import Api

PATH = "/api/v1/evaluate"
LINT = "/api/v1/lint"
CONTEXTS = "/api/v1/contexts"


def read_values(answer) -> dict[str, object]:
    assert 200 == answer.status_code, answer.text
    return {name: setting["value"] for name, setting in answer.json()["settings"].items()}


def test_values_of_all_settings_are_told(ruled: Api):
    assert {"A": 0, "b": 60} == read_values(ruled.get(PATH))
    assert {"A": 0, "b": 1} == read_values(ruled.post(PATH, json={"context": {"user": "guest"}}))


def test_get_and_post_answer_the_same(ruled: Api):
    asked = {"settings": ["old"], "context": {"user": "guest"}, "compare_with": {"user": "admin", "theme": "dark"}}
    query = {"settings": "old", "context": "user:guest", "compare_with": 'user:"admin",theme:dark'}
    assert ruled.get(PATH, params=query).json() == (posted := ruled.post(PATH, json=asked)).json()
    assert {"old": "b"} == posted.json()["aliases"]
    assert (1, 2) == (posted.json()["settings"]["b"]["value"], posted.json()["settings"]["b"]["compared"]["value"])


def test_nothing_that_is_asked_is_ignored(ruled: Api):
    """A misspelt context would look as if nothing depended on it."""
    answer = ruled.post(PATH, json={"contxt": {"user": "guest"}})
    assert (422, ["body", "contxt"]) == (answer.status_code, answer.json()["errors"][0]["loc"])
    answer = ruled.get(PATH, params={"setings": "b", "context": "user:guest"})
    assert (422, ["query", "setings"]) == (answer.status_code, answer.json()["errors"][0]["loc"])


def test_answer_says_which_revision_it_is_of(ruled: Api):
    answer = ruled.get(PATH, params={"settings": "b"})
    assert str(answer.json()["revision"]) == answer.headers["Heksher-Revision"]
    assert "no-cache" == answer.headers["Cache-Control"]


def test_numbers_stand_for_their_texts_and_null_for_no_value(api: Api):
    api.declare("a")
    api.add_rule("a", {"user": "7"}, 1)
    assert {"a": 1} == read_values(api.post(PATH, json={"context": {"user": 7}}))
    open_answer = api.post(PATH, json={"context": {}}).json()["settings"]["a"]
    closed_answer = api.post(PATH, json={"context": {"user": None}}).json()["settings"]["a"]
    assert ("possible" in open_answer, "possible" in closed_answer) == (True, False)


@pytest.mark.parametrize("value", ["", "*", "<none>", "two\nlines", "x" * 1000])
def test_value_that_no_rule_can_have_is_no_mistake(api: Api, value: str):
    api.declare("a")
    assert {"a": 60} == read_values(api.post(PATH, json={"context": {"user": value}}))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"context": {"user": True}}, ["body", "context", "user"]),
        ({"context": {"a feature": "x"}}, ["body", "context", "a feature"]),
        ({"compare_with": 7}, ["body", "compare_with"]),
    ],
)
def test_malformed_context_is_refused(api: Api, body: dict[str, object], place: list[str]):
    answer = api.post(PATH, json=body)
    assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert place == answer.json()["errors"][0]["loc"][: len(place)]


@pytest.mark.parametrize("parameter", ["context", "compare_with"])
def test_malformed_text_of_a_context_is_refused(api: Api, parameter: str):
    answer = api.get(PATH, params={parameter: "user=ada"})
    assert (422, ["query", parameter]) == (answer.status_code, answer.json()["errors"][0]["loc"])


def test_unknown_setting_is_looked_for_in_the_database(api: Api):
    """Another process may have added it, or the rule that a client has been told of."""
    other = Api(api.storage)
    assert {} == read_values(other.get(PATH))
    api.declare("a")
    assert {"a": 60} == read_values(other.get(PATH, params={"settings": "a"}))
    told = api.post("/api/v1/rules", json={"setting": "a", "feature_values": {"user": "ada"}, "value": 5}).headers
    query = {"settings": "a", "context": "user:ada"}
    assert {"a": 60} == read_values(other.get(PATH, params=query))
    assert {"a": 5} == read_values(
        other.get(PATH, params=query, headers={"Heksher-Min-Revision": told["Heksher-Revision-Id"]})
    )
    answer = other.get(PATH, params={"settings": "gone"})
    assert (404, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


def test_large_question_is_answered_alike(api: Api):
    """What takes long is done in a thread."""
    api.declare("a")
    for number in range(101):
        rules.add(api.storage, "a", {"user": str(number)}, number, {}, NOBODY)
    api.app.services.catalog.refresh()
    assert {"a": 100} == read_values(api.get(PATH, params={"settings": "a", "context": "user:100"}))


def test_who_may_only_evaluate_sees_no_rules(ruled: Api):
    guarded = make_guarded(ruled, grants=["evaluate", "read"])
    asked = {"settings": ["b"], "context": {"user": "guest"}}
    answers = [
        guarded.post(PATH, json=asked, headers={"Authorization": f"Bearer hks_with {grant}"})
        for grant in ("evaluate", "read")
    ]
    assert {"value": 1, "source": "rule"} == answers[0].json()["settings"]["b"]
    assert "rule" in answers[1].json()["settings"]["b"]
    assert {"private, no-cache"} == {answer.headers["Cache-Control"] for answer in answers}


def test_pages_of_other_origins_may_evaluate_and_nothing_else(api: Api):
    routes = api.app.api.router.routes
    accesses = {path: find_access(routes, {"type": "http", "method": "GET", "path": path}) for path in (PATH, LINT)}
    assert (True, Role.EVALUATE) == (accesses[PATH].is_open_to_origins, accesses[PATH].role)
    assert not accesses[LINT].is_open_to_origins


def test_rules_on_a_feature_come_in_pages(ruled: Api):
    ruled.add_rule("A", {"user": "guest"}, 5)
    asked = {"feature": "user", "value": "guest", "limit": 2}
    first = ruled.get(CONTEXTS, params=asked).json()
    last = ruled.get(CONTEXTS, params={**asked, "cursor": first["next_cursor"]}).json()
    assert (["A", "b", "b"], None) == (
        [rule["setting"] for rule in first["rules"] + last["rules"]],
        last["next_cursor"],
    )
    assert 404 == ruled.get(CONTEXTS, params={"feature": "size"}).status_code


def test_findings_are_told_with_what_was_looked_at(ruled: Api):
    idle = ruled.add_rule("A", {"user": "guest"}, 0)
    answer = ruled.get(LINT).json()
    assert (2, 5) == (answer["settings"], answer["rules"])
    assert [("rule without effect", "A", idle)] == [
        (finding["kind"], finding["setting"], finding["rule_id"]) for finding in answer["findings"]
    ]
    assert ([], 1) == ((answer := ruled.get(LINT, params={"settings": "old"}).json())["findings"], answer["settings"])
    assert 404 == ruled.get(LINT, params={"settings": "gone"}).status_code
