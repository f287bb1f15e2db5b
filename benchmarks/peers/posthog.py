"""PostHog: rules are *groups of conditions* that are tried in turn, evaluated from definitions that are given to it."""

import json
import warnings

from posthog import Posthog

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, VALUES, Question, Rule, Workload

# The call for a single flag, which is what is compared here, is deprecated in favour of one that evaluates many.
warnings.filterwarnings("ignore", category=DeprecationWarning)


class Adapter(BaseAdapter):
    """A client that sends nothing and never asks its service."""

    title = "PostHog, local"
    distribution = "posthog"

    def __init__(self) -> None:
        self._client: Posthog | None = None

    def encode(self, workload: Workload) -> bytes:
        # Without the last group nobody would get a value when no other group matches.
        groups = [_encode(rule.conditions, rule.value) for rule in [*workload.rules, Rule({}, DEFAULT)]]
        variants = [
            {"key": value, "rollout_percentage": 100 if value == DEFAULT else 0} for value in [*VALUES, DEFAULT]
        ]
        flag = {
            "id": 1,
            "key": FLAG,
            "name": FLAG,
            "active": True,
            "is_simple_flag": False,
            "rollout_percentage": None,
            "filters": {"groups": groups, "multivariate": {"variants": variants}},
        }
        return json.dumps({"flags": [flag], "group_type_mapping": {}, "cohorts": {}}).encode()

    def load(self, wire: bytes) -> None:
        self._client = Posthog("none", host="http://127.0.0.1:9", send=False, enable_local_evaluation=False)
        self._client.feature_flags = json.loads(wire)["flags"]

    def call(self, question: Question) -> Call:
        user = question.context["user"]
        return Call(
            f"{{client}}.get_feature_flag({FLAG!r}, {user!r}, person_properties={{properties}},"
            " only_evaluate_locally=True, send_feature_flag_events=False)",
            {"client": self._client, "properties": question.context},
        )


def _encode(conditions: dict[str, str], value: str) -> dict[str, object]:
    properties = [
        {"key": feature, "value": [wanted], "operator": "exact", "type": "person"}
        for feature, wanted in conditions.items()
    ]
    return {"properties": properties, "rollout_percentage": 100, "variant": value}
