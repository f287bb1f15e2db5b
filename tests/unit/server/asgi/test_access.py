"""What routes say about themselves."""

import pytest
from starlette.routing import BaseRoute, Mount, Route

from heksher.server.api.routing import OriginDependency
from heksher.server.app import Application
from heksher.server.asgi.access import Access, find_access, mark_access, read_access, reads, writes
from heksher.server.config import Config
from tests.support.catalogs import open_fragile

READ = Access(is_write=False)
WRITE = Access(is_write=True)
SAFE_METHODS = {"GET", "HEAD"}


def list_routes() -> list[BaseRoute]:
    """Return the routes of the service, without the one that the framework makes itself."""
    app = Application(Config("unused"), open_fragile())
    return [route for route in app.api.routes if route.path != app.api.openapi_url]


ROUTES = list_routes()


def name_route(route: BaseRoute) -> str:
    return f"{'-'.join(sorted(route.methods))} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name_route)
def test_each_route_says_whether_it_writes(route: BaseRoute):
    """With one of the marks in ``heksher.server.asgi.access`` on its function; as yet none is open to other origins."""
    assert read_access(route) in {READ, WRITE}


def test_what_is_refused_is_documented():
    """For each route that the documentation shows, as it is nothing that the route itself would answer."""
    document = Application(Config("unused"), open_fragile()).api.openapi()
    for route in ROUTES:
        for method in route.methods if route.include_in_schema else ():
            responses = document["paths"][route.path][method.lower()]["responses"]
            assert (True, read_access(route).is_write) == ("421" in responses, "403" in responses)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.methods <= SAFE_METHODS], ids=name_route)
def test_no_route_writes_by_a_method_that_is_safe(route: BaseRoute):
    """Browsers send those for any page, without a word about it in the request."""
    assert READ == read_access(route)


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.methods <= SAFE_METHODS], ids=name_route)
def test_a_route_says_the_truth(route: BaseRoute):
    """What the change log is told of who writes is asked for by those that write, and by no other."""
    writes_to_log = OriginDependency in route.endpoint.__annotations__.values()
    assert writes_to_log == read_access(route).is_write


def test_what_writes_is_all_but_the_queries():
    """Of the methods that are not safe."""
    reading = [
        name_route(route) for route in ROUTES if not route.methods <= SAFE_METHODS and READ == read_access(route)
    ]
    assert ["POST /api/v1/query", "POST /api/v1/stream"] == sorted(reading)


def test_a_mark_is_on_the_function_itself():
    """Which stays as it is."""

    def read() -> None: ...

    def write() -> None: ...

    def unmarked() -> None: ...

    opened = mark_access(lambda: None, Access(is_write=True, is_open_to_origins=True))
    assert (read, write) == (reads(read), writes(write))
    found = [read_access(Route("/", endpoint)) for endpoint in (read, write, opened, unmarked)]
    assert [READ, WRITE, Access(is_write=True, is_open_to_origins=True), None] == found


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/read", READ),
        ("PUT", "/read", WRITE),
        ("POST", "/write", WRITE),
        ("POST", "/unmarked", WRITE),
        ("POST", "/mounted/read", WRITE),
        ("POST", "/read/", WRITE),
        ("POST", "/nothing", WRITE),
    ],
)
def test_what_does_not_say_that_it_reads_counts_as_a_write(method: str, path: str, expected: Access):
    """A route that was forgotten, a mounted application, a path without a route."""

    @reads
    def read() -> None: ...

    @writes
    def write() -> None: ...

    def unmarked() -> None: ...

    endpoints = {"/read": read, "/write": write, "/unmarked": unmarked}
    routes: list[BaseRoute] = [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()]
    routes.append(Mount("/mounted", routes=[routes[0]]))
    assert expected == find_access(
        routes, {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    )
