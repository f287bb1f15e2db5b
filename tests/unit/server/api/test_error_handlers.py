"""From errors to answers."""

import json
import logging
from http import HTTPStatus

import pytest
from fastapi.exceptions import RequestValidationError

from heksher.server.api.error_handlers import LastResort, answer_error, answer_problem
from heksher.server.errors import ConflictError, DuplicateError, NotFoundError, NotPermittedError
from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import (
    ContractError,
    Reason,
    SchemaChangedError,
    StorageCorruptError,
    StorageError,
    StorageUnavailableError,
)
from tests.support.access import make_guarded
from tests.support.api import Api, locations


class FailingStorage(MemoryStorage):
    """A storage whose reading fails with a given error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def read(self, work):
        raise self.error


class UnspeakableError(Exception):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.trap(45)
@pytest.mark.parametrize("error", [RuntimeError("secret"), UnspeakableError(), ContractError("secret")])
def test_a_fault_of_the_service_is_answered_and_logged_once(error: Exception, caplog: pytest.LogCaptureFixture):
    """The answer is a 500 in JSON without a word of the error, with an id under which the log has all of it."""
    with caplog.at_level(logging.INFO):
        response = Api(FailingStorage(error)).get("/api/v1/settings")
    assert (500, {"detail", "request_id"}) == (response.status_code, set(response.json()))
    assert "secret" not in response.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert response.json()["request_id"] in record.getMessage()
    assert error is record.exc_info[1]


def test_each_fault_has_its_own_id():
    """Two requests are told apart in the log."""
    api = Api(FailingStorage(RuntimeError()))
    assert 2 == len({api.get("/api/v1/settings").json()["request_id"] for _ in range(2)})


@pytest.mark.parametrize("error", [StorageError("secret"), StorageCorruptError("secret")])
def test_a_storage_that_fails_is_no_fault_of_the_service(error: Exception, caplog: pytest.LogCaptureFixture):
    """It is a 503, and an error in one line, without the traceback that says nothing about a database."""
    with caplog.at_level(logging.INFO):
        response = Api(FailingStorage(error)).get("/api/v1/settings")
    assert (503, "1") == (response.status_code, response.headers["retry-after"])
    assert "secret" not in response.text
    assert [(logging.ERROR, "a request failed in the storage: secret", None)] == [
        (record.levelno, record.getMessage(), record.exc_info)
        for record in caplog.records
        if record.name.startswith("heksher")
    ]


@pytest.mark.parametrize(
    ("reason", "status", "detail"),
    [
        ("disk full", 507, "cannot use its database now (disk full)"),
        ("read-only", 503, "cannot use its database now (read-only)"),
        ("busy", 503, "too many writes wait for each other"),
        ("database down", 503, "cannot reach its database"),
    ],
)
def test_a_refusal_says_why(reason: Reason, status: int, detail: str):
    """In a word or two, which name no place."""
    response = Api(FailingStorage(StorageUnavailableError("secret", reason))).get("/api/v1/settings")
    assert (status, "1") == (response.status_code, response.headers["retry-after"])
    assert detail in response.json()["detail"]
    assert "secret" not in response.text


def test_an_unavailable_storage_is_told_with_when_to_come_back(caplog: pytest.LogCaptureFixture):
    """It is a 503 with a Retry-After, and a warning without a traceback; the client learns nothing of the database."""
    with caplog.at_level(logging.INFO):
        response = Api(FailingStorage(StorageUnavailableError("secret"))).get("/api/v1/settings")
    assert (503, "1") == (response.status_code, response.headers["retry-after"])
    assert "secret" not in response.text
    assert [(logging.WARNING, None)] == [
        (record.levelno, record.exc_info) for record in caplog.records if record.name.startswith("heksher")
    ]


def test_a_schema_that_has_changed_is_told_with_what_to_do(caplog: pytest.LogCaptureFixture):
    """It is a 503 of its own: waiting does not help, another version of the service does."""
    with caplog.at_level(logging.INFO):
        response = Api(FailingStorage(SchemaChangedError("secret"))).get("/api/v1/settings")
    assert (503, "1") == (response.status_code, response.headers["retry-after"])
    assert "another version of heksher has migrated the database" in response.json()["detail"]
    assert "secret" not in response.text
    assert "a write was refused: secret" in caplog.text


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/settings//", "/api/v1/settings/a/b", "/api/v2/query/", "/%00"])
def test_an_unknown_path_is_not_found(path: str):
    """The 404 says where the paths are listed."""
    response = Api().get(path)
    assert 404 == response.status_code
    assert "/docs" in response.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("query", ["", "?settings=a%2Cb&x"])
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/api/v1/settings/", "../settings"),
        ("/api/v1/query/", "../query"),
        ("/api/v1/settings/a%20b/", "../a%20b"),
        ("/api/v1/rules/7/metadata/", "../metadata"),
        ("/docs/", "../docs"),
    ],
)
def test_a_slash_at_the_end_is_taken_off(method: str, query: str, path: str, location: str):
    """The way to the route is relative to the path with the slash, and keeps method, body and query."""
    response = Api().request(method, path + query)
    assert (307, location + query) == (response.status_code, response.headers["location"])


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/query", "GET, HEAD, POST"),
        ("/api/v1/context_features", "GET, HEAD, POST"),
        ("/api/v1/settings/a", "DELETE, GET, HEAD"),
        ("/api/v1/rules/1/metadata", "DELETE, GET, HEAD, POST, PUT"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/api/v1/rules", "POST"),
    ],
)
def test_an_unknown_method_is_not_allowed(path: str, allowed: str):
    """The 405 says which ones are, in the header that HTTP has for it."""
    response = Api().request("OPTIONS", path)
    assert (405, allowed) == (response.status_code, response.headers["allow"])
    assert response.json()["detail"]


def test_an_invalid_input_is_never_sent_back():
    """Neither whole nor in part, and only the first twenty faults are told."""
    api = Api()
    keys = {f"key {number}": "secret" for number in range(1000)}
    response = api.put("/api/v1/rules/1/metadata", json={"metadata": keys})
    assert 20 == len(locations(response))
    assert "secret" not in response.text


def test_long_keys_are_shortened():
    """The place of a fault can be a key that the client made up."""
    response = Api().put("/api/v1/rules/1/metadata", json={"metadata": {"a " * 1000: 1}})
    assert len(response.text) < 1000


@pytest.mark.parametrize("answer", [answer_error, answer_problem])
def test_an_error_that_the_api_does_not_know_passes(answer):
    """It is none of a request's own, so it goes to the last resort."""
    error = RuntimeError()
    with pytest.raises(RuntimeError) as raised:
        answer(error)
    assert error is raised.value


@pytest.mark.parametrize(
    ("error", "status"),
    [(StorageUnavailableError("secret"), 503), (StorageError("secret"), 503), (RuntimeError(), 500)],
)
def test_a_route_that_v1_does_not_have_answers_problem_details(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
):
    """Whatever is wrong; what else there is to say of it stands beside."""

    def fail(_storage: Storage) -> None:
        raise error

    monkeypatch.setattr("heksher.server.operations.tokens.list_all", fail)
    api = make_guarded(Api(), grants=["admin"])
    answer = api.get("/api/v1/tokens", headers={"api_token": "hks_with admin"})
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    problem = answer.json()
    assert ("about:blank", status, True) == (problem["type"], problem["status"], isinstance(problem["detail"], str))
    assert ("request_id" in problem) == (status == 500) == ("retry-after" not in answer.headers)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("error", "old", "new"),
    [
        (NotFoundError("none", "token"), (404, {"detail": "none"}), {"detail": "none"}),
        (NotFoundError("none", "rule"), (404, None), {"detail": "none"}),
        (DuplicateError("taken"), (409, "taken"), {"detail": "taken"}),
        (ConflictError("no", ("a", "b")), (409, {"conflicts": ["a", "b"]}), {"detail": "no", "conflicts": ["a", "b"]}),
        (
            RequestValidationError([{"loc": ("query", "a"), "msg": "wrong", "type": "value_error"}]),
            (422, {"detail": [{"loc": ["query", "a"], "msg": "wrong", "type": "value_error"}]}),
            {
                "detail": "query.a: wrong",
                "errors": [{"loc": ["query", "a"], "msg": "wrong", "type": "value_error"}],
            },
        ),
    ],
)
def test_errors_have_two_forms(error: Exception, old: tuple[int, object], new: dict[str, object]):
    """That of the contract, where it has one, and problem details."""
    answer, status = answer_error(error), old[0]
    is_json = answer.headers.get("content-type") == "application/json"
    body = json.loads(answer.body) if is_json else answer.body.decode() or None
    assert old == (answer.status_code, body)
    problem = json.loads(answer_problem(error).body)
    assert {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **new} == problem


def test_what_the_contract_does_not_know_has_one_form():
    """On its routes, too."""
    error = NotPermittedError("this needs the grant admin")
    assert answer_error(error).body == answer_problem(error).body
    assert "application/problem+json" == answer_error(error).headers["content-type"]


def test_a_fault_without_context_is_told():
    """The message of a fault stands as it is where it has no cause."""
    error = RequestValidationError([{"loc": ("query", "a"), "msg": "wrong", "type": "value_error"}])
    assert b'{"detail":[{"loc":["query","a"],"msg":"wrong","type":"value_error"}]}' == answer_error(error).body


async def _fail_after_start(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError


@pytest.mark.trap(45)
def test_a_fault_in_the_middle_of_an_answer_is_left_to_the_server():
    """Nothing can be said any more: the connection must be closed."""
    sent = []

    async def send(message) -> None:
        sent.append(message["type"])

    call = LastResort(_fail_after_start)({"type": "http"}, None, send)
    with pytest.raises(RuntimeError):
        call.send(None)
    assert ["http.response.start"] == sent
