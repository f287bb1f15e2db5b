"""Reads the writes of proposals: those that one request can make together."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from heksher.server.api.write_call import (
    NamedWrite,
    Surroundings,
    UnreadableWriteError,
    WriteCall,
    WriteReader,
    foresee,
    make_read,
    try_read,
)
from heksher.server.config import Config
from heksher.server.json_form import JSONObject
from heksher.server.operations.proposed_writes import ProposedWrites, WritesReader
from heksher.server.storage.base import Origin, Storage
from heksher.value_type import JSON
from heksher.wire import CONTEXT_FEATURES_PATH


def make_reader(reader: WriteReader, config: Config) -> WritesReader:
    """Return what reads the writes of proposals.

    Args:
        reader: reads each of them.
        config: what they are made with.
    """

    def read(operations: Sequence[JSON]) -> ProposedWrites:
        calls = [try_read(reader, _name(operation)) for operation in operations]
        has_features = any(
            isinstance(call, WriteCall) and call.path.startswith(CONTEXT_FEATURES_PATH) for call in calls
        )
        return ProposedWrites([partial(_make, call, config) for call in calls], foresee(calls), has_features)

    return read


def _name(operation: JSON) -> NamedWrite:
    written = cast("dict[str, Any]", operation)
    return NamedWrite(written["method"], written["path"], written.get("body"), written.get("if_match"))


def _make(call: WriteCall | UnreadableWriteError, config: Config, storage: Storage, origin: Origin) -> JSONObject:
    return make_read(call, Surroundings(storage, origin, config))
