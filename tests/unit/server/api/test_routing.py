"""What every group of routes is built with."""

import inspect

import pytest
from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from heksher.server.api.body import StrictRoute
from heksher.server.api.routing import OriginDependency, RuleIdInPath, StorageDependency, make_router
from heksher.server.asgi.access import reads


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("7", 7), ("007", 7), ("9" * 4300, 10**4300 - 1)])
def test_a_rule_id_is_a_whole_number(text: str, expected: int):
    """Of any size that the interpreter reads."""
    assert expected == TypeAdapter(RuleIdInPath).validate_python(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1_0", " 1", "1\n", "\u0661", "\u00b2", "a", "9" * 4301])
def test_what_int_takes_besides_digits_is_no_rule_id(text: str):
    """Signs, underscores, white space, other alphabets."""
    with pytest.raises(ValidationError):
        TypeAdapter(RuleIdInPath).validate_python(text)


def test_routes_read_their_requests_strictly():
    """All of them, and JSON without a Content-Type too."""
    router = make_router("some")
    assert issubclass(router.route_class, StrictRoute)
    assert (["some"], False) == (router.tags, router.strict_content_type)


def test_writes_take_turns_and_reads_do_not():
    """As they say of themselves; what the framework is told of a handler is as it was."""

    def handle(name: str, storage: StorageDependency, origin: OriginDependency) -> Response:
        """Say it."""
        return Response(name)

    def read(name: str) -> Response:
        return Response(name)

    async def handle_at_once(name: str) -> Response:
        return Response(name)

    router = make_router("some")
    router.get("/a/{name}")(reads(read))
    router.put("/a/{name}")(handle)
    router.post("/a/{name}")(handle_at_once)
    reading, writing, other = (route for route in router.routes if isinstance(route, APIRoute))
    assert (read, handle_at_once) == (reading.endpoint, other.endpoint)
    assert ("handle", "Say it.") == (writing.name, writing.description)
    given = list(inspect.signature(writing.endpoint).parameters)
    assert ["name", "storage", "origin", "services", "standing", "dry_run", "has_preference"] == given
