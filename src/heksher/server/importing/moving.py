"""Moves in: reads an existing service, stores what it has in one transaction, reads both again and compares them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from heksher.exceptions import HeksherError
from heksher.server.errors import NotAcceptableError
from heksher.server.importing.existing_service import ExistingService
from heksher.server.importing.intake import Intake
from heksher.server.operations.imported import LeftOut
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.update_plan import Plan, make_plan
from heksher.server.operations.updating import update
from heksher.server.storage.base import CONTEXT_FEATURES, Origin, Storage
from heksher.server.storage.ceilings import Counts, Room

_PROGRESS_INTERVAL_S: Final = 1.0

Say = Callable[[str], object]
# Returns the storage to write into, open, once there is something to write; until then there need not be one.
Make = Callable[[], Storage]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingOptions:
    """How to move in.

    Attributes:
        next_rule_id: the lowest id for new rules; ``None`` for the one above the highest id there.
        is_updating: whether what is here already is brought up to date, instead of being an error.
        is_skipping_invalid: whether to go on without what cannot be taken.
        is_skipping_conflicts: whether an update goes on without what was changed here.
        is_dry: whether nothing is written.
    """

    next_rule_id: int | None = None
    is_updating: bool = False
    is_skipping_invalid: bool = False
    is_skipping_conflicts: bool = False
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What an existing service has.

    Attributes:
        contents: what can be taken.
        refused: what cannot.
    """

    contents: Contents
    refused: list[LeftOut]

    @property
    def refused_keys(self) -> frozenset[tuple[str, str]]:
        """The kind and key of each object that cannot be taken."""
        return frozenset((each.kind, each.key) for each in self.refused)


@dataclass(slots=True)
class Outcome:
    """What came of moving in.

    Attributes:
        found: what the existing service had.
        plan: what was to be done here; ``None`` if that was not looked at.
        revision: the revision at which it is done; ``None`` if nothing was written.
        is_unchanged: whether there was nothing to write, so that it stays at that revision.
        differing: the objects that are not the same, as kind and key, when both are read again.
        failure: why both could not be compared; ``None`` if they were, or nothing was written.
    """

    found: Found
    plan: Plan | None = None
    revision: int | None = None
    is_unchanged: bool = False
    differing: list[tuple[str, str]] = field(default_factory=list)
    failure: HeksherError | None = None


def move_in(
    service: ExistingService, storage: Storage, options: MovingOptions, say: Say, make: Make | None = None
) -> Outcome:
    """Take everything from an existing service into a storage, in one transaction, or nothing.

    Nothing is written if something cannot be taken, or was changed here, unless that is to be skipped. An error while
    both are compared leaves what is stored, and is part of the outcome.

    Args:
        service: what to read.
        storage: an open storage; with ``make`` an empty one, which stands for what is not made yet.
        options: how.
        say: called with a line about how far it is; while it reads, each second at most.
        make: makes the storage to write into, if it is another one.

    Raises:
        ExistingServiceError: the existing service cannot be read.
        NotAcceptableError: there are settings here, and they are not to be updated.
        FullError: there is more than the storage has room for.
        StorageError: the storage cannot be written to.
    """
    if not options.is_updating:
        _require_empty(storage)
    found = read_everything(service, options.next_rule_id, say)
    outcome = Outcome(found)
    if found.refused and not options.is_skipping_invalid:
        return outcome
    if options.is_dry or make is not None:
        plan = _make_plan(storage, found)
        _require_room(storage, plan)
        if options.is_dry:
            outcome.plan = plan
            return outcome
        if make is not None and not plan.is_empty:
            storage = make()
    # How much of it an update has to write, only the transaction knows.
    say("writing what has changed" if options.is_updating else f"writing {_count(found.contents)}")
    _store(service, storage, options, outcome)
    if outcome.revision is not None:
        # Whatever ends the process from now on, whoever reads this knows that it is stored.
        did = "there was nothing to write" if outcome.is_unchanged else f"stored, at revision {outcome.revision}"
        say(f"{did}; reading both again, to compare them")
        try:
            _compare(service, storage, outcome, say)
        except HeksherError as error:
            outcome.failure = error
    return outcome


def read_everything(service: ExistingService, next_rule_id: int | None, say: Say) -> Found:
    """Read everything from an existing service, and check it.

    Raises:
        ExistingServiceError: it cannot be read.
    """
    intake = Intake(service.read_features())
    settings = service.read_settings()
    intake.add_settings(settings)
    names = [setting["name"] for setting in settings]
    done = rules = 0
    last_said_s = time.monotonic()
    for portion in service.read_rules(names):
        for name, of_setting in portion.items():
            rules += len(of_setting)
            for rule in of_setting:
                intake.add_rule(name, rule)
        done += len(portion)
        if time.monotonic() - last_said_s > _PROGRESS_INTERVAL_S or done == len(names):
            last_said_s = time.monotonic()
            say(f"read {done} of {len(names)} settings, {rules} rules")
    return Found(intake.make_contents(next_rule_id), intake.refused)


def _require_empty(storage: Storage) -> None:
    if settings := storage.read(lambda reader: reader.settings()):
        raise NotAcceptableError(
            f"the database has {len(settings)} settings already: import into an empty one, or repeat an earlier import"
            " with --update"
        )


def _store(service: ExistingService, storage: Storage, options: MovingOptions, outcome: Outcome) -> None:
    origin = Origin("heksher", f"imported from {service.name}")
    found = outcome.found
    if not options.is_updating:
        loaded = load(storage, found.contents, origin)
        outcome.revision, outcome.is_unchanged = loaded.revision, not loaded.result
        return
    is_skipping = options.is_skipping_conflicts
    written = update(storage, found.contents, found.refused_keys, origin, is_skipping=is_skipping)
    outcome.plan, outcome.is_unchanged = written.result, written.result.is_empty
    if is_skipping or not written.result.left:
        outcome.revision = written.revision


def _compare(service: ExistingService, storage: Storage, outcome: Outcome, say: Say) -> None:
    again = read_everything(service, None, say)
    plan = _make_plan(storage, again)
    known = set() if outcome.plan is None else {(each.kind, each.key) for each in outcome.plan.left}
    differing = [*plan.list_objects(), *((each.kind, each.key) for each in plan.left)]
    if again.contents.features != storage.read(lambda reader: reader.context_features()):
        differing.append((CONTEXT_FEATURES, ""))
    outcome.differing.extend(key for key in dict.fromkeys(differing) if key not in known)


def _require_room(storage: Storage, plan: Plan) -> None:
    settings = len(plan.added_settings) - len(plan.deleted_settings)
    rules = len(plan.added_rules) - len(plan.deleted_rules)
    storage.read(lambda reader: Room(storage.ceilings).take(reader, Counts(max(settings, 0), max(rules, 0))))


def _make_plan(storage: Storage, found: Found) -> Plan:
    return storage.read(lambda reader: make_plan(reader, found.contents, found.refused_keys))


def _count(contents: Contents) -> str:
    return f"{len(contents.settings)} settings and {len(contents.rules)} rules"
