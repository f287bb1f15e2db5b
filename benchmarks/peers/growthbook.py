"""GrowthBook: rules are tried in turn; a *user context* holds the attributes."""

import json

from growthbook import GrowthBook

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, Question, Workload


class Adapter(BaseAdapter):
    """One instance for each question, as its documentation has one for each request; they share the features."""

    title = "GrowthBook"
    distribution = "growthbook"

    def __init__(self) -> None:
        self._shared = GrowthBook()

    def encode(self, workload: Workload) -> bytes:
        rules = [{"condition": dict(rule.conditions), "force": rule.value} for rule in workload.rules]
        return json.dumps({"features": {FLAG: {"defaultValue": DEFAULT, "rules": rules}}}).encode()

    def load(self, wire: bytes) -> None:
        self._shared = GrowthBook(features=json.loads(wire)["features"])

    def call(self, question: Question) -> Call:
        features = self._shared.get_features()
        instance = GrowthBook(attributes={"id": question.context["user"], **question.context}, features=features)
        return Call(f"{{instance}}.get_feature_value({FLAG!r}, {DEFAULT!r})", {"instance": instance})

    def close(self) -> None:
        self._shared.destroy()
