"""Settings whose values depend on context, read from memory.

Everything that a program names can be imported from here, except the stub clients of its tests, which are in
``heksher.clients.stub``, and what is needed to write a type of settings, which is in ``heksher.setting_type``.

The clients are loaded when they are first asked for: a module that declares settings needs none of what talks to a
service, and takes half as long to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from heksher.context import TRACK_ALL
from heksher.exceptions import (
    ArgumentTypeError,
    ClientStateError,
    DeclarationWarning,
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
    UnsupportedTypeError,
    UsageError,
)
from heksher.explanation import Explanation
from heksher.rule_set import Rule
from heksher.setting import Change, QueriedRule, Setting
from heksher.setting_type import HeksherEnum, HeksherFlags, HeksherMapping, HeksherSequence, SettingType
from heksher.subscription import Subscription
from heksher.version import __version__

if TYPE_CHECKING:
    from heksher.clients.async_client import AsyncHeksherClient
    from heksher.clients.conversation.setting_data import SettingData
    from heksher.clients.reporting.snapshot import Snapshot
    from heksher.clients.reporting.status import ClientStatus, SettingStatus
    from heksher.clients.thread_client import ThreadHeksherClient

__all__ = [
    "TRACK_ALL",
    "ArgumentTypeError",
    "AsyncHeksherClient",
    "Change",
    "ClientStateError",
    "ClientStatus",
    "DeclarationWarning",
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
    "UnsupportedTypeError",
    "UsageError",
    "__version__",
]

# Where to find what is loaded when it is first asked for. The last ones are modules themselves.
_LOADED_LATER: Final = {
    "AsyncHeksherClient": "heksher.clients.async_client",
    "ClientStatus": "heksher.clients.reporting.status",
    "SettingData": "heksher.clients.util",
    "SettingStatus": "heksher.clients.reporting.status",
    "Snapshot": "heksher.clients.reporting.snapshot",
    "ThreadHeksherClient": "heksher.clients.thread_client",
    "changes": "heksher.changes",
    "clients": "heksher.clients",
}


def __getattr__(name: str) -> object:
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for later, module in _LOADED_LATER.items():
        # Kept as attributes, so that this runs once.
        loaded = import_module(module)
        globals()[later] = loaded if module == f"{__name__}.{later}" else getattr(loaded, later)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_LATER})
