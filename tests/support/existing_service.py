"""An existing Heksher service, as far as an import reads it: on a socket, with all that such a service can hold.

It knows nothing of what this project adds to the API, and checks nothing, so that it can hold what must not be.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# More rules than this in one answer are more parameters than its database takes (known fault 42).
MAX_RULES = 32_767


class SimulatedService:
    """What an existing service holds.

    Attributes:
        features: the context features in their order.
        settings: the attributes of each setting, by name.
        rules: each rule as a query answers it, by setting.
        headers: what a request must have; else it is answered 401.
        paths: what was asked for, without parameters.
        before_answer: called with the path before each answer.
    """

    def __init__(self, *features: str) -> None:
        self.features: list[Any] = list(features)
        self.settings: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.before_answer = lambda path: None

    def add_setting(self, name: str, **attributes: Any) -> None:
        """Add a setting, of type ``int`` with default 60 on all features unless told otherwise."""
        self.settings[name] = {
            "name": name,
            "configurable_features": list(self.features),
            "type": "int",
            "default_value": 60,
            "metadata": {},
            "aliases": [],
            "version": "1.0",
            **attributes,
        }
        self.rules[name] = []

    def rename(self, old: str, new: str) -> None:
        """Rename a setting; the old name becomes an alias."""
        setting = self.settings.pop(old)
        self.settings[new] = {**setting, "name": new, "aliases": [*setting["aliases"], old]}
        self.rules[new] = self.rules.pop(old)

    def add_rule(self, setting: str, rule_id: Any, value: Any, conditions: dict[Any, Any], **more: Any) -> dict:
        """Add a rule."""
        pairs = [list(pair) for pair in conditions.items()]
        rule = {"rule_id": rule_id, "value": value, "context_features": pairs, "metadata": {}, **more}
        self.rules[setting].append(rule)
        return rule

    def answer(self, target: str) -> tuple[int, object]:
        """Answer a request with a status, and JSON or bytes."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.paths.append(path)
        self.before_answer(path)
        if path == "/api/v1/context_features":
            return 200, {"context_features": self.features}
        if path == "/api/v1/settings" and query.get("include_additional_data") == ["true"]:
            return 200, {"settings": list(self.settings.values())}
        if path == "/api/v1/query" and query.get("include_metadata") == ["true"]:
            names = query["settings"][0].split(",")
            if sum(len(self.rules[name]) for name in names) > MAX_RULES:
                return 500, "Internal Server Error"
            return 200, {"settings": {name: self._query(name) for name in names}}
        return 404, {"detail": "Not Found"}

    def _query(self, name: str) -> dict[str, Any]:
        return {"default_value": self.settings[name]["default_value"], "rules": self.rules[name]}

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port of this machine; yield the URL."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler()) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                is_known = all(self.headers.get(name) == value for name, value in service.headers.items())
                status, content = service.answer(self.path) if is_known else (401, {"detail": "who are you?"})
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        return Handler


def fill(service: SimulatedService, settings: int, rules_each: int) -> None:
    """Give a service many settings with metadata and rules, whose ids are mixed among the settings."""
    for number in range(settings):
        metadata = {"owner": f"team-{number % 7}", "text": "é" * 20}
        service.add_setting(f"domain.setting_{number}", metadata=metadata, aliases=[f"old_{number}"], version="2.10")
    rule_id = 0
    for of_setting in range(rules_each):
        for name in service.settings:
            rule_id += 3
            service.add_rule(name, rule_id, of_setting, {service.features[0]: f"value_{of_setting}"}, metadata={"n": 1})
