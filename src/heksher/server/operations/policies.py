"""Policies: for which settings a second person is demanded. What they hold back becomes a proposal.

They hold back who changes a setting or its rules by a request, whichever that is, but not the declarations of programs:
these come with code, which was reviewed elsewhere, and a program that starts must not wait for a person.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from heksher.server.access.grants import Role
from heksher.server.errors import HeldBackError, InvalidInputError, NotFoundError
from heksher.server.json_form import JSONObject
from heksher.server.operations.access_form import write_time
from heksher.server.operations.permission import require
from heksher.server.operations.rewinding import find_first_since
from heksher.server.storage.access_records import POLICY, PolicyRecord
from heksher.server.storage.base import RULE, SETTING, LoggedChange, Origin, Reader, Selection, Storage, Writer, Written
from heksher.value_type import shorten
from heksher.wire import DOT_SEGMENTS, can_be_stored_name

OVERRIDE: Final = "override"
# An incident does not wait for a second person: what was so within this time may be so again.
_RECENT: Final = timedelta(hours=24)


def require_reviewed(writer: Writer, origin: Origin, *settings: str) -> None:
    """Check that no policy demands a second person for a change about to be made, or that an admin does without.

    That is recorded with the change then. For arguments and errors see ``find_overridden``.
    """
    record_overrides(writer, find_overridden(writer, origin, *settings))


def find_overridden(reader: Reader, origin: Origin, *settings: str) -> tuple[str, ...]:
    """Return the prefixes of the policies that an admin does without in a change.

    Args:
        reader: has the policies.
        origin: who makes the change.
        settings: the canonical names of the settings that it changes, and all names that it gives them.

    Raises:
        HeldBackError: a policy demands a second person; the message says what to do.
        NotPermittedError: who does without is no admin.
    """
    held = () if origin.is_reviewed else find_demanding(reader, settings)
    if held and not origin.is_forced:
        raise HeldBackError(
            f"{_describe(held[0])} have to be approved by a second person: make a proposal of this (POST"
            " /api/v1/proposals), or, as an admin, do without with force=true, which the change log tells",
            held,
        )
    if held:
        require(origin, Role.ADMIN)
    return held


def record_overrides(writer: Writer, prefixes: Iterable[str]) -> None:
    """Record that an admin does without a second person, whom the policies of some prefixes demand."""
    for prefix in prefixes:
        writer.record(LoggedChange(OVERRIDE, POLICY, prefix, {}, {}))


def find_demanding(reader: Reader, settings: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes of the policies that demand a second person for one of some settings, by all their names.

    Earlier names count, too: programs still ask by them, and a declaration, which nobody reviews, can rename a setting.
    """
    policies = reader.policies()
    if not policies:
        return ()
    names = set(settings)
    names.update(*(setting.aliases for setting in reader.find_settings(names).values()))
    return tuple(policy.prefix for policy in policies if any(name.startswith(policy.prefix) for name in names))


def list_names(changes: Iterable[LoggedChange]) -> set[str]:
    """Return the names that the settings of some changes had, and have."""
    names = set()
    for change in changes:
        if change.kind == RULE:
            names.add(change.setting)
        elif change.kind == SETTING:
            names |= {change.key, str((change.before or {}).get("name", change.key))}
    return names


def is_override(change: LoggedChange) -> bool:
    """Return whether a change only tells that an admin has done without a second person."""
    return (change.kind, change.action) == (POLICY, OVERRIDE)


def is_recent_change(at: datetime) -> bool:
    """Return whether what was before a change has been so lately, so that taking it back is not held back."""
    return at >= datetime.now(UTC) - _RECENT


def is_recent_state(reader: Reader, name: str, revision: int) -> bool:
    """Return whether a setting and its rules have lately been what they were at a revision."""
    first = find_first_since(reader, datetime.now(UTC) - _RECENT)
    return not reader.select(Selection(revision, name), first, 1, 1, 0)


def list_all(storage: Storage) -> tuple[PolicyRecord, ...]:
    """Return all policies, sorted by prefix."""
    return storage.read(lambda reader: reader.policies())


def get(storage: Storage, prefix: str) -> PolicyRecord:
    """Return the policy of exactly this prefix.

    Raises:
        NotFoundError: there is none.
    """
    return storage.read(lambda reader: _get(reader, prefix))


def put(storage: Storage, prefix: str, origin: Origin) -> Written[None]:
    """Demand a second person for the settings whose names begin with a prefix; nothing changes where that is so.

    Args:
        storage: has the policies.
        prefix: the beginning of names, up to a dot; empty for all settings.
        origin: who demands it.

    Raises:
        NotPermittedError: the origin is no admin.
        InvalidInputError: no policy can have this prefix.
    """
    if prefix and not (prefix.endswith(".") and can_be_stored_name(prefix) and prefix not in DOT_SEGMENTS):
        raise InvalidInputError(
            f"{shorten(repr(prefix))} is no prefix: it is the beginning of names, up to a dot, such as frontend.", ()
        )
    policy = PolicyRecord(prefix, origin.actor, datetime.now(UTC).replace(microsecond=0))

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        if all(present.prefix != prefix for present in writer.policies()):
            writer.put_policy(policy)
            writer.record(LoggedChange("create", POLICY, prefix, None, _write_fields(policy)))

    return storage.write(work, origin)


def remove(storage: Storage, prefix: str, origin: Origin) -> Written[None]:
    """Demand no second person any more for the settings whose names begin with a prefix, as far as no other does.

    Raises:
        NotPermittedError: the origin is no admin.
        NotFoundError: there is no policy of exactly this prefix.
    """

    def work(writer: Writer) -> None:
        require(origin, Role.ADMIN)
        policy = _get(writer, prefix)
        writer.remove_policy(prefix)
        writer.record(LoggedChange("delete", POLICY, prefix, _write_fields(policy), None))

    return storage.write(work, origin)


def policy_to_json(policy: PolicyRecord) -> JSONObject:
    """Return what is told of a policy."""
    return {"prefix": policy.prefix, **_write_fields(policy)}


def _write_fields(policy: PolicyRecord) -> JSONObject:
    return {"creator": policy.creator, "created_at": write_time(policy.created_at)}


def _get(reader: Reader, prefix: str) -> PolicyRecord:
    for policy in reader.policies():
        if policy.prefix == prefix:
            return policy
    raise NotFoundError(f"there is no policy for exactly {_name(prefix)}", "policy")


def _name(prefix: str) -> str:
    return f"the prefix {shorten(repr(prefix))}" if prefix else "all settings"


def _describe(prefix: str) -> str:
    return f"changes of settings whose names begin with {prefix!r}" if prefix else "changes of settings"
