"""A service that is a function of this process, with a client on it: nothing is measured but this library.

The function stands behind the HTTP library's own interface for transports; no socket is opened.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx2

import heksher
from benchmarks.peers.query import answer
from benchmarks.workloads import DEFAULT, FEATURES, Rule

URL = "http://heksher.test"
# Nothing is updated but when it is asked for.
NEVER_S = 86_400


class Service:
    """Answers queries with a body that can be replaced.

    Attributes:
        body: what every query is answered with.
    """

    def __init__(self) -> None:
        self.body = b""

    @property
    def client_args(self) -> dict[str, object]:
        """The ``http_client_args`` that make a client talk to this service."""
        return {"transport": httpx2.MockTransport(self._respond)}

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        asked = request.url.params.get("settings", "")
        return httpx2.Response(200, content=answer(request.url.path, asked, self.body))


def encode(rules: Mapping[str, Sequence[Rule]], default: str = DEFAULT) -> bytes:
    """Write the answer to a query for several settings."""
    numbers = itertools.count()
    settings = {
        name: {"default_value": default, "rules": [_encode(next(numbers), rule) for rule in setting_rules]}
        for name, setting_rules in rules.items()
    }
    return json.dumps({"settings": settings}).encode()


def _encode(number: int, rule: Rule) -> dict[str, object]:
    conditions = [list(pair) for pair in rule.conditions.items()]
    return {"rule_id": number, "value": rule.value, "context_features": conditions}


@contextmanager
def running_client(service: Service) -> Iterator[heksher.ThreadHeksherClient]:
    """Run a client that only updates when it is asked to."""
    arguments = service.client_args
    with heksher.ThreadHeksherClient(
        URL, NEVER_S, FEATURES, http_client_args=arguments, on_start_failure="raise"
    ) as client:
        yield client


def make_settings(count: int) -> list["heksher.Setting[str]"]:
    """Make settings that have no rules yet."""
    return [heksher.Setting(f"setting_{number}", str, FEATURES, DEFAULT) for number in range(count)]
