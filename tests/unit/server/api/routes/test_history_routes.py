"""Each answer of each route that tells what was changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.server.operations.context_features import add_feature
from heksher.server.storage.base import NOBODY
from tests.support.access import give_token, make_guarded, take_token
from tests.support.api import Api
from tests.support.catalogs import FragileStorage

CHANGES = "/api/v1/changes"
ADA = {"Heksher-Actor": "Ada%20Lovelace", "Heksher-Reason": "too%20slow"}


@pytest.fixture
def changed(api: Api) -> Api:
    """A service with a setting and a rule, whose value was changed at revision 6, the newest one."""
    api.declare("ttl")
    api.add_rule("ttl", {"user": "guest"}, 10)
    assert 204 == api.put("/api/v1/rules/1/value", json={"value": 20}, headers=ADA).status_code
    return api


def ask(api: Api, path: str) -> Any:
    answer = api.get(path)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def list_revisions(api: Api, query: str) -> list[int]:
    """Return the revisions that all pages have."""
    revisions, cursor = [], ""
    while cursor is not None:
        page = ask(api, f"{CHANGES}?{query}{cursor}")
        revisions += [change["revision"] for change in page["changes"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return revisions


def refuse(api: Api, path: str, status: int) -> str:
    """Return why a request is refused, as problem details tell it."""
    answer = api.get(path)
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"]), answer.text
    return answer.json()["detail"]


@pytest.mark.trap(46)
@pytest.mark.storages
def test_changes_are_listed(changed: Api):
    """The newest first, each with who, when, why, before and after."""
    page = ask(changed, f"{CHANGES}?limit=1")
    (change,) = page["changes"]
    assert (6, "Ada Lovelace", "nobody", "too slow", False) == tuple(
        change[key] for key in ("revision", "actor", "actor_kind", "reason", "is_batch")
    )
    assert [
        {
            "action": "set value",
            "kind": "rule",
            "key": "1",
            "setting": "ttl",
            "feature_values": [["user", "guest"]],
            "before": {"value": 10},
            "after": {"value": 20},
        }
    ] == change["parts"]
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(change["at"]) < timedelta(hours=1)
    assert [6, 5, 4, 3, 2, 1] == list_revisions(changed, "limit=1") == list_revisions(changed, "")


@pytest.mark.storages
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("setting=ttl", [6, 5, 4]),
        ("setting=ttl&kind=rule", [6, 5]),
        ("rule_id=1", [6, 5]),
        ("rule_id=99999999999999999999999999", []),
        ("actor=Ada%20Lovelace", [6]),
        ("actor=", [5, 4, 3, 2, 1]),
        ("kind=context_features", [3, 2, 1]),
        ("setting=%00", []),
        ("after=4", [6, 5]),
        ("before=3", [2, 1]),
        ("after=1&before=4", [3, 2]),
        ("after=2000-01-01", [6, 5, 4, 3, 2, 1]),
        ("after=2000-01-01T00:00:00Z&before=2000-01-02", []),
        ("before=3000-01-01T00:00:00%2B05:30&kind=setting", [4]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_the_list_is_narrowed(changed: Api, query: str, expected: list[int], limit: int):
    """By what was changed, by whom, and when, in pages of any size."""
    assert expected == list_revisions(changed, f"{query}&limit={limit}")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("rule_id=x", "rule_id"),
        ("rule_id=-1", "rule_id"),
        ("rule_id=1_0", "rule_id"),
        ("kind=rules", "kind"),
        ("kind=%00", "kind"),
        ("settings=ttl", "settings"),
        ("after=yesterday", "after"),
        ("after=-1", "after"),
        ("after=2026-11-28T12:00:00", "after"),
        ("before=2026-13-01", "before"),
        ("before=", "before"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=eA", "cursor"),
        ("cursor=MSx4", "cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused(changed: Api, query: str, place: str):
    """The answer says where."""
    assert refuse(changed, f"{CHANGES}?{query}", 422).startswith(f"query.{place}: ")


@pytest.mark.storages
def test_an_entry_is_told_with_its_changes(changed: Api):
    """In pages; one that is not there is not found, one that was removed is gone."""
    many = [
        {"name": f"s{number}", "configurable_features": ["user"], "type": "int", "default_value": number}
        for number in range(3)
    ]
    changed.post("/api/v1/settings/declare-many", json=many, headers=ADA)
    first = ask(changed, f"{CHANGES}/7?limit=2")
    second = ask(changed, f"{CHANGES}/7?limit=2&cursor={first['next_cursor']}")
    assert (["s0", "s1"], ["s2"], None) == (
        [part["key"] for part in first["parts"]],
        [part["key"] for part in second["parts"]],
        second["next_cursor"],
    )
    assert ("Ada Lovelace", "too slow", 3, True, first["revision_id"]) == tuple(
        second[key] for key in ("actor", "reason", "size", "is_batch", "revision_id")
    )
    assert "newest one is 7" in refuse(changed, f"{CHANGES}/8", 404)
    assert "newest one is 7" in refuse(changed, f"{CHANGES}/0", 404)
    refuse(changed, f"{CHANGES}/x", 422)
    refuse(changed, f"{CHANGES}/7?cursor=eA", 422)
    changed.storage.prune(datetime.now(UTC) + timedelta(hours=1))
    assert "goes back to 7" in refuse(changed, f"{CHANGES}/6", 410)


@pytest.mark.storages
def test_a_setting_is_told_as_it_was(changed: Api):
    """With its rules; what was not there is not found, what was removed is gone."""
    then = ask(changed, "/api/v1/settings/ttl/history/5")
    assert (5, changed.get_setting("ttl"), [10]) == (
        then["revision"],
        then["setting"],
        [rule["value"] for rule in then["rules"]],
    )
    assert [{"rule_id": 1, **changed.get("/api/v1/rules/1").json()}] == ask(changed, "/api/v1/settings/ttl/history/6")[
        "rules"
    ]
    for path in ("ttl/history/3", "ttl/history/7", "other/history/6"):
        refuse(changed, f"/api/v1/settings/{path}", 404)
    refuse(changed, "/api/v1/settings/ttl/history/now", 422)
    changed.storage.prune(datetime.now(UTC) + timedelta(hours=1))
    assert "HEKSHER_KEEP_HISTORY_DAYS" in refuse(changed, "/api/v1/settings/ttl/history/4", 410)


@pytest.mark.storages
def test_differences_are_told(changed: Api):
    """Between two revisions, of all settings or of one, in pages."""
    rule = {"rule_id": 1, "feature_values": [["user", "guest"]], "before": {"value": 10}, "after": {"value": 20}}
    setting = {"setting": "ttl", "before": {}, "after": {}, "rules": [rule]}
    expected = {"from": 5, "to": 6, "context_features": None, "settings": [setting], "next_cursor": None}
    assert expected == ask(changed, "/api/v1/diff?from=5") == ask(changed, "/api/v1/diff?from=5&to=6&setting=ttl")
    changed.declare("other")
    page = ask(changed, "/api/v1/diff?from=2&limit=1")
    assert {"before": ["environment", "user"], "after": ["environment", "user", "theme"]} == page["context_features"]
    after = ask(changed, f"/api/v1/diff?from=2&limit=1&cursor={page['next_cursor']}")
    assert (["ttl"], ["other"], None, None) == (
        [each["setting"] for each in page["settings"]],
        [each["setting"] for each in after["settings"]],
        after["context_features"],
        after["next_cursor"],
    )
    for query in ("", "from=x", "from=1&to=-1", "from=1&cursor=eA"):
        refuse(changed, f"/api/v1/diff?{query}", 422)
    for query in ("from=8", "from=1&to=8", "from=1&setting=unheard_of"):
        refuse(changed, f"/api/v1/diff?{query}", 404)
    changed.storage.prune(datetime.now(UTC) + timedelta(hours=1))
    refuse(changed, "/api/v1/diff?from=1", 410)


def test_who_may_read_is_not_told_who_may_do_what(changed: Api):
    """Admins are."""
    guarded = make_guarded(changed, grants=["read", "admin"])
    give_token(changed.storage, "edit", name="ci")
    take_token(changed.storage, "ci")
    reader, admin = ({"Authorization": f"Bearer hks_with {grant}"} for grant in ("read", "admin"))
    shown = [guarded.get(CHANGES, headers=headers).json()["changes"] for headers in (reader, admin)]
    assert [[6, 5, 4, 3, 2, 1], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]] == [
        [change["revision"] for change in changes] for changes in shown
    ]
    for path in (f"{CHANGES}?kind=token", f"{CHANGES}/9"):
        assert [403, 200] == [guarded.get(path, headers=headers).status_code for headers in (reader, admin)]


def test_the_past_is_in_the_database_alone(api: Api):
    """While that is away, it is not told."""
    storage = FragileStorage(api.storage)
    add_feature(storage, "tier", NOBODY)
    fragile = Api(storage)
    fragile.app.services.catalog.load()
    storage.is_away = True
    for path in (CHANGES, f"{CHANGES}/1", "/api/v1/settings/ttl/history/1", "/api/v1/diff?from=1"):
        assert "database" in refuse(fragile, path, 503)
