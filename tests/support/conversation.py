"""Playing the service in a flow, without I/O: a flow yields requests, the test sends what became of them.

::

    talk = Conversation(session.ping())
    assert ["GET /api/health"] == talk.asked
    talk.answer(respond({"version": "1"}))
    talk.result()
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.exceptions import ServiceError, TransportError
from heksher.value_type import JSON

T = TypeVar("T")

FEATURES: Final = "GET /api/v1/context_features"
DECLARE: Final = "POST /api/v1/settings/declare"
QUERY: Final = "GET /api/v1/query"
SETTINGS: Final = "GET /api/v1/settings"


class Conversation(Generic[T]):
    """A flow under way.

    Attributes:
        requests: what waits for an answer; empty once the flow has ended.
    """

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        # What the flow gave, or raised, in the end; empty before.
        self._results: list[T] = []
        self._error: ServiceError | None = None
        self.requests: tuple[Request, ...] = ()
        self._step(None)

    @property
    def asked(self) -> list[str]:
        """The requests that wait for an answer, as ``METHOD path``."""
        return [str(request) for request in self.requests]

    def answer(self, *outcomes: Outcome) -> None:
        """Tell the flow what became of its requests, in their order."""
        assert len(self.requests) == len(outcomes), f"not what the flow waits for: {self.asked}"
        # An error that was raised keeps alive what it came through. Tests share errors, so each flow gets its own.
        self._step(tuple(type(one)(*one.args) if isinstance(one, TransportError) else one for one in outcomes))

    def play(self, *rounds: tuple[str, Outcome]) -> None:
        """Answer one request after another, each of which must be the expected one."""
        for expected, outcome in rounds:
            assert [expected] == self.asked
            self.answer(outcome)

    def result(self) -> T:
        """Return what the flow gave, or raise what it raised; it must have ended."""
        if self._error is not None:
            raise self._error
        assert self._results, f"the flow goes on, and asks {self.asked}"
        return self._results[0]

    def _step(self, outcomes: tuple[Outcome, ...] | None) -> None:
        self.requests = ()
        try:
            self.requests = next(self._flow) if outcomes is None else self._flow.send(outcomes)
        except StopIteration as end:
            self._results.append(end.value)
        except ServiceError as error:
            self._error = error


def respond(body: object = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer; a ``str`` is sent as it is, anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, headers or {}, text.encode())


def features(*names: str) -> Response:
    """Answer what the context features are."""
    return respond({"context_features": names})


def declared(outcome: str = "created", **more: object) -> Response:
    """Answer a declaration that is accepted."""
    return respond({"outcome": outcome, **more})


def queried(
    settings: Mapping[str, JSON], order: Sequence[str] | None = ("a", "b"), etag: str | None = '"1"'
) -> Response:
    """Answer a query.

    Args:
        settings: by name; whatever is no dictionary is the default value of a setting without rules.
        order: the feature order that is announced; ``None`` for a service that does not do that.
        etag: ``None`` for an answer without.
    """
    body = {name: answer if isinstance(answer, dict) else said(answer) for name, answer in settings.items()}
    return respond({"settings": body}, headers=_headers(order, etag))


def not_modified(order: Sequence[str] | None = ("a", "b"), etag: str | None = '"1"') -> Response:
    """Answer a query that nothing has changed."""
    return respond("", 304, _headers(order, etag))


def said(default_value: JSON, *rules: JSON) -> dict[str, JSON]:
    """Write what a query says of one setting."""
    return {"default_value": default_value, "rules": list(rules)}


def rule(rule_id: int, value: JSON, **conditions: str) -> dict[str, JSON]:
    """Write a rule as a query has it."""
    return {"rule_id": rule_id, "value": value, "context_features": [list(pair) for pair in conditions.items()]}


def listed(name: str, *aliases: str) -> dict[str, Any]:
    """Write a setting as the list of all settings has it."""
    more = {"configurable_features": ["a"], "type": "int", "default_value": 0, "metadata": {}, "version": "1.0"}
    return {"name": name, "aliases": list(aliases), **more}


def listing(*settings: JSON) -> Response:
    """Answer with a list of all settings."""
    return respond({"settings": settings})


def _headers(order: Sequence[str] | None, etag: str | None) -> Mapping[str, str]:
    headers = {"heksher-context-features": None if order is None else ",".join(order), "etag": etag}
    return {name: value for name, value in headers.items() if value is not None}
