"""Settings whose values depend on context, read from memory.

Everything that a program names can be imported from here, but for the stub clients of its tests, which are in
``heksher.clients.stub``, and what only those need who write a type of settings, which is in ``heksher.setting_type``.
"""

from heksher.clients.async_client import AsyncHeksherClient
from heksher.clients.reporting.snapshot import Snapshot
from heksher.clients.reporting.status import ClientStatus, SettingStatus
from heksher.clients.thread_client import ThreadHeksherClient
from heksher.clients.util import SettingData
from heksher.context import TRACK_ALL
from heksher.exceptions import (
    ClientStateError,
    HeksherError,
    InvalidContextError,
    InvalidDeclarationError,
    InvalidOptionError,
    InvalidResponseError,
    InvalidTypeError,
    MissingContextError,
    NoMatchError,
    ServiceError,
    StatusError,
    TrackingConflictError,
    TransportError,
    UnknownFeatureError,
    UnknownSettingError,
    UsageError,
)
from heksher.explanation import Explanation
from heksher.rule_set import Rule
from heksher.setting import Change, QueriedRule, Setting
from heksher.setting_type import HeksherEnum, HeksherFlags, HeksherMapping, HeksherSequence, SettingType
from heksher.subscription import Subscription
from heksher.version import __version__

__all__ = [
    "TRACK_ALL",
    "AsyncHeksherClient",
    "Change",
    "ClientStateError",
    "ClientStatus",
    "Explanation",
    "HeksherEnum",
    "HeksherError",
    "HeksherFlags",
    "HeksherMapping",
    "HeksherSequence",
    "InvalidContextError",
    "InvalidDeclarationError",
    "InvalidOptionError",
    "InvalidResponseError",
    "InvalidTypeError",
    "MissingContextError",
    "NoMatchError",
    "QueriedRule",
    "Rule",
    "ServiceError",
    "Setting",
    "SettingData",
    "SettingStatus",
    "SettingType",
    "Snapshot",
    "StatusError",
    "Subscription",
    "ThreadHeksherClient",
    "TrackingConflictError",
    "TransportError",
    "UnknownFeatureError",
    "UnknownSettingError",
    "UsageError",
    "__version__",
]
