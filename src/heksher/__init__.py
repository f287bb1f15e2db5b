"""Settings whose values depend on context, read from memory."""

from heksher.clients.async_client import AsyncHeksherClient
from heksher.clients.thread_client import ThreadHeksherClient
from heksher.context import TRACK_ALL
from heksher.setting import Setting
from heksher.setting_type import HeksherEnum, HeksherFlags, HeksherMapping, HeksherSequence, SettingType
from heksher.version import __version__

__all__ = [
    "TRACK_ALL",
    "AsyncHeksherClient",
    "HeksherEnum",
    "HeksherFlags",
    "HeksherMapping",
    "HeksherSequence",
    "Setting",
    "SettingType",
    "ThreadHeksherClient",
    "__version__",
]
