"""What a Heksher service answers: the wire form of both heksher clients."""

import json

from benchmarks.peers.base import FLAG
from benchmarks.workloads import DEFAULT, FEATURES, Workload


def encode_query(workload: Workload) -> bytes:
    """Write the service's answer to a query for the rules of a workload."""
    rules = [
        {"rule_id": number, "value": rule.value, "context_features": [list(pair) for pair in rule.conditions.items()]}
        for number, rule in enumerate(workload.rules)
    ]
    return json.dumps({"settings": {FLAG: {"default_value": DEFAULT, "rules": rules}}}).encode()


def answer(path: str, asked: str, query: bytes) -> bytes:
    """Return the body of the service's answer for a path, when ``asked`` are the settings that a query is about."""
    if path.endswith("/query"):
        return query if asked else b'{"settings": {}}'
    if path.endswith("/context_features"):
        return json.dumps({"context_features": FEATURES}).encode()
    return b'{"outcome": "created"}'
