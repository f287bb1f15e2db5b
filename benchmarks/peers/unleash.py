"""Unleash: a core in Rust (Yggdrasil); rules are *strategies* with constraints, tried in turn."""

import json
import tempfile

from UnleashClient import UnleashClient
from UnleashClient.cache import FileCache
from UnleashClient.utils import InstanceAllowType

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, Question, Rule, Workload


class Adapter(BaseAdapter):
    """A client that starts from what it is given and never asks its service."""

    title = "Unleash (Rust core)"
    distribution = "UnleashClient"

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._client: UnleashClient | None = None

    def encode(self, workload: Workload) -> bytes:
        feature = {
            "name": FLAG,
            "enabled": True,
            # Without the last strategy nobody would get a variant when no other strategy matches.
            "strategies": [_encode(rule) for rule in [*workload.rules, Rule({}, DEFAULT)]],
        }
        return json.dumps({"version": 2, "features": [feature]}).encode()

    def load(self, wire: bytes) -> None:
        cache = FileCache("benchmark", directory=self._directory.name)
        cache.bootstrap_from_dict(json.loads(wire))
        self._client = UnleashClient(
            "http://127.0.0.1:9/api",
            "benchmark",
            cache=cache,
            disable_metrics=True,
            disable_registration=True,
            multiple_instance_mode=InstanceAllowType.SILENTLY_ALLOW,
        )
        self._client.initialize_client(fetch_toggles=False)

    def call(self, question: Question) -> Call:
        context = {"environment": question.context["environment"], "properties": question.context}
        return Call(
            f"{{client}}.get_variant({FLAG!r}, {{context}})['name']", {"client": self._client, "context": context}
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.destroy()
        self._directory.cleanup()


def _encode(rule: Rule) -> dict[str, object]:
    constraints = [
        {"contextName": feature, "operator": "IN", "values": [value], "inverted": False, "caseInsensitive": False}
        for feature, value in rule.conditions.items()
    ]
    return {
        "name": "default",
        "parameters": {},
        "constraints": constraints,
        "variants": [{"name": rule.value, "weight": 1000, "stickiness": "default"}],
    }
