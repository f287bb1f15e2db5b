"""LaunchDarkly: rules are tried in turn. Its TestData takes them from the program, there is no wire form."""

import json

import ldclient
from ldclient.config import Config
from ldclient.integrations.test_data import TestData

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, VALUES, Question, Workload


class Adapter(BaseAdapter):
    """A client without events, fed by TestData."""

    title = "LaunchDarkly"
    distribution = "launchdarkly-server-sdk"

    def __init__(self) -> None:
        self._client: ldclient.LDClient | None = None

    def encode(self, workload: Workload) -> bytes:
        return json.dumps([[list(rule.conditions.items()), rule.value] for rule in workload.rules]).encode()

    def load(self, wire: bytes) -> None:
        data = TestData.data_source()
        variations = [*VALUES, DEFAULT]
        default = variations.index(DEFAULT)
        flag = data.flag(FLAG).variations(*variations).fallthrough_variation(default).off_variation(default)
        for conditions, value in json.loads(wire):
            (feature, wanted), *more = conditions
            rule = flag.if_match(feature, wanted)
            for further_feature, further_wanted in more:
                rule = rule.and_match(further_feature, further_wanted)
            flag = rule.then_return(VALUES.index(value))
        data.update(flag)
        self._client = ldclient.LDClient(Config("none", update_processor_class=data, send_events=False))

    def call(self, question: Question) -> Call:
        builder = ldclient.Context.builder(question.context["user"])
        for feature, value in question.context.items():
            builder.set(feature, value)
        return Call(
            f"{{client}}.variation({FLAG!r}, {{context}}, {DEFAULT!r})",
            {"client": self._client, "context": builder.build()},
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
