"""Flagsmith: each rule is a *segment* that overrides the feature; of those that match, the first in priority wins."""

import json

from flagsmith import Flagsmith

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, Question, Rule, Workload


class _Document:
    def __init__(self, wire: bytes) -> None:
        self._environment: dict[str, object] = json.loads(wire)

    def get_environment(self) -> dict[str, object]:
        return self._environment


class Adapter(BaseAdapter):
    """A client in offline mode with the document that local evaluation works from."""

    title = "Flagsmith, local"
    distribution = "flagsmith"

    def __init__(self) -> None:
        self._client: Flagsmith | None = None

    def encode(self, workload: Workload) -> bytes:
        document = {
            "api_key": "none",
            "name": "test",
            "feature_states": [_encode_state(DEFAULT)],
            "identity_overrides": [],
            "project": {"segments": [_encode(number, rule) for number, rule in enumerate(workload.rules)]},
        }
        return json.dumps(document).encode()

    def load(self, wire: bytes) -> None:
        self._client = Flagsmith(offline_mode=True, offline_handler=_Document(wire))

    def call(self, question: Question) -> Call:
        return Call(
            f"{{client}}.get_identity_flags({question.context['user']!r}, {{traits}}).get_feature_value({FLAG!r})",
            {"client": self._client, "traits": question.context},
        )


def _encode(number: int, rule: Rule) -> dict[str, object]:
    conditions = [
        {"operator": "EQUAL", "property_": feature, "value": value} for feature, value in rule.conditions.items()
    ]
    return {
        "id": number,
        "name": f"rule-{number}",
        "rules": [{"type": "ALL", "conditions": conditions, "rules": []}],
        "feature_states": [{**_encode_state(rule.value), "feature_segment": {"priority": number}}],
    }


def _encode_state(value: str) -> dict[str, object]:
    return {
        "enabled": True,
        "feature": {"id": 1, "name": FLAG, "type": "STANDARD"},
        "feature_state_value": value,
        "featurestate_uuid": "00000000-0000-0000-0000-000000000000",
        "multivariate_feature_state_values": [],
    }
