"""What the description of the API says of credentials."""

from dataclasses import replace

import pytest

from heksher.server.config import Config
from tests.support.access import CONFIG
from tests.support.api import Api

SCHEMES = {"bearer", "api_key", "api_token", "session"}
METRICS = ("GET", "/metrics")
PUBLIC = {("GET", "/api/health"), ("GET", "/healthz/live"), ("GET", "/healthz/ready"), METRICS}
ROLES = {
    ("GET", "/api/v1/me"): "evaluate",
    ("GET", "/api/v1/query"): "read",
    ("POST", "/api/v1/query"): "read",
    ("POST", "/api/v1/rules"): "edit",
    ("PUT", "/api/v1/settings/{name}/type"): "declare",
    ("DELETE", "/api/v1/settings/{name}"): "admin",
    ("POST", "/api/v1/people/{name}/password"): "admin",
}


def describe(config: Config) -> dict:
    return Api(config=config).get("/openapi.json").json()


def list_security(document: dict) -> dict[tuple[str, str], list | None]:
    """Return what each operation says of credentials; ``None`` of one that says nothing."""
    return {
        (method.upper(), path): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_each_route_says_by_what_it_can_be_used_and_which_role_it_needs():
    """Those that are for anybody say nothing."""
    found = list_security(describe(CONFIG))
    assert {operation for operation, security in found.items() if security is None} == PUBLIC
    for operation, role in ROLES.items():
        assert [{scheme: [role]} for scheme in ("bearer", "api_key", "api_token", "session")] == found[operation]
    assert all({name for way in security for name in way} == SCHEMES for security in found.values() if security)


def test_the_schemes_are_what_the_service_takes():
    """A token in each of its headers, and the cookie of a session."""
    schemes = describe(CONFIG)["components"]["securitySchemes"]
    assert SCHEMES == schemes.keys()
    assert ("http", "bearer") == (schemes["bearer"]["type"], schemes["bearer"]["scheme"])
    assert [("header", "x-api-key"), ("header", "api_token"), ("cookie", "heksher")] == [
        (schemes[name]["in"], schemes[name]["name"]) for name in ("api_key", "api_token", "session")
    ]


@pytest.mark.parametrize(
    ("url", "cookie"), [("https://heksher.test", "__Host-heksher"), ("http://heksher.test", "heksher")]
)
def test_the_cookie_has_the_name_that_browsers_send(url: str, cookie: str):
    """Over TLS it is another one."""
    schemes = describe(replace(CONFIG, public_url=url))["components"]["securitySchemes"]
    assert cookie == schemes["session"]["name"]


def test_metrics_that_need_a_token_say_so():
    """As they can be made to."""
    found = list_security(describe(replace(CONFIG, has_metrics_access=True)))
    assert [["read"]] * 4 == [role for way in found[METRICS] for role in way.values()]


def test_where_nobody_is_asked_there_are_no_credentials():
    """The description is as it was."""
    document = describe(Config("unused"))
    assert "securitySchemes" not in document["components"]
    assert {None} == {None if security is None else "some" for security in list_security(document).values()}


def test_the_description_stays_the_same():
    """However often somebody asks for it."""
    api = Api(config=CONFIG)
    first = api.get("/openapi.json")
    assert first.content == api.get("/openapi.json").content
