"""Whether a unit of writing work may be stored: the part of the contract that every storage judges alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from heksher.server.storage.storage_errors import ContractError


class UnitOfWork:
    """What a unit of writing work has done so far.

    A writer encloses each change in ``change()`` and each log entry in ``record()``; the storage asks ``is_to_store()``
    when the work has returned. Belongs to one run of one unit of work, hence to one thread.
    """

    def __init__(self) -> None:
        self._has_changes = False
        self._has_record = False
        # The first error of a method of the writer, None while there is none. A database gives up its transaction then,
        # so no storage keeps what a unit did around an error, even if the work caught it.
        self._error: Exception | None = None

    @contextmanager
    def change(self) -> Iterator[None]:
        """Enclose a change of settings, rules or context features."""
        self._has_changes = True
        with self._noting_errors():
            yield

    @contextmanager
    def record(self) -> Iterator[None]:
        """Enclose the writing of the log entry.

        Raises:
            ContractError: the unit has one already.
        """
        with self._noting_errors():
            if self._has_record:
                raise ContractError("a unit of work recorded a second change: it may record only one, so merge them")
            self._has_record = True
            yield

    def is_to_store(self) -> bool:
        """Return whether the unit did anything that is to be stored.

        Raises:
            ContractError: it broke the contract, so it cannot be stored.
        """
        if self._error is not None:
            raise ContractError(
                f"a unit of work returned although one of its changes had failed ({self._error}):"
                " nothing was stored; let the error pass"
            ) from self._error
        if self._has_changes and not self._has_record:
            raise ContractError("a unit of work made changes without recording one: nothing was stored; call record()")
        return self._has_record

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._error = self._error or error
            raise
