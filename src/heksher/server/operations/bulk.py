"""Several operations as one: in one transaction, with one entry of the change log, all of them or none."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from heksher.server.errors import OperationError, StepError
from heksher.server.storage.base import Origin, Storage, Writer, Written
from heksher.server.storage.gathering_writer import NO_LOOKUPS, GatheringWriter, Lookups
from heksher.server.storage.joined_storage import JoinedStorage

T = TypeVar("T")


def run_all(
    storage: Storage, steps: Sequence[Callable[[Storage], T]], origin: Origin, lookups: Lookups = NO_LOOKUPS
) -> Written[list[T]]:
    """Run operations one after another; each sees what those before it have changed.

    Args:
        storage: what they are run on.
        steps: run one operation each, on the storage that they are given, for the same origin. They may be run more
            than once.
        origin: who requested it.
        lookups: what the operations will look up, as far as that is known: it takes less time together.

    Returns:
        The result of each.

    Raises:
        StepError: an operation was refused; nothing was stored.
    """

    def work(writer: Writer) -> list[T]:
        gathering = GatheringWriter(writer, lookups)
        joined = JoinedStorage(gathering)
        results = [_run(step, joined, number) for number, step in enumerate(steps)]
        gathering.flush()
        return results

    return storage.write(work, origin)


def _run(step: Callable[[Storage], T], storage: Storage, number: int) -> T:
    try:
        return step(storage)
    except OperationError as error:
        raise StepError(number, error) from error
