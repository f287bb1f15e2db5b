"""OpenFeature's in-memory provider, which leaves the evaluation to a function of the program.

That function is the simplest good one: a dictionary for each set of features, tried in the order of their priority. So
what is timed here is above all the way through OpenFeature itself.
"""

import json

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.peers.openfeature_context import make_call, use_provider
from benchmarks.workloads import DEFAULT, VALUES, Question, Workload


class Adapter(BaseAdapter):
    """The interface's global state, with one flag."""

    title = "OpenFeature, in memory"
    distribution = "openfeature-sdk"
    has_ambient = True

    def encode(self, workload: Workload) -> bytes:
        return json.dumps([[list(rule.conditions.items()), rule.value] for rule in workload.rules]).encode()

    def load(self, wire: bytes) -> None:
        tables: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
        for conditions, value in json.loads(wire):
            features, wanted = zip(*conditions, strict=True)
            tables.setdefault(features, {})[wanted] = value

        def evaluate(_flag: InMemoryFlag[str], context: EvaluationContext) -> FlagResolutionDetails[str]:
            for features, values in tables.items():
                found = values.get(tuple([context.attributes[feature] for feature in features]))
                if found is not None:
                    return FlagResolutionDetails(found)
            return FlagResolutionDetails(DEFAULT)

        flag = InMemoryFlag(DEFAULT, {value: value for value in [*VALUES, DEFAULT]}, context_evaluator=evaluate)
        use_provider(InMemoryProvider({FLAG: flag}), is_ambient=self.is_ambient)

    def call(self, question: Question) -> Call:
        return make_call(question)

    def close(self) -> None:
        api.shutdown()
