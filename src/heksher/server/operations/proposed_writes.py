"""The writes of a proposal, as operations know them: somebody else reads what stands in it.

They are first tried on a picture, after those of the proposals that come first, so that it is known what they are about
and what they would do; nothing of that is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from heksher.server.access.grants import EVERYTHING
from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import Picture
from heksher.server.catalog.trial import TrialStorage
from heksher.server.errors import ConflictError, StepError
from heksher.server.json_form import JSONObject
from heksher.server.operations.bulk import run_all
from heksher.server.storage.base import LogEntry, Origin, Reader, Storage
from heksher.server.storage.gathering_writer import Lookups
from heksher.server.storage.proposal_records import OPEN, ProposalContent, ProposalRecord
from heksher.value_type import JSON

# One after the other, all of them are tried for each that is added.
MAX_CHAIN = 50

# Makes a write on a storage.
Step = Callable[[Storage, Origin], JSONObject]


@dataclass(frozen=True, slots=True)
class ProposedWrites:
    """Writes that were read.

    Attributes:
        steps: make one each, on a storage and for an origin; one that cannot be made, or not be read, raises
            ``OperationError``.
        lookups: what they name, and will look up.
        has_features: whether one of them is about the list of context features.
    """

    steps: Sequence[Step]
    lookups: Lookups
    has_features: bool

    def make(self, storage: Storage, origin: Origin) -> None:
        """Make them together, for an origin.

        Raises:
            StepError: one of them was refused; nothing was stored.
        """
        run_all(storage, [partial(_take, step, origin) for step in self.steps], origin, self.lookups)


class WritesReader(Protocol):
    """Reads the writes of a proposal."""

    def __call__(self, operations: Sequence[JSON]) -> ProposedWrites:
        """Return writes by what they are in a proposal."""


@dataclass(frozen=True, slots=True)
class PlannedState:
    """What there will be when the proposals are applied that come first.

    Attributes:
        picture: that.
        new_rule_ids: of rules that are not there yet, so that they will have others.
        first: the proposals that come first, in their order, as far as they are open.
    """

    picture: Picture
    new_rule_ids: frozenset[int] = frozenset()
    first: tuple[int, ...] = ()

    def try_writes(self, writes: ProposedWrites, source: Storage, origin: Origin) -> TrialStorage:
        """Try writes, for an origin, and return what they were tried on.

        Raises:
            StepError: one of them would be refused.
            ConflictError: they name a rule whose id is not known yet.
        """
        if unknown := sorted(self.new_rule_ids.intersection(writes.lookups.rule_ids)):
            raise ConflictError(
                f"rule {unknown[0]} is not there yet: which id it gets is not known before the proposal is applied that"
                " adds it"
            )
        trial = TrialStorage(self.picture, source, origin)
        writes.make(trial, replace(origin, is_reviewed=True))
        return trial


def plan(storage: Storage, picture: Picture, read_writes: WritesReader, after: int | None) -> PlannedState:
    """Return what there will be when a proposal is applied, and all that come before it.

    Args:
        storage: has the proposals.
        picture: what there is.
        read_writes: reads their writes.
        after: the id of the proposal; ``None`` for none.

    Raises:
        ConflictError: one of them cannot be applied as things are, or there are too many.
    """
    first = storage.read(lambda reader: _list_first(reader, after))
    planned = PlannedState(picture)
    for record, content in first:
        planned = _apply(planned, record, read_writes(content.operations), storage)
    return planned


def _apply(planned: PlannedState, record: ProposalRecord, writes: ProposedWrites, source: Storage) -> PlannedState:
    try:
        tried = planned.try_writes(writes, source, Origin(grants=EVERYTHING)).finish()
    except (StepError, ConflictError) as error:
        raise ConflictError(
            f"proposal {record.proposal_id}, which comes first, cannot be applied as things are: {error}"
        ) from error
    return PlannedState(
        _advance(planned.picture, tried.entry),
        planned.new_rule_ids | tried.new_rule_ids,
        (*planned.first, record.proposal_id),
    )


def _advance(picture: Picture, entry: LogEntry) -> Picture:
    return advance(picture, (entry,))[0] if entry.changes else picture


def _list_first(reader: Reader, after: int | None) -> list[tuple[ProposalRecord, ProposalContent]]:
    """Return a proposal and those before it, as far as they are open, the first one first."""
    found: list[tuple[ProposalRecord, ProposalContent]] = []
    for record in _walk(reader, after):
        content = reader.proposal_content(record.proposal_id)
        if content is not None:
            found.append((record, content))
        if len(found) > MAX_CHAIN:
            raise ConflictError(
                f"more than {MAX_CHAIN} proposals come one after the other: wait until some are applied"
            )
    return found[::-1]


def _walk(reader: Reader, after: int | None) -> Iterable[ProposalRecord]:
    while after is not None:
        record = reader.find_proposal(after)
        if record is None or record.state != OPEN:
            return
        yield record
        after = record.after


def _take(step: Step, origin: Origin, storage: Storage) -> JSONObject:
    return step(storage, origin)
