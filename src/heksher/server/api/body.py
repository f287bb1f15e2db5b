"""Reads requests strictly: bodies must be JSON as in RFC 8259, and nothing may be ambiguous.

The standard parser accepts more than JSON (``NaN``, ``1e999`` as infinity, repeated keys, lone surrogates). The service
would store such values and send them to clients that cannot read them (known fault 35).

Source: RFC 8259; RFC 7493 (I-JSON) for repeated keys and surrogates.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import cache, partial
from typing import NoReturn

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from heksher.server.limits import MAX_INTEGER_DIGITS, MAX_JSON_NESTING, MAX_REPORTED_ERRORS
from heksher.server.queries.workshop import MAX_BYTES_ON_EVENT_LOOP, Workshop
from heksher.value_type import JSON, shorten
from heksher.wire import EVALUATE_PATH, QUERY_PATH, STREAM_PATH

logger: logging.Logger = logging.getLogger(__name__)

_INTEGER_END = 10**MAX_INTEGER_DIGITS
# Requests that are answered without the database.
_READ_PATHS = frozenset({QUERY_PATH, STREAM_PATH, EVALUATE_PATH})


def parse_json(body: bytes) -> JSON:
    """Return the value of a JSON text.

    Raises:
        JSONDecodeError: the text is not JSON, or has something that some JSON readers cannot read.
    """
    try:
        document: JSON = json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_make_object
        )
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError(f"the body is not UTF-8 from byte {error.start} on", "", 0) from None
    except RecursionError:
        _refuse_nesting()
    except json.JSONDecodeError as error:
        # Without the text, which the error and the calls of the parser have: it would wait for the answer as well.
        error.doc, error.__context__ = "", None
        raise error.with_traceback(None) from None
    except ValueError:  # raised by the interpreter for an integer of thousands of digits
        _refuse_integer()
    check_json(document)
    return document


def check_json(document: JSON) -> None:
    """Check that every JSON reader can read a document.

    Raises:
        JSONDecodeError: it has something that some cannot read, or is nested too deep.
    """
    # Level by level: recursion would fail at the very nesting that this refuses.
    level = [document]
    for _ in range(MAX_JSON_NESTING + 1):
        containers = []
        for value in level:
            if isinstance(value, dict | list):
                containers.append(value)
            else:
                _check_scalar(value)
        if not containers:
            return
        level = []
        for container in containers:
            level.extend(container)
            if isinstance(container, dict):
                level.extend(container.values())
    _refuse_nesting()


def _check_scalar(value: JSON) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            _refuse("half a surrogate pair is no character: strings must be valid Unicode")
    elif isinstance(value, float):
        if math.isnan(value):
            _refuse_constant("NaN")
        if math.isinf(value):
            # Whoever has parsed it has made the same of both.
            _refuse("a number is infinite, or too large for a double-precision float: JSON has finite numbers only")
    elif isinstance(value, int) and not -_INTEGER_END < value < _INTEGER_END:
        _refuse_integer()


def _make_object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    made = dict(pairs)
    if len(made) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        _refuse(f"the key {shorten(key)!a} stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is no JSON, which has finite numbers only")


def _refuse_integer() -> NoReturn:
    _refuse(f"a whole number has more than {MAX_INTEGER_DIGITS} digits")


def _refuse_nesting() -> NoReturn:
    _refuse(f"the JSON is nested deeper than {MAX_JSON_NESTING} levels")


def _refuse(message: str) -> NoReturn:
    raise json.JSONDecodeError(message, "", 0)


# Returns what a body is read as, and what is wrong with it.
_Check = Callable[[object], tuple[object, Sequence[object]]]


def find_check(route: APIRoute) -> _Check | None:
    """Return how the framework checks the bodies of a route; ``None`` if it has none, or if that cannot be had.

    It is documented nowhere. Without it, the framework checks large bodies on the event loop: the loss is logged once.
    """
    if route.body_field is None:
        return None
    validate = getattr(route.body_field, "validate", None)
    if validate is None:
        _report_loss()
        return None
    return partial(validate, loc=("body",))


@cache
def _report_loss() -> None:
    logger.warning(
        "this version of FastAPI does not let the service check large bodies in threads: other requests wait meanwhile"
    )


class _InvalidBodyError(HTTPException):
    """A body breaks the rules. The framework passes this class on, unlike others that are raised while it reads one.

    Attributes:
        faults: what is wrong, as in the framework's own error.
    """

    def __init__(self, faults: Sequence[object]) -> None:
        super().__init__(422)
        self.faults = faults


class StrictRequest(Request):
    """A request that parses its body strictly. A large one is parsed and checked in a thread.

    Args:
        request: the request as it came.
        check: as ``find_check`` returns it; ``None`` leaves the checks to the framework.
        workshop: has the threads.
    """

    def __init__(self, request: Request, check: _Check | None, workshop: Workshop) -> None:
        super().__init__(request.scope, request.receive)
        self._check = check
        self._workshop = workshop

    async def json(self) -> object:
        body = await self.body()
        if len(body) > MAX_BYTES_ON_EVENT_LOOP:
            return await self._workshop.run(lambda: self._read(body))
        return parse_json(body)

    def _read(self, body: bytes) -> object:
        document = parse_json(body)
        if self._check is None:
            return document
        # What the framework would make of the body. It lets that pass as it is.
        read, faults = self._check(document)
        if faults:
            raise _InvalidBodyError(faults[:MAX_REPORTED_ERRORS])
        return read


class StrictRoute(APIRoute):
    """A route that parses its requests strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
        handle = super().get_route_handler()
        has_body = self.body_field is not None
        check = find_check(self)
        is_read = self.path in _READ_PATHS

        async def handle_strictly(request: Request) -> Response:
            _refuse_repeated_parameters(request)
            if not has_body:
                return await handle(request)
            _refuse_other_content(request)
            workshop: Workshop = request.app.state.services.workshop
            strict = StrictRequest(request, check, workshop)
            async with workshop.taking_turns(await _measure_body(strict), is_read=is_read):
                try:
                    return await handle(strict)
                except _InvalidBodyError as error:
                    raise RequestValidationError(error.faults) from None

        return handle_strictly


async def _measure_body(request: Request) -> int:
    try:
        return len(await request.body())
    except ClientDisconnect:
        # The framework will meet the same, and ends the request.
        return 0


def _refuse_other_content(request: Request) -> None:
    # The framework would say that a text is no object, which does not help whoever sees an object in it.
    content_type = request.headers.get("content-type")
    if content_type and not _is_json(content_type):
        message = f"{shorten(content_type)!a} is not the type of a body here: send Content-Type: application/json"
        raise RequestValidationError([{"loc": ("body",), "msg": message, "type": "content_type"}])


def _is_json(content_type: str) -> bool:
    main_type, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    return main_type == "application" and (subtype == "json" or subtype.endswith("+json"))


def _refuse_repeated_parameters(request: Request) -> None:
    # One of the two values would be ignored silently, although the client meant both.
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, count in counts.items() if count > 1]:
        message = "the parameter stands more than once: join several values with commas"
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": message, "type": "repeated"} for name in repeated]
        )


def refuse_unknown_parameters(request: Request, known: Collection[str]) -> None:
    """Check that a request has no other parameters in its query than those that a route knows.

    Raises:
        RequestValidationError: it has others; the message says which there are.
    """
    if unknown := dict.fromkeys(name for name in request.query_params if name not in known):
        there_are = f"there are {', '.join(sorted(known))}" if known else "there are none"
        message = f"there is no such parameter: {there_are}"
        raise RequestValidationError([{"loc": ("query", name), "msg": message, "type": "unknown"} for name in unknown])
