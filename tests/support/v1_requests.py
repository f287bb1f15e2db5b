"""Requests of the v1 API as existing programs send them, with what the service answered before history and bulks came.

``python -m tests.support.v1_requests --write`` records the answers of the service as it is, into ``v1_requests.json``:
only where an answer was wrong, since programs rely on them. The requests are one conversation, with an empty service.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage
from tests.support.api import Api

RECORD: Final = Path(__file__).with_suffix(".json")
# What differs with each request.
_VOLATILE: Final = ("x-request-id",)
# What is opaque to existing programs, or unknown to them: it has to be there.
_OPAQUE: Final = ("etag", "heksher-revision", "heksher-revision-id")


class V1Request(NamedTuple):
    """A request; ``body`` is JSON, unless it is bytes, and ``None`` for none."""

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


def _declare(name: str, **attributes: Any) -> V1Request:
    body = {"name": name, "configurable_features": ["user", "theme"], "type": "int", "default_value": 60, **attributes}
    return V1Request("POST", "/api/v1/settings/declare", body)


def _add_rule(conditions: Any, value: Any, setting: str = "cache_ttl", **more: Any) -> V1Request:
    return V1Request(
        "POST", "/api/v1/rules", {"setting": setting, "feature_values": conditions, "value": value, **more}
    )


def _query(parameters: str = "", *headers: tuple[str, str]) -> V1Request:
    return V1Request("GET", f"/api/v1/query{parameters}", None, headers)


def _setting(method: str, path: str, body: Any = None) -> V1Request:
    return V1Request(method, f"/api/v1/settings/{path}", body)


def _rule(method: str, path: str, body: Any = None) -> V1Request:
    return V1Request(method, f"/api/v1/rules/{path}", body)


_FEATURES = "/api/v1/context_features"
_JSON = (("Content-Type", "application/json"),)

_CONTEXT_FEATURES: Final = (
    *(
        V1Request("POST", _FEATURES, {"context_feature": name})
        for name in ("user", "trust", "theme", "user", 5, "a b", None)
    ),
    V1Request("POST", _FEATURES, {}),
    V1Request("POST", _FEATURES, b'{"context_feature": "spare"}'),
    V1Request("POST", _FEATURES, b'{"context_feature": "text"}', (("Content-Type", "text/plain"),)),
    V1Request("POST", _FEATURES, b'{"context', _JSON),
    V1Request("GET", _FEATURES),
    V1Request("GET", f"{_FEATURES}/"),
    V1Request("GET", f"{_FEATURES}/trust"),
    V1Request("GET", f"{_FEATURES}/nope"),
    V1Request("PATCH", f"{_FEATURES}/theme/index", {"to_before": "trust"}),
    V1Request("PATCH", f"{_FEATURES}/theme/index", {"to_after": "trust"}),
    V1Request("PATCH", f"{_FEATURES}/theme/index", {"to_after": "trust"}),
    V1Request("PATCH", f"{_FEATURES}/theme/index", {"to_after": "nope"}),
    V1Request("PATCH", f"{_FEATURES}/nope/index", {"to_after": "trust"}),
    V1Request("PATCH", f"{_FEATURES}/theme/index", {}),
    V1Request("DELETE", f"{_FEATURES}/spare"),
    V1Request("DELETE", f"{_FEATURES}/spare"),
)
_DECLARATIONS: Final = (
    _declare("cache_ttl", metadata={"owner": "ada"}),
    _declare("cache_ttl", metadata={"owner": "ada"}),
    _declare("cache_ttl", default_value=61),
    _declare("cache_ttl", version="1.1", metadata={"owner": "bob"}),
    _declare("cache_ttl"),
    _declare("cache_ttl", version="2.0", type="str"),
    _declare("cache_ttl", version=1.1, metadata={"owner": "bob"}),
    _declare("cache_ttl", version="1.2", alias="ttl"),
    _declare("background", type='Enum["red", "blue"]', default_value="red", configurable_features=["theme"]),
    _declare(
        "limits", type="Sequence < Mapping<float> >", default_value=[{"x": 1}], configurable_features=["trust", "user"]
    ),
    _declare("late", version="1.4"),
    _declare("wrong", default_value="60"),
    _declare("wrong", type="Nope"),
    _declare("wrong", alias="wrong"),
    _declare("wrong", configurable_features=[]),
    _declare("wrong", configurable_features=["user", "user"]),
    _declare("wrong", configurable_features=["user", "nope"]),
    _declare(
        "background",
        configurable_features=["theme", "nope"],
        type='Enum["red", "blue"]',
        default_value="red",
        version="2.0",
    ),
    _declare("a b"),
    _declare("a\n"),
    V1Request("POST", "/api/v1/settings/declare", {"name": "bare"}),
)
_RULES: Final = (
    _add_rule({"user": "guest"}, 10, metadata={"added_by": "ada"}),
    _add_rule({"theme": "dark", "user": "guest"}, 20),
    _add_rule({"theme": 5}, 30),
    _add_rule({"user": "guest"}, 11),
    _add_rule({}, 10),
    _add_rule({"trust": "high"}, 10),
    _add_rule({"nope": "high"}, 10),
    _add_rule({"user": "x"}, "10"),
    _add_rule({"user": "x"}, 10, "nope"),
    _add_rule({"theme": "light"}, "blue", "background"),
    _add_rule({"theme": "dark"}, "green", "background"),
    V1Request("POST", "/api/v1/rules", {"setting": "cache_ttl"}),
    *(_rule("GET", rule_id) for rule_id in ("1", "2", "999", "x", "0", "-1")),
    *(
        _rule("GET", f"search?setting={setting}&feature_values={values}")
        for setting, values in (
            ("cache_ttl", "user:guest"),
            ("cache_ttl", "user:guest,theme:dark"),
            ("cache_ttl", "user:nobody"),
            ("cache_ttl", ""),
            ("cache_ttl", "user"),
            ("nope", "user:guest"),
        )
    ),
    _rule("PUT", "1/value", {"value": 15}),
    _rule("PUT", "1/value", {"value": 15}),
    _rule("PATCH", "1", {"value": 16}),
    _rule("PUT", "1/value", {"value": "x"}),
    _rule("PUT", "1/value", {}),
    _rule("PUT", "999/value", {"value": 1}),
    _rule("GET", "1/metadata"),
    _rule("POST", "1/metadata", {"metadata": {"why": "test"}}),
    _rule("PUT", "1/metadata", {"metadata": {"why": "other"}}),
    _rule("POST", "1/metadata", {}),
    _rule("PUT", "1/metadata/date", {"value": "2026-11-01"}),
    _rule("PUT", "1/metadata/a.b", {"value": 1}),
    _rule("DELETE", "1/metadata/date"),
    _rule("DELETE", "1/metadata/nope"),
    _rule("GET", "1/metadata"),
    _rule("DELETE", "2/metadata"),
    _rule("GET", "999/metadata"),
    _rule("DELETE", "999/metadata/x"),
)
_QUERIES: Final = (
    _query(),
    *(
        _query(f"?{parameters}")
        for parameters in (
            "settings=cache_ttl",
            "settings=cache_ttl,background",
            "settings=",
            "settings=nope,cache_ttl,zip",
            "settings=cache_ttl&include_metadata=true",
            "context_filters=*",
            "context_filters=",
            "context_filters=user:*",
            "context_filters=user:(guest,x),theme:*",
            "context_filters=theme:(dark)&settings=cache_ttl",
            "context_filters=nope:*",
            "context_filters=user:*,user:*",
            "context_filters=null",
            "context_filters=**",
            "context_filters=user:()",
            "include_metadata=nope",
        )
    ),
    _query("?settings=cache_ttl", ("Accept-Encoding", "gzip, deflate")),
    _query("?include_metadata=true", ("Accept-Encoding", "gzip, deflate")),
    _query("", ("If-None-Match", "*")),
    _query("", ("If-None-Match", '"other"')),
    V1Request("HEAD", "/api/v1/query"),
    V1Request("POST", "/api/v1/query"),
)
_SETTINGS: Final = (
    _setting("GET", "cache_ttl"),
    _setting("GET", "nope"),
    V1Request("GET", "/api/v1/settings"),
    V1Request("GET", "/api/v1/settings?include_additional_data=true"),
    V1Request("GET", "/api/v1/settings/"),
    _setting("PUT", "cache_ttl/type", {"type": "float", "version": "1.2"}),
    _setting("PUT", "cache_ttl/type", {"type": "str", "version": "2.0"}),
    _setting("PUT", "cache_ttl/type", {"type": "float", "version": "2.0"}),
    _setting("PUT", "cache_ttl/type", {"type": "float", "version": "2.0"}),
    _setting("PUT", "cache_ttl/type", {"type": "float", "version": "1.9"}),
    _setting("PUT", "nope/type", {"type": "float", "version": "2.0"}),
    _setting("PUT", "cache_ttl/name", {"name": "ttl", "version": "2.1"}),
    _setting("PUT", "ttl/name", {"name": "background", "version": "2.2"}),
    _setting("PUT", "ttl/name", {"name": "ttl", "version": "2.3"}),
    _setting("PUT", "nope/name", {"name": "ttl", "version": "2.3"}),
    _setting("GET", "cache_ttl"),
    _query("?settings=cache_ttl"),
    _setting("PUT", "ttl/configurable_features", {"configurable_features": ["user"], "version": "3.0"}),
    _setting(
        "PUT", "ttl/configurable_features", {"configurable_features": ["user", "theme", "trust"], "version": "2.9"}
    ),
    _setting(
        "PUT", "ttl/configurable_features", {"configurable_features": ["user", "theme", "trust"], "version": "3.0"}
    ),
    _setting("PUT", "ttl/configurable_features", {"configurable_features": ["nope"], "version": "4.0"}),
    _setting("GET", "ttl/metadata"),
    _setting("POST", "ttl/metadata", {"metadata": {"team": "shop"}, "version": "3.1"}),
    _setting("PUT", "ttl/metadata", {"metadata": {"team": "cart"}, "version": "3.2"}),
    _setting("PUT", "ttl/metadata", {"metadata": {"team": "cart"}, "version": "3.2"}),
    _setting("PUT", "ttl/metadata", {"version": "3.3"}),
    _setting("PUT", "ttl/metadata/team", {"value": 7, "version": "3.4"}),
    _setting("DELETE", "ttl/metadata/team", {"version": "3.5"}),
    _setting("DELETE", "ttl/metadata/team", {"version": "3.6"}),
    _setting("DELETE", "ttl/metadata", {"version": "3.7"}),
    _setting("GET", "nope/metadata"),
    _setting("GET", "ttl"),
)
_DELETIONS: Final = (
    V1Request("DELETE", f"{_FEATURES}/user"),
    _rule("DELETE", "2"),
    _rule("DELETE", "2"),
    _setting("DELETE", "background"),
    _setting("DELETE", "background"),
    _rule("GET", "4"),
    _add_rule({"user": "guest", "theme": "dark"}, 21, "ttl"),
    _query(),
    V1Request("GET", "/api/v1/nope"),
    V1Request("PUT", "/api/v1/settings"),
)
REQUESTS: Final = (*_CONTEXT_FEATURES, *_DECLARATIONS, *_RULES, *_QUERIES, *_SETTINGS, *_DELETIONS)


def play(storage: Storage) -> list[dict[str, Any]]:
    """Send all requests to a service on an empty storage, which is open; return what each was answered."""
    api = Api(storage)
    return [_send(api, request) for request in REQUESTS]


def _send(api: Api, request: V1Request) -> dict[str, Any]:
    sent: dict[str, Any] = {} if request.body is None else {"json": request.body}
    if isinstance(request.body, bytes):
        sent = {"content": request.body}
    response = api.request(request.method, request.path, headers=dict(request.headers), **sent)
    return {
        "request": f"{request.method} {request.path}",
        "status": response.status_code,
        "headers": _normalize(dict(response.headers)),
        "body": response.text,
    }


def _normalize(headers: dict[str, str]) -> dict[str, str]:
    found = {
        name: "…" if name in _OPAQUE else value for name, value in sorted(headers.items()) if name not in _VOLATILE
    }
    if "content-encoding" in found:
        # Another version of the library compresses to other bytes.
        del found["content-length"]
    return found


def main() -> None:
    """Record the answers of the service as it is."""
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    storage = MemoryStorage()
    storage.open()
    RECORD.write_text(json.dumps(play(storage), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
