"""What belongs to one process, in which it is kept up to date: neither a copy nor another process would be."""

from typing import NoReturn, Self


class ProcessBound:
    """The base of such things. Programs copy and pickle them by accident, along with what holds them."""

    __slots__ = ()

    def __copy__(self) -> Self:
        """Return the object itself: nothing would update a copy."""
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        """Do the same."""
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled. A program's subclass may know what to do instead, and override it."""
        raise TypeError(
            f"{self!r} cannot be pickled: it belongs to this process; import it in the other one, or make it"
            " there, or send what it answers"
        )
