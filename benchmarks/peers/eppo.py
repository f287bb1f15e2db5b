"""Eppo: a core in Rust; rules are *allocations* that are tried in turn."""

import json

import eppo_client

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, VALUES, Question, Rule, Workload


class _NoLogger(eppo_client.AssignmentLogger):
    def log_assignment(self, event: dict[str, object]) -> None:
        pass


class Adapter(BaseAdapter):
    """A client with a configuration that it is given, which it never asks its service for."""

    title = "Eppo (Rust core)"
    distribution = "eppo-server-sdk"

    def __init__(self) -> None:
        self._client: eppo_client.EppoClient | None = None

    def encode(self, workload: Workload) -> bytes:
        flag = {
            "key": FLAG,
            "enabled": True,
            "variationType": "STRING",
            "variations": {value: {"key": value, "value": value} for value in VALUES},
            "allocations": [_encode(number, rule) for number, rule in enumerate(workload.rules)],
            "totalShards": 10_000,
        }
        document = {
            "createdAt": "2026-01-01T00:00:00Z",
            "format": "SERVER",
            "environment": {"name": "test"},
            "flags": {FLAG: flag},
        }
        return json.dumps(document).encode()

    def load(self, wire: bytes) -> None:
        config = eppo_client.ClientConfig(
            api_key="none",
            assignment_logger=_NoLogger(),
            poll_interval_seconds=None,
            initial_configuration=eppo_client.Configuration(flags_configuration=wire),
        )
        self._client = eppo_client.init(config)

    def call(self, question: Question) -> Call:
        context = question.context
        return Call(
            f"{{client}}.get_string_assignment({FLAG!r}, {context['user']!r}, {{attributes}}, {DEFAULT!r})",
            {"client": self._client, "attributes": context},
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.shutdown()


def _encode(number: int, rule: Rule) -> dict[str, object]:
    conditions = [
        {"attribute": feature, "operator": "ONE_OF", "value": [value]} for feature, value in rule.conditions.items()
    ]
    return {
        "key": f"rule-{number}",
        "rules": [{"conditions": conditions}],
        "splits": [{"variationKey": rule.value, "shards": []}],
        "doLog": False,
    }
