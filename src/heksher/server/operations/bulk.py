"""Several operations as one: in one transaction, with one entry of the change log, all of them or none."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from heksher.server.errors import OperationError, StepError
from heksher.server.storage.base import Origin, Storage, Writer, Written
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.storage_errors import ExpectationError

T = TypeVar("T")


def run_all(storage: Storage, steps: Sequence[Callable[[Storage], T]], origin: Origin) -> Written[list[T]]:
    """Run operations one after another; each sees what those before it have changed.

    Args:
        storage: what they are run on.
        steps: run one operation each, on the storage that they are given, for the same origin. They may be run more
            than once.
        origin: who requested it.

    Returns:
        The result of each.

    Raises:
        StepError: an operation was refused; nothing was stored.
    """

    def work(writer: Writer) -> list[T]:
        joined = JoinedStorage(writer)
        return [_run(step, joined, number) for number, step in enumerate(steps)]

    return storage.write(work, origin)


def _run(step: Callable[[Storage], T], storage: Storage, number: int) -> T:
    try:
        return step(storage)
    except (OperationError, ExpectationError) as error:
        raise StepError(number, error) from error
