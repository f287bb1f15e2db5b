"""What routes say about themselves."""

import pytest
from starlette.routing import BaseRoute, Mount, Route

from heksher.server.access.grants import Role
from heksher.server.api.routing import EditOriginDependency, OriginDependency
from heksher.server.app import Application
from heksher.server.asgi.access import (
    Access,
    find_access,
    get_access,
    mark_access,
    public,
    public_writes,
    read_access,
    reads,
    writes,
)
from heksher.server.config import Config
from tests.support.catalogs import open_fragile

READ = Access(is_write=False, role=Role.READ)
WRITE = Access(is_write=True, role=Role.EDIT)
UNKNOWN = Access(is_write=True, role=Role.ADMIN)
NO_ROUTE = Access(is_write=True, role=Role.EVALUATE)
SAFE_METHODS = {"GET", "HEAD"}


def list_routes() -> list[BaseRoute]:
    """Return the routes of the service, without the one that the framework makes itself."""
    app = Application(Config("unused"), open_fragile())
    return [route for route in app.api.routes if route.path != app.api.openapi_url]


ROUTES = list_routes()


def name_route(route: BaseRoute) -> str:
    return f"{'-'.join(sorted(route.methods))} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name_route)
def test_each_route_says_what_it_needs(route: BaseRoute):
    """With one of the marks in ``heksher.server.asgi.access`` on its function; what browsers may hold, they may ask."""
    access = read_access(route)
    assert access is not None
    assert access.is_open_to_origins == (route.path == "/api/v1/evaluate")


def test_what_is_refused_is_documented():
    """For each route that the documentation shows, as it is nothing that the route itself would answer."""
    document = Application(Config("unused"), open_fragile()).api.openapi()
    for route in ROUTES:
        for method in route.methods if route.include_in_schema else ():
            responses = document["paths"][route.path][method.lower()]["responses"]
            access = read_access(route)
            is_refused = access.role is not None
            assert (True, is_refused, is_refused) == tuple(status in responses for status in ("421", "401", "403"))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.methods <= SAFE_METHODS], ids=name_route)
def test_no_route_writes_by_a_method_that_is_safe(route: BaseRoute):
    """Browsers send those for any page, without a word about it in the request."""
    assert not read_access(route).is_write


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.methods <= SAFE_METHODS], ids=name_route)
def test_a_route_says_the_truth(route: BaseRoute):
    """What the change log is told of who writes is asked for by those that write, and by no other.

    Those on which people sign in and out find out by themselves who that is.
    """
    access = read_access(route)
    writes_to_log = not {OriginDependency, EditOriginDependency}.isdisjoint(route.endpoint.__annotations__.values())
    assert writes_to_log == (access.is_write and access.role is not None)


def test_what_writes_is_all_but_the_queries():
    """Of the methods that are not safe."""
    reading = [
        name_route(route) for route in ROUTES if not route.methods <= SAFE_METHODS and not read_access(route).is_write
    ]
    assert ["POST /api/v1/evaluate", "POST /api/v1/query", "POST /api/v1/stream"] == sorted(reading)


def test_a_mark_is_on_the_function_itself():
    """Which stays as it is."""

    def read() -> None: ...

    def write() -> None: ...

    def unmarked() -> None: ...

    opened = mark_access(lambda: None, Access(is_write=True, role=None, is_open_to_origins=True))
    assert (read, write) == (reads(read), writes(Role.EDIT)(write))
    found = [read_access(Route("/", endpoint)) for endpoint in (read, write, opened, unmarked)]
    assert [READ, WRITE, Access(is_write=True, role=None, is_open_to_origins=True), None] == found


def test_marks_of_other_kinds():
    """A read that needs less, and what anybody may use."""
    assert Access(is_write=False, role=Role.EVALUATE) == get_access(reads(role=Role.EVALUATE)(lambda: None))
    assert Access(is_write=False, role=None) == get_access(public(lambda: None))
    assert Access(is_write=True, role=None) == get_access(public_writes(lambda: None))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/read", READ),
        ("PUT", "/read", NO_ROUTE),
        ("POST", "/write", WRITE),
        ("POST", "/unmarked", UNKNOWN),
        ("POST", "/mounted/read", UNKNOWN),
        ("POST", "/read/", NO_ROUTE),
        ("POST", "/nothing", NO_ROUTE),
    ],
)
def test_what_does_not_say_what_it_needs_counts_as_a_write_of_admins(method: str, path: str, expected: Access):
    """A route that was forgotten, and a mounted application. Where there is none, whoever may anything is told so."""

    @reads
    def read() -> None: ...

    @writes(Role.EDIT)
    def write() -> None: ...

    def unmarked() -> None: ...

    endpoints = {"/read": read, "/write": write, "/unmarked": unmarked}
    routes: list[BaseRoute] = [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()]
    routes.append(Mount("/mounted", routes=[routes[0]]))
    assert expected == find_access(
        routes, {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    )
