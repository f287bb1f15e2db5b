"""The context features of a setting: in an order, each once.

Existing programs treat them as a set, a list, or both: ``features - {"user"}``, ``features[0]``,
``features == ["environment", "user"]``.

Source: docs/reference/compatibility.md, *Setting*.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import overload


class FeatureSet(AbstractSet[str], Sequence[str]):
    """An ordered, immutable set of names. Equals a sequence of them in this order, and a set of them."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: tuple[str, ...] = tuple(dict.fromkeys(names))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> "FeatureSet": ...
    def __getitem__(self, position: int | slice) -> "str | FeatureSet":
        return FeatureSet(self._names[position]) if isinstance(position, slice) else self._names[position]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return self._names == tuple(other)
        return AbstractSet.__eq__(self, other)

    # It equals tuples and sets, whose hashes differ.
    __hash__ = None  # type: ignore[assignment]  # see above

    def __and__(self, other: Iterable[object]) -> "FeatureSet":
        # In this order, whatever the order of the other.
        kept = set(other)
        return FeatureSet(name for name in self._names if name in kept)

    def __repr__(self) -> str:
        return f"FeatureSet({list(self._names)})"
