"""Declaring a setting: an application states what it expects; the service creates, upgrades, accepts or refuses it.

A program repeats all of its declarations at each start, so nearly all of them change nothing. Those are answered from
memory (``Storage.recall``): the same setting at the same version is *up to date*, and one that is there at a newer
version is *outdated*, since versions never go back. What else there is to say only the database can say: another
process may have changed it a moment ago. ``_find_unchanged`` is the one place that decides this.

Source: docs/reference/compatibility.md, *Declarations and versions*, *Renaming*, *Declare*.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from heksher.server.errors import (
    ConflictError,
    InvalidInputError,
    NotAcceptableError,
    NotFoundError,
    OperationError,
)
from heksher.server.operations.differences import Comparison, Declaration, Difference
from heksher.server.operations.logged_change import change_setting
from heksher.server.operations.versions import FIRST_VERSION, is_major_upgrade, is_newer
from heksher.server.storage.base import Origin, Reader, SettingRecord, Storage, Writer, Written
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.value_type import shorten

OutcomeName = Literal["created", "uptodate", "mismatch", "outdated", "upgraded", "rejected"]


@dataclass(frozen=True, slots=True)
class DeclarationResult:
    """The outcome of a declaration.

    Attributes:
        outcome: ``mismatch`` and ``rejected`` are refusals. Only ``created`` and ``upgraded`` changed anything.
        stored_version: the version that the setting had before; ``None`` when it was created.
    """

    outcome: OutcomeName
    stored_version: str | None = None
    differences: tuple[Difference, ...] = ()


# The answer to one of many declarations.
DeclarationOutcome = DeclarationResult | OperationError | StorageUnavailableError


def declare(
    storage: Storage,
    declaration: Declaration,
    origin: Origin,
    *,
    is_any_version_first: bool = False,
    at_least: int = 0,
) -> Written[DeclarationResult]:
    """Declare a setting.

    What the service has already is answered from memory, as it was at the revision in the result.

    Args:
        storage: where the settings are.
        declaration: what is declared.
        origin: who declares it.
        is_any_version_first: whether a new setting may have any version, and an alias that is unknown, which becomes
            its alias then.
        at_least: the lowest revision that an answer from memory may be of.

    Raises:
        InvalidInputError: the declaration contradicts itself: its default is not a value of its type, or its alias is
            its name.
        NotAcceptableError: the setting is new, and its version is not the first one, where it has to be.
        NotFoundError: the alias, or a context feature that is declared, does not exist; an outdated declaration may
            name features that are gone.
        ConflictError: the alias belongs to another setting.
        StorageUnavailableError: the answer is not in memory, and the database cannot be reached.
    """
    check_consistency(declaration)
    known = storage.recall(lambda reader: _find_unchanged(reader, declaration), at_least)
    if known is not None and known.result is not None:
        return Written(known.result, known.revision)
    return storage.write(
        lambda writer: _declare(
            writer, _Finder(writer, [declaration]), declaration, writer.context_features(), is_any_version_first
        ),
        origin,
    )


def declare_many(
    storage: Storage,
    declarations: Sequence[Declaration],
    origin: Origin,
    *,
    is_any_version_first: bool = False,
    at_least: int = 0,
) -> Written[tuple[DeclarationOutcome, ...]]:
    """Declare settings one after another, in one transaction; each declaration sees what those before it have changed.

    Those that are refused change nothing, and keep no other from being stored. If all of them are in memory, there is
    no transaction; if only some are, all go to the database, because a later one may see what an earlier one changes.

    Args:
        storage: where to.
        declarations: each has passed ``check_consistency``.
        origin: of the write.
        is_any_version_first: as for ``declare``.
        at_least: as for ``declare``.

    Returns:
        For each declaration its result, or the error that ``declare`` would raise for it.

    Raises:
        StorageUnavailableError: no answer is in memory, and the database cannot be reached.
    """
    known = storage.recall(lambda reader: [_find_unchanged(reader, declared) for declared in declarations], at_least)
    found = [] if known is None else [result for result in known.result if result is not None]
    if known is not None and len(found) == len(declarations):
        return Written(tuple(found), known.revision)

    def work(writer: Writer) -> tuple[DeclarationOutcome, ...]:
        order, finder = writer.context_features(), _Finder(writer, declarations)
        return tuple(
            _try_declare(writer, finder, declaration, order, is_any_version_first) for declaration in declarations
        )

    try:
        return storage.write(work, origin)
    except StorageUnavailableError as error:
        if known is None or not found:
            raise
        return Written(tuple(result or error for result in known.result), known.revision)


def check_consistency(declaration: Declaration) -> None:
    """Check that a declaration does not contradict itself.

    Raises:
        InvalidInputError: its default is not a value of its type, or its alias is its name.
    """
    if not declaration.type.accepts(declaration.default_value):
        described = shorten(str(declaration.type))
        raise InvalidInputError(f"the default value is not a value of the type {described}", ("default_value",))
    if declaration.alias == declaration.name:
        raise InvalidInputError("the alias is the name itself: give the other name, or none", ("alias",))


class _Finder:
    """Finds the settings that declarations are about.

    All are read together, before the first change: a program repeats hundreds of declarations at each start, while
    others wait to write. What has changed since is read again.

    Args:
        writer: reads them.
        declarations: what they are about.
    """

    def __init__(self, writer: Writer, declarations: Iterable[Declaration]) -> None:
        self._writer = writer
        names = {name for declared in declarations for name in (declared.name, declared.alias) if name is not None}
        self._stored = writer.find_settings(names)
        # Names and aliases that were given or taken away since.
        self._changed: set[str] = set()

    def find(self, name: str) -> SettingRecord | None:
        """Return the setting with a name or alias, or ``None``."""
        return self._writer.find_setting(name) if name in self._changed else self._stored.get(name)

    def note_change(self, *settings: SettingRecord) -> None:
        """Note that settings are as they were not before, or not any more."""
        for setting in settings:
            self._changed.update({setting.name}, setting.aliases)


def _try_declare(
    writer: Writer, finder: _Finder, declaration: Declaration, order: Sequence[str], is_any_version_first: bool
) -> DeclarationResult | OperationError:
    # Each of these errors is raised before anything is changed.
    try:
        return _declare(writer, finder, declaration, order, is_any_version_first)
    except OperationError as error:
        return error


def _declare(
    writer: Writer, finder: _Finder, declaration: Declaration, order: Sequence[str], is_any_version_first: bool
) -> DeclarationResult:
    """Declare a setting; ``order`` has the service's context features."""
    stored = _find_target(finder.find, declaration, is_any_version_first)
    if stored is None:
        return _create(writer, finder, declaration, order, is_any_version_first)
    if unchanged := _compare_unchanged(declaration, stored, order):
        return unchanged
    comparison = Comparison(declaration, stored, order, writer.rules([stored.name]))
    _require_known_features(comparison)
    if declaration.version == stored.version:
        return DeclarationResult("mismatch", stored.version, comparison.list_for_upgrade())
    return _upgrade(writer, finder, comparison)


def _find_unchanged(reader: Reader, declaration: Declaration) -> DeclarationResult | None:
    """Return the result of a declaration that changes nothing; ``None`` if it may have another result."""
    try:
        stored = _find_target(reader.find_setting, declaration, is_any_version_first=True)
    except OperationError:
        # The setting that the alias belongs to may have come, or gone, since.
        return None
    return None if stored is None else _compare_unchanged(declaration, stored, reader.context_features())


def _compare_unchanged(
    declaration: Declaration, stored: SettingRecord, order: Sequence[str]
) -> DeclarationResult | None:
    # Rules stand against changes only, so these answers need none.
    comparison = Comparison(declaration, stored, order, ())
    if is_newer(stored.version, than=declaration.version):
        return DeclarationResult("outdated", stored.version, comparison.list_for_outdated())
    if declaration.version == stored.version and not comparison.list_for_upgrade():
        return DeclarationResult("uptodate", stored.version)
    return None


def _find_target(
    find: Callable[[str], SettingRecord | None], declaration: Declaration, is_any_version_first: bool
) -> SettingRecord | None:
    """Return the stored setting that a declaration is about; ``None`` if the setting is new."""
    stored = find(declaration.name)
    if declaration.alias is None:
        return stored
    holder = find(declaration.alias)
    if holder is None:
        if stored is None and is_any_version_first:
            return None
        raise NotFoundError(f"there is no setting with the name or alias {declaration.alias!r}", "alias")
    if stored is None:
        if holder.name != declaration.alias:
            raise ConflictError(
                f"{declaration.alias!r} is an alias of setting {holder.name!r}:"
                f" to rename that one, give {holder.name!r} as alias"
            )
    elif holder.name != stored.name:
        raise ConflictError(f"{declaration.alias!r} belongs to setting {holder.name!r}, not to {stored.name!r}")
    return holder


def _create(
    writer: Writer, finder: _Finder, declaration: Declaration, order: Sequence[str], is_any_version_first: bool
) -> DeclarationResult:
    if declaration.version != FIRST_VERSION and not is_any_version_first:
        raise NotAcceptableError(
            f"setting {declaration.name!r} does not exist yet: its first version must be {FIRST_VERSION},"
            f" not {declaration.version}"
        )
    if unknown := sorted(declaration.configurable_features.difference(order)):
        raise NotFoundError(_tell_unknown(unknown, order), "configurable feature of a new setting")
    created = SettingRecord(
        name=declaration.name,
        type=str(declaration.type),
        default_value=declaration.default_value,
        configurable_features=declaration.configurable_features,
        version=declaration.version,
        metadata=declaration.metadata,
        aliases=frozenset() if declaration.alias is None else frozenset({declaration.alias}),
    )
    writer.add_setting(created)
    finder.note_change(created)
    writer.record(change_setting("declare", None, created, order))
    return DeclarationResult("created")


def _require_known_features(comparison: Comparison) -> None:
    unknown = sorted(comparison.declared.configurable_features.difference(comparison.order))
    if unknown:
        raise NotFoundError(_tell_unknown(unknown, comparison.order), "configurable feature")


def _upgrade(writer: Writer, finder: _Finder, comparison: Comparison) -> DeclarationResult:
    declared, stored, order = comparison.declared, comparison.stored, comparison.order
    differences = comparison.list_for_upgrade()
    acceptable = {"minor", "major"} if is_major_upgrade(stored.version, declared.version) else {"minor"}
    if any(difference.level not in acceptable for difference in differences):
        return DeclarationResult("rejected", stored.version, differences)
    upgraded = _apply(declared, stored)
    writer.replace_setting(stored.name, upgraded)
    finder.note_change(stored, upgraded)
    writer.record(change_setting("declare", stored, upgraded, order))
    return DeclarationResult("upgraded", stored.version, differences)


def _apply(declared: Declaration, stored: SettingRecord) -> SettingRecord:
    name = stored.name if declared.alias is None else declared.name
    return SettingRecord(
        name=name,
        type=str(declared.type),
        default_value=declared.default_value,
        configurable_features=declared.configurable_features,
        version=declared.version,
        metadata=declared.metadata,
        aliases=(stored.aliases | {stored.name}) - {name},
    )


def _tell_unknown(unknown: list[str], order: Sequence[str]) -> str:
    return f"the service has no context features {unknown}; it has {list(order)}"
