"""Requests and responses: plain values."""

from heksher.clients.conversation.exchange import Request, Response


def test_request_shows_what_it_asks() -> None:
    """Error messages name a request by its method and path, without parameters, which can be long."""
    assert str(Request("GET", "/api/v1/query", {"settings": "a,b"})) == "GET /api/v1/query"


def test_same_request() -> None:
    """Requests are equal when they ask the same; an ETag is compared to its query by that."""
    assert Request("GET", "/a", {"x": "1"}) == Request("GET", "/a", {"x": "1"}, {}, None)
    assert Request("GET", "/a", {"x": "1"}) != Request("GET", "/a", {"x": "2"})
    assert Request("GET", "/a") != Request("GET", "/a", headers={"If-None-Match": "1"})


def test_nothing_by_default() -> None:
    """A request has no parameters, headers or body unless they are given; a response stands for itself."""
    request = Request("GET", "/a")
    assert (request.params, request.headers, request.body) == ({}, {}, None)
    assert Response(200, {}, b"").native is None
