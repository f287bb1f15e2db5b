"""Statsig: a core in Rust; rules of a *dynamic config* are tried in turn, their conditions stand in a table apart."""

import json

from statsig_python_core import DynamicConfigEvaluationOptions, Statsig, StatsigOptions, StatsigUser
from statsig_python_core.data_store import DataStore, DataStoreResponse

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, Question, Rule, Workload


class _Store(DataStore):
    def __init__(self, specs: str) -> None:
        super().__init__()
        self._specs = specs

    def get(self, key: str) -> DataStoreResponse:
        return DataStoreResponse(result=self._specs if "download_config_specs" in key else None, time=1)


class Adapter(BaseAdapter):
    """A client that starts from a data store, without network and without its log of exposures."""

    title = "Statsig (Rust core)"
    distribution = "statsig-python-core"

    def __init__(self) -> None:
        self._client: Statsig | None = None

    def encode(self, workload: Workload) -> bytes:
        conditions = {
            _condition_id(feature, value): _encode_condition(feature, value)
            for rule in workload.rules
            for feature, value in rule.conditions.items()
        }
        config = {
            "type": "dynamic_config",
            "salt": "salt",
            "enabled": True,
            "defaultValue": {"value": DEFAULT},
            "rules": [_encode(number, rule) for number, rule in enumerate(workload.rules)],
            "entity": "dynamic_config",
            "idType": "userID",
            "version": 1,
        }
        document = {
            "has_updates": True,
            "time": 1,
            "checksum": "",
            "feature_gates": {},
            "dynamic_configs": {FLAG: config},
            "layer_configs": {},
            "experiment_to_layer": {},
            "condition_map": conditions,
        }
        return json.dumps(document).encode()

    def load(self, wire: bytes) -> None:
        options = StatsigOptions(
            data_store=_Store(wire.decode()),
            disable_network=True,
            disable_all_logging=True,
            disable_country_lookup=True,
            output_log_level="none",
        )
        self._client = Statsig("secret-none", options)
        self._client.initialize().wait()

    def call(self, question: Question) -> Call:
        return Call(
            f"{{client}}.get_dynamic_config({{user}}, {FLAG!r}, {{options}}).get_string('value', {DEFAULT!r})",
            {
                "client": self._client,
                "user": StatsigUser(question.context["user"], custom=question.context),
                "options": DynamicConfigEvaluationOptions(disable_exposure_logging=True),
            },
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.shutdown().wait()


def _condition_id(feature: str, value: str) -> str:
    return f"{feature}={value}"


def _encode_condition(feature: str, value: str) -> dict[str, object]:
    return {
        "type": "user_field",
        "targetValue": [value],
        "operator": "any",
        "field": feature,
        "additionalValues": {},
        "idType": "userID",
    }


def _encode(number: int, rule: Rule) -> dict[str, object]:
    return {
        "name": f"rule-{number}",
        "id": f"rule-{number}",
        "passPercentage": 100,
        "salt": "salt",
        "idType": "userID",
        "conditions": [_condition_id(feature, value) for feature, value in rule.conditions.items()],
        "returnValue": {"value": rule.value},
    }
