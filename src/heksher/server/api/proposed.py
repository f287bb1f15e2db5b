"""Reads the writes of proposals: those that one request can make together."""

from collections.abc import Callable, Sequence
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
from heksher.server.operations.deletion_protection import DeletionProtection
from heksher.server.operations.proposed_writes import ProposedWrites, WritesReader
from heksher.server.storage.base import Origin, Storage
from heksher.value_type import JSON
from heksher.wire import CONTEXT_FEATURES_PATH


def make_reader(reader: WriteReader, config: Config, make_protection: Callable[[], DeletionProtection]) -> WritesReader:
    """Return what reads the writes of proposals.

    Args:
        reader: reads each of them.
        config: what they are made with.
        make_protection: returns what they are made with, too, as it is known when they are read.
    """

    def read(operations: Sequence[JSON]) -> ProposedWrites:
        protection = make_protection()
        calls = [try_read(reader, _name(operation)) for operation in operations]
        has_features = any(
            isinstance(call, WriteCall) and call.path.startswith(CONTEXT_FEATURES_PATH) for call in calls
        )
        return ProposedWrites(
            [partial(_make, call, config, protection) for call in calls], foresee(calls), has_features
        )

    return read


def _name(operation: JSON) -> NamedWrite:
    written = cast("dict[str, Any]", operation)
    return NamedWrite(written["method"], written["path"], written.get("body"), written.get("if_match"))


def _make(
    call: WriteCall | UnreadableWriteError,
    config: Config,
    protection: DeletionProtection,
    storage: Storage,
    origin: Origin,
) -> JSONObject:
    return make_read(call, Surroundings(storage, origin, config, protection))
