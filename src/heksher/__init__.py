"""Settings whose values depend on context, read from memory.

The clients are loaded when they are first asked for: a module that declares settings needs none of what talks to a
service, and takes half as long to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from heksher.context import TRACK_ALL
from heksher.setting import Setting
from heksher.setting_type import HeksherEnum, HeksherFlags, HeksherMapping, HeksherSequence, SettingType
from heksher.version import __version__

if TYPE_CHECKING:
    from heksher.clients.async_client import AsyncHeksherClient
    from heksher.clients.thread_client import ThreadHeksherClient

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

_LOADED_LATER = ("AsyncHeksherClient", "ThreadHeksherClient", "clients")


def __getattr__(name: str) -> object:
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Kept as attributes, so that this is asked once. ``clients`` becomes one by being imported.
    for client in ("Async", "Thread"):
        module = import_module(f"heksher.clients.{client.lower()}_client")
        globals()[f"{client}HeksherClient"] = getattr(module, f"{client}HeksherClient")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_LATER})
