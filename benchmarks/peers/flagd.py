"""OpenFeature with flagd's provider, which evaluates in the process, from a file.

Rules are one chain of conditions in JSON Logic, each with its variant; the first that holds decides.
"""

import json
import tempfile
from pathlib import Path

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.peers.openfeature_context import make_call, use_provider
from benchmarks.workloads import DEFAULT, VALUES, Question, Workload


class Adapter(BaseAdapter):
    """The provider on a file of its own."""

    title = "OpenFeature flagd, file"
    distribution = "openfeature-provider-flagd"
    has_ambient = True

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()

    def encode(self, workload: Workload) -> bytes:
        steps: list[object] = []
        for rule in workload.rules:
            conditions = [{"==": [{"var": feature}, value]} for feature, value in rule.conditions.items()]
            steps += [{"and": conditions} if len(conditions) > 1 else conditions[0], rule.value]
        flag = {
            "state": "ENABLED",
            "variants": {value: value for value in [*VALUES, DEFAULT]},
            "defaultVariant": DEFAULT,
            **({"targeting": {"if": [*steps, DEFAULT]}} if steps else {}),
        }
        return json.dumps({"flags": {FLAG: flag}}).encode()

    def load(self, wire: bytes) -> None:
        path = Path(self._directory.name, "flags.json")
        path.write_bytes(wire)
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=3_600_000
        )
        use_provider(provider, is_ambient=self.is_ambient)

    def call(self, question: Question) -> Call:
        return make_call(question)

    def close(self) -> None:
        api.shutdown()
        self._directory.cleanup()
