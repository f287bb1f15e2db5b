"""Writes that are named: how they are read. What they do is in the tests of the bulk route."""

from typing import Any

import pytest
from fastapi import Response

from heksher.server.access.grants import Role
from heksher.server.api.routes.bulk_routes import V1_WRITES
from heksher.server.api.routing import IsAdmin, OriginDependency, StorageDependency, make_router
from heksher.server.api.write_call import NamedWrite, UnreadableWriteError, WriteReader
from heksher.server.asgi.access import writes

RULE = {"setting": "a", "feature_values": {"user": "x"}, "value": 1}


def find_faults(named: NamedWrite) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(UnreadableWriteError) as caught:
        V1_WRITES.read(named)
    return [(fault["loc"], fault["type"]) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("method", "path", "body", "role", "arguments"),
    [
        ("POST", "/api/v1/rules", RULE, Role.EDIT, {"body"}),
        ("PUT", "/api/v1/rules/7/value", {"value": 1}, Role.EDIT, {"rule_id", "body"}),
        ("DELETE", "/api/v1/rules/7", None, Role.EDIT, {"rule_id"}),
        ("PUT", "/api/v1/rules/7/metadata/a", {"value": 1}, Role.EDIT, {"rule_id", "key", "body"}),
        ("DELETE", "/api/v1/settings/a.b", None, Role.ADMIN, {"name"}),
        ("PUT", "/api/v1/settings/a/name", {"name": "b", "version": "1.1"}, Role.DECLARE, {"name", "body"}),
        ("PATCH", "/api/v1/context_features/user/index", {"to_after": "theme"}, Role.ADMIN, {"name", "body"}),
    ],
)
def test_a_write_is_found(method: Any, path: str, body: Any, role: Role, arguments: set[str]):
    """With what its route needs, and what stands in its request."""
    call = V1_WRITES.read(NamedWrite(method, path, body))
    assert (role, arguments) == (call.role, set(call.arguments))


def test_what_a_path_has_is_read_as_the_framework_does():
    """Percent signs stand for characters, and a rule's id is a number."""
    assert {"name": "a b"} == V1_WRITES.read(NamedWrite("DELETE", "/api/v1/settings/a%20b")).arguments
    assert {"rule_id": 7} == V1_WRITES.read(NamedWrite("DELETE", "/api/v1/rules/007")).arguments


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/rule"),
        ("POST", "/api/v1/rules/"),
        ("POST", "api/v1/rules"),
        ("PUT", "/api/v1/rules"),
        # Reads, and what is no write of v1.
        ("POST", "/api/v1/query"),
        ("POST", "/api/v1/settings/declare-many"),
        ("POST", "/api/v1/bulk"),
        ("POST", "/api/v1/tokens"),
    ],
)
def test_what_is_no_write_is_refused(method: Any, path: str):
    """By its method and its path."""
    assert [(("path",), "no_write")] == find_faults(NamedWrite(method, path, RULE))


def test_a_query_is_read_as_the_framework_does():
    """Of those writes that have one."""
    assert {"name": "a?b", "force": True} == V1_WRITES.read(
        NamedWrite("DELETE", "/api/v1/settings/a%3Fb?force=true")
    ).arguments
    assert {"name": "a"} == V1_WRITES.read(NamedWrite("DELETE", "/api/v1/settings/a?")).arguments


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("force=perhaps", [(("path", "force"), "bool_parsing")]),
        ("force=", [(("path", "force"), "bool_parsing")]),
        ("force=true&force=true", [(("path", "force"), "value_error")]),
        ("dry_run=true&name=b", [(("path",), "value_error")] * 2),
        ("force=true?force=true", [(("path", "force"), "bool_parsing")]),
    ],
)
def test_what_is_wrong_with_a_query_is_told(query: str, faults: list[tuple[tuple[str, ...], str]]):
    """Whether many are only tried, the query of their request says, not that of one of them."""
    assert faults == find_faults(NamedWrite("DELETE", f"/api/v1/settings/a?{query}"))


def test_all_that_breaks_the_rules_is_told():
    """With the places where it stands in the write."""
    assert [(("path", "rule_id"), "value_error"), (("body", "value"), "missing")] == find_faults(
        NamedWrite("PUT", "/api/v1/rules/x/value", {})
    )
    assert [(("body",), "missing")] == find_faults(NamedWrite("POST", "/api/v1/rules"))


def test_a_write_that_takes_what_nobody_gives_is_a_fault():
    """It is found when the program starts."""
    router = make_router("some")

    @router.post("/a")
    @writes(Role.ADMIN)
    def do(storage: StorageDependency, origin: OriginDependency, is_admin: IsAdmin) -> Response:
        return Response()

    with pytest.raises(TypeError, match=r"nobody gives \['is_admin'\] to do"):
        WriteReader(router.routes)
