"""Deleting settings that programs have asked for (docs/reference/http-api.md, *Deletion protection*)."""

from collections.abc import Callable

import httpx2
import pytest

from heksher.server.config import Config
from tests.support.api import Api

CHECKOUT = {"User-Agent": "checkout/2.3 heksher/1.0.0", "Heksher-Client": "name=checkout; instance=web-1"}
PATH = "/api/v1/settings/ttl"


@pytest.fixture
def protecting() -> Api:
    """A service that protects what was asked for in 30 days, with a setting that was declared at revision 2."""
    api = Api(config=Config(database="unused", protect_used_days=30))
    api.add_features("environment", "user")
    api.declare("ttl")
    api.add_rule("ttl", {"user": "guest"}, 10)
    api.app.services.uses.take()
    api.app.services.uses.let_go()
    return api


def use(api: Api, *, is_stored: bool) -> None:
    """Have a program ask for the setting."""
    assert 200 == api.get("/api/v1/query?settings=ttl", headers=CHECKOUT).status_code
    if is_stored:
        api.app.services.use_recorder.store()


def bulk(api: Api, path: str, query: str = "") -> httpx2.Response:
    return api.post(f"/api/v1/bulk{query}", json={"operations": [{"method": "DELETE", "path": path}]})


def propose(api: Api, path: str) -> httpx2.Response:
    """Propose a deletion that waits for nothing."""
    return api.post("/api/v1/proposals", json={"operations": [{"method": "DELETE", "path": path}], "reason": "unused"})


DELETIONS: list[Callable[[Api, str], httpx2.Response]] = [
    lambda api, query: api.delete(f"{PATH}{query}"),
    lambda api, query: bulk(api, f"{PATH}{query}"),
    lambda api, query: propose(api, f"{PATH}{query}"),
    lambda api, query: api.post(f"/api/v1/settings/ttl/revert{query}", json={"to": 2}),
]


@pytest.mark.storages
@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("delete", DELETIONS)
def test_a_setting_that_is_used_is_only_deleted_if_that_is_said(
    protecting: Api, delete: Callable[[Api, str], httpx2.Response], is_stored: bool
):
    """In each way that deletes settings, whether the use is stored already or not; nothing is changed."""
    use(protecting, is_stored=is_stored)
    before = protecting.revision()
    for query in ("", "?force=false"):
        response = delete(protecting, query)
        assert 409 == response.status_code
        detail = response.json()["detail"]
        assert "was asked for by checkout/2.3 (web-1) at 20" in detail
        assert "in the last 30 days: if it is to be" in detail
        assert "force=true" in detail
    assert before == protecting.revision()
    assert delete(protecting, "?force=true").is_success
    assert 404 == protecting.get(PATH).status_code


@pytest.mark.parametrize("delete", [DELETIONS[0], lambda api, query: bulk(api, PATH, query)])
def test_it_can_be_tried(protecting: Api, delete: Callable[[Api, str], httpx2.Response]):
    """A dry run is refused as the deletion would be."""
    assert 200 == delete(protecting, "?dry_run=true").status_code
    use(protecting, is_stored=True)
    assert 409 == delete(protecting, "?dry_run=true").status_code
    assert 200 == protecting.delete(f"{PATH}?dry_run=true&force=true").status_code
    assert 200 == protecting.get(PATH).status_code


def test_a_dry_run_knows_the_use_under_the_name_that_the_setting_had(protecting: Api):
    """As a setting can be renamed and deleted in one request."""
    use(protecting, is_stored=True)
    operations = [
        {"method": "PUT", "path": f"{PATH}/name", "body": {"name": "new", "version": "1.1"}},
        {"method": "DELETE", "path": "/api/v1/settings/new"},
    ]
    for query in ("", "?dry_run=true"):
        response = protecting.post(f"/api/v1/bulk{query}", json={"operations": operations})
        assert (409, 1) == (response.status_code, response.json()["operation"])


def test_what_nobody_asks_for_is_deleted(protecting: Api):
    """As before; and so is everything where nothing is protected, as v1 promises."""
    assert 204 == protecting.delete(PATH).status_code
    api = Api(config=Config(database="unused"))
    api.add_features("environment", "user")
    api.declare("ttl")
    use(api, is_stored=True)
    assert 204 == api.delete(PATH).status_code


def test_a_declaration_protects(protecting: Api):
    """A program that starts with a setting uses it."""
    protecting.declare("ttl")
    assert 409 == protecting.delete(PATH).status_code


@pytest.mark.without_token
def test_who_follows_a_stream_protects(protecting: Api):
    """From the moment at which it begins."""
    protecting.read_stream("settings=ttl", 1)
    assert 409 == protecting.delete(PATH).status_code


def test_a_revert_of_a_declaration_is_refused_with_who_has_asked(protecting: Api):
    """Among the reasons."""
    use(protecting, is_stored=False)
    assert 204 == protecting.delete("/api/v1/rules/1").status_code
    response = protecting.post("/api/v1/changes/3/revert")
    (conflict,) = response.json()["conflicts"]
    assert conflict.startswith("setting 'ttl' would be deleted, and was asked for by checkout/2.3 (web-1) at ")
