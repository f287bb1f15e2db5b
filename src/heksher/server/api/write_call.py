"""Writes of the API that have no request of their own: each names the method, the path and the body of one.

They are read as the framework reads requests, and made by the functions that handle those. What these are given
besides, the framework knows of a request; here whoever makes the writes gives it.
"""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NamedTuple, get_type_hints
from urllib.parse import parse_qsl, unquote

from fastapi.params import Query
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError
from starlette.routing import BaseRoute, Match

from heksher.server.access.grants import Role, describe_missing
from heksher.server.api.if_match import read_if_match
from heksher.server.api.models import NewRule, SettingDeclaration
from heksher.server.api.responses import show_answer
from heksher.server.api.routing import ServiceRoute, can_expect
from heksher.server.config import Config
from heksher.server.errors import BadHeaderError, NotPermittedError, OperationError
from heksher.server.json_form import JSONObject
from heksher.server.operations.bulk import run_all
from heksher.server.operations.deletion_protection import DeletionProtection
from heksher.server.operations.expecting_storage import ExpectingStorage
from heksher.server.storage.base import Conditions, Expectation, Origin, Storage, Written
from heksher.server.storage.gathering_writer import Lookups
from heksher.value_type import JSON, shorten
from heksher.wire import SETTINGS_PATH

WriteMethod = Literal["POST", "PUT", "PATCH", "DELETE"]

_LEAST_REFUSAL: Final = 400
_BODY: Final = "body"


class NamedWrite(NamedTuple):
    """A write as it is named.

    Attributes:
        path: as in a request, with the query if there is one.
        body: ``None`` for none.
        if_match: what the header ``If-Match`` of a request would be; ``None`` for none.
    """

    method: WriteMethod
    path: str
    body: JSON = None
    if_match: str | None = None


class Surroundings(NamedTuple):
    """What writes are made with."""

    storage: Storage
    origin: Origin
    config: Config
    protection: DeletionProtection


# What handlers take besides what stands in a request, by the names of their parameters.
_GIVEN: Final[Mapping[str, Callable[[Surroundings], object]]] = {
    "storage": lambda surroundings: surroundings.storage,
    "origin": lambda surroundings: surroundings.origin,
    "config": lambda surroundings: surroundings.config,
    "max_value_bytes": lambda surroundings: surroundings.config.max_value_bytes,
    "protection": lambda surroundings: surroundings.protection,
    "at_least": lambda _: None,
    # Who makes several writes at once is no program that starts.
    "note_use": lambda _: lambda _: None,
}


class UnreadableWriteError(OperationError):
    """There is no such write, or what it is given breaks the rules.

    Attributes:
        faults: in the form of the framework's own error.
    """

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__("it breaks the rules of requests")
        self.faults = faults


class RefusingAnswerError(OperationError):
    """A write was refused by an answer of its own, such as a declaration that does not match.

    Attributes:
        status: of the answer.
        body: of the answer.
    """

    def __init__(self, status: int, body: JSON) -> None:
        super().__init__("it was refused with the answer that is shown here")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A write that was read.

    Attributes:
        path: of its route.
        role: what that needs.
        handle: handles the request.
        arguments: what stands in it.
        given: the names of what it takes besides.
        expected: what it expects of the object that it is about; ``None`` for nothing.
    """

    path: str
    role: Role | None
    handle: Callable[..., Response]
    arguments: Mapping[str, object]
    given: tuple[str, ...]
    expected: Expectation | None

    def make(self, surroundings: Surroundings) -> JSONObject:
        """Make the write, and return status, body and tag of its answer.

        Raises:
            OperationError: it was refused.
            StorageUnavailableError: the storage cannot be reached.
        """
        if self.role is not None and not surroundings.origin.grants.allow_somewhere(self.role):
            raise NotPermittedError(describe_missing(self.role))
        if self.expected is not None:
            surroundings = surroundings._replace(storage=ExpectingStorage(surroundings.storage, self.expected))
        answer = self.handle(**self.arguments, **{name: _GIVEN[name](surroundings) for name in self.given})
        shown = show_answer(answer)
        if answer.status_code >= _LEAST_REFUSAL:
            raise RefusingAnswerError(answer.status_code, shown["body"])
        return {**shown, "etag": answer.headers.get("ETag")}


class WriteReader:
    """Reads writes that are named.

    Args:
        routes: those of the writes that can be named; others are passed over.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._handlers: defaultdict[str, list[_Handler]] = defaultdict(list)
        for route in routes:
            if isinstance(route, ServiceRoute) and route.write is not None:
                for method in route.methods or ():
                    self._handlers[method].append(_Handler(route, route.write))

    def read(self, named: NamedWrite) -> WriteCall:
        """Return the write that is named.

        Raises:
            UnreadableWriteError: there is none, or what it is given breaks the rules.
        """
        path = unquote(named.path.partition("?")[0])
        for handler in self._handlers[named.method]:
            if (texts := handler.match(named.method, path)) is not None:
                return handler.read(texts, named)
        what = shorten(f"{named.method} {named.path}")
        raise UnreadableWriteError(
            [{"loc": ("path",), "msg": f"there is no write {what!a} that could be one of several", "type": "no_write"}]
        )


def make_all(reader: WriteReader, named: Iterable[NamedWrite], surroundings: Surroundings) -> Written[list[JSONObject]]:
    """Make writes together, and return status, body and tag of the answer to each.

    Raises:
        StepError: one was refused; nothing was stored.
        StorageUnavailableError: the storage cannot be reached.
    """
    calls = [try_read(reader, write) for write in named]
    steps = [partial(_make, call, surroundings) for call in calls]
    return run_all(surroundings.storage, steps, surroundings.origin, foresee(calls))


def foresee(calls: Iterable[WriteCall | UnreadableWriteError]) -> Lookups:
    """Return what writes will look up, as far as they could be read, and what stands in their requests says it."""
    settings: set[str] = set()
    rule_ids: set[int] = set()
    rules: list[tuple[str, Conditions]] = []
    for call in calls:
        if isinstance(call, UnreadableWriteError):
            continue
        # Context features have names, too.
        if call.path.startswith(SETTINGS_PATH) and isinstance(name := call.arguments.get("name"), str):
            settings.add(name)
        if isinstance(rule_id := call.arguments.get("rule_id"), int):
            rule_ids.add(rule_id)
        match call.arguments.get(_BODY):
            case NewRule() as rule:
                rules.append((rule.setting, rule.feature_values))
            case SettingDeclaration() as declaration:
                settings.update({declaration.name, declaration.alias or declaration.name})
    return Lookups(settings, rule_ids, rules)


def try_read(reader: WriteReader, named: NamedWrite) -> WriteCall | UnreadableWriteError:
    """Return a write, or why it cannot be read."""
    try:
        return reader.read(named)
    except UnreadableWriteError as error:
        return error


def make_read(call: WriteCall | UnreadableWriteError, surroundings: Surroundings) -> JSONObject:
    """Make a write, and return status, body and tag of its answer.

    What cannot be read is refused in its turn: a write before it may be refused for another reason.

    Raises:
        OperationError: it was refused, or cannot be read.
        StorageUnavailableError: the storage cannot be reached.
    """
    if isinstance(call, UnreadableWriteError):
        raise call
    return call.make(surroundings)


def _make(call: WriteCall | UnreadableWriteError, surroundings: Surroundings, storage: Storage) -> JSONObject:
    return make_read(call, surroundings._replace(storage=storage))


class _Handler:
    """Handles the requests of a route."""

    def __init__(self, route: ServiceRoute, handle: Callable[..., Any]) -> None:
        self._route = route
        self._handle = handle
        self._can_expect = can_expect(handle)
        hints = get_type_hints(handle, include_extras=True)
        names = inspect.signature(handle).parameters
        self._in_path: dict[str, TypeAdapter[object]] = {
            name: TypeAdapter(hints[name]) for name in route.param_convertors
        }
        self._body: TypeAdapter[object] | None = TypeAdapter(hints[_BODY]) if _BODY in names else None
        self._in_query: dict[str, TypeAdapter[object]] = {
            name: TypeAdapter(hints[name]) for name in names if _is_in_query(hints[name])
        }
        elsewhere = {_BODY, *self._in_path, *self._in_query}
        self._given = tuple(name for name in names if name not in elsewhere)
        if unknown := set(self._given).difference(_GIVEN):
            raise TypeError(f"nobody gives {sorted(unknown)} to {handle.__name__} where it handles no request")

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return what stands in a path for the parameters of the route; ``None`` if it is the path of another one."""
        match, found = self._route.matches({"type": "http", "method": method, "path": path, "root_path": ""})
        return found["path_params"] if match is Match.FULL else None

    def read(self, texts: Mapping[str, str], named: NamedWrite) -> WriteCall:
        """Read a request.

        Raises:
            UnreadableWriteError: it breaks the rules.
        """
        arguments: dict[str, object] = {}
        faults: list[dict[str, Any]] = []
        for name, adapter in self._in_path.items():
            _read(adapter, texts[name], ("path", name), arguments, faults)
        if self._body is not None and named.body is None:
            # As of a request without a body.
            faults.append({"loc": (_BODY,), "msg": "Field required", "type": "missing"})
        elif self._body is not None:
            _read(self._body, named.body, (_BODY,), arguments, faults)
        self._read_query(named.path.partition("?")[2], arguments, faults)
        expected = self._read_expectation(texts, named.if_match, faults)
        if faults:
            raise UnreadableWriteError(faults)
        return WriteCall(self._route.path, self._route.access.role, self._handle, arguments, self._given, expected)

    def _read_query(self, query: str, arguments: dict[str, object], faults: list[dict[str, Any]]) -> None:
        # What is missing has a default, as in all writes that can be named.
        for name, text in parse_qsl(query, keep_blank_values=True):
            place = ("path", name)
            if name not in self._in_query:
                fault = f"this write has no parameter {shorten(name)!a} in its query"
                faults.append({"loc": ("path",), "msg": fault, "type": "value_error"})
            elif name in arguments:
                faults.append({"loc": place, "msg": "this parameter stands more than once", "type": "value_error"})
            else:
                _read(self._in_query[name], text, place, arguments, faults)

    def _read_expectation(
        self, texts: Mapping[str, str], if_match: str | None, faults: list[dict[str, Any]]
    ) -> Expectation | None:
        if if_match is None:
            return None
        try:
            if self._can_expect:
                return read_if_match(if_match, self._route.path, texts)
            fault = "what this write is about has no tag: leave it out"
        except BadHeaderError as error:
            fault = str(error)
        faults.append({"loc": ("if_match",), "msg": fault, "type": "value_error"})
        return None


def _read(
    adapter: TypeAdapter[object],
    value: object,
    place: tuple[str, ...],
    arguments: dict[str, object],
    faults: list[dict[str, Any]],
) -> None:
    try:
        arguments[place[-1]] = adapter.validate_python(value)
    except ValidationError as error:
        faults.extend({**fault, "loc": (*place, *fault["loc"])} for fault in error.errors())


def _is_in_query(hint: object) -> bool:
    return any(isinstance(detail, Query) for detail in getattr(hint, "__metadata__", ()))
