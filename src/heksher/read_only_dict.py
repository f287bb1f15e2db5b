"""A dictionary that cannot be changed: what a mapping is when it comes from the service.

All threads that read a setting share its value. A ``MappingProxyType`` would protect it, too, but ``json.dumps``,
``copy`` and ``pickle`` do not take one.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ReadOnlyDict(dict[K, V]):
    """A dictionary without the methods that change it; ``copy()``, and ``|``, give one that can be changed."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Self], tuple[Mapping[K, V]], Any]:
        # The usual way would set the items of an empty one.
        return type(self), (dict(self),), None


def _refuse(*_args: object, **_keywords: object) -> NoReturn:
    raise TypeError("this mapping is read-only, as all readers share it: change a copy, dict(value)")


# In a loop, because they have one type and those of a dict, which type checkers hold on to, have many.
for _method in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(ReadOnlyDict, _method, _refuse)
