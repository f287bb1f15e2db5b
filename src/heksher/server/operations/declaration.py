"""Declaring a setting: an application states what it expects; the service creates, upgrades, accepts or refuses it.

A program repeats all of its declarations at each start, so nearly all of them change nothing. Those are answered from
memory (``Storage.write_unless_known``): the same setting at the same version is *up to date*, and one that is there at
a newer version is *outdated*: versions go back only where a change is taken back, and then the declaration came first.
What else there is to say only the database can say, as another process may have changed it a moment ago.
``_find_unchanged`` is the one place that decides this.

Source: docs/reference/compatibility.md, *Declarations and versions*, *Renaming*, *Declare*.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from heksher.revision_id import RevisionId
from heksher.server.access.grants import Role
from heksher.server.errors import (
    ConflictError,
    InvalidInputError,
    NotAcceptableError,
    NotFoundError,
    OperationError,
)
from heksher.server.limits import MAX_VALUE_BYTES
from heksher.server.operations.context_features import describe_unknown
from heksher.server.operations.differences import Comparison, Declaration, Difference
from heksher.server.operations.logged_change import change_setting
from heksher.server.operations.permission import require
from heksher.server.operations.value_limits import require_declared_within
from heksher.server.operations.value_size import require_size
from heksher.server.operations.versions import FIRST_VERSION, is_major_upgrade, is_newer
from heksher.server.storage.base import Origin, Reader, RuleRecord, SettingRecord, Storage, Writer, Written
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.value_type import json_key, shorten

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
    at_least: RevisionId | None = None,
    max_value_bytes: int = MAX_VALUE_BYTES,
) -> Written[DeclarationResult]:
    """Declare a setting.

    What the service has already is answered from memory, as it was at the revision in the result.

    Args:
        storage: where the settings are.
        declaration: what is declared.
        origin: who declares it.
        is_any_version_first: whether a new setting may have any version, and an alias that is unknown, which becomes
            its alias then.
        at_least: the revision that an answer from memory must know; ``None`` if any will do.
        max_value_bytes: bound for the default and the metadata, where they are to be stored.

    Raises:
        InvalidInputError: the declaration contradicts itself: its default is not a value of its type, or its alias is
            its name; or something is too large to be stored.
        NotPermittedError: it would change something that who declares it may not change.
        NotAcceptableError: the setting is new, and its version is not the first one, where it has to be.
        NotFoundError: the alias, or a context feature that is declared, does not exist; an outdated declaration may
            name features that are gone.
        ConflictError: the alias belongs to another setting.
        FullError: the setting is new, and there is no room for it.
        StorageUnavailableError: the answer is not in memory, and the database cannot be reached.
    """
    check_consistency(declaration)

    def work(writer: Writer) -> DeclarationResult:
        draft = _DeclaredSettings(writer, [declaration], origin, max_value_bytes)
        result = _declare(draft, declaration, is_any_version_first)
        draft.store()
        return result

    return storage.write_unless_known(lambda reader: _find_unchanged(reader, declaration), work, origin, at_least)


def declare_many(
    storage: Storage,
    declarations: Sequence[Declaration],
    origin: Origin,
    *,
    is_any_version_first: bool = False,
    at_least: RevisionId | None = None,
    max_value_bytes: int = MAX_VALUE_BYTES,
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
        max_value_bytes: as for ``declare``.

    Returns:
        For each declaration its result, or the error that ``declare`` would raise for it.

    Raises:
        StorageUnavailableError: no answer is in memory, and the database cannot be reached.
    """

    def find_unchanged(reader: Reader) -> list[DeclarationResult | None]:
        return [_find_unchanged(reader, declaration) for declaration in declarations]

    def know(reader: Reader) -> tuple[DeclarationOutcome, ...] | None:
        known = [result for result in find_unchanged(reader) if result is not None]
        return tuple(known) if len(known) == len(declarations) else None

    def work(writer: Writer) -> tuple[DeclarationOutcome, ...]:
        draft = _DeclaredSettings(writer, declarations, origin, max_value_bytes)
        results = tuple(_try_declare(draft, declaration, is_any_version_first) for declaration in declarations)
        draft.store()
        return results

    try:
        return storage.write_unless_known(know, work, origin, at_least)
    except StorageUnavailableError as error:
        known = storage.recall(find_unchanged, at_least)
        if known is None or not any(known.result):
            raise
        return Written(tuple(result or error for result in known.result), *known.revision_id)


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


class _DeclaredSettings:
    """The settings that declarations are about, as the declarations so far have made them.

    All are read together, before the first change, and new ones are added together: a program may have hundreds, and
    other programs wait meanwhile. What is read once is not read again.

    Args:
        writer: reads and writes them.
        declarations: what they are about.
        origin: who declares them.
        max_value_bytes: bound for what is new.
    """

    def __init__(
        self, writer: Writer, declarations: Iterable[Declaration], origin: Origin, max_value_bytes: int
    ) -> None:
        self.order = writer.context_features()
        self._origin = origin
        self._max_value_bytes = max_value_bytes
        self._writer = writer
        names = {name for declared in declarations for name in (declared.name, declared.alias) if name is not None}
        # By name and by alias.
        self._settings = writer.find_settings(names)
        # New settings that are not stored yet, in their order.
        self._added: list[SettingRecord] = []

    def find(self, name: str) -> SettingRecord | None:
        """Return the setting with a name or alias, or ``None``."""
        return self._settings.get(name)

    def list_rules(self, setting: SettingRecord) -> list[RuleRecord]:
        """Return the rules of a setting."""
        return self._writer.rules([setting.name])

    def require_permission(self, declared: Declaration, stored: SettingRecord | None = None) -> None:
        """Check that who declares a setting may do so, also under the other names that it has or gets.

        Raises:
            NotPermittedError: they may not.
        """
        names = {declared.alias, declared.name} if stored is None else {stored.name}
        if stored is not None and declared.alias is not None:
            names.add(declared.name)
        require(self._origin, Role.DECLARE, *sorted(name for name in names if name is not None))

    def require_sizes(self, declared: Declaration, stored: SettingRecord | None = None) -> None:
        """Check that what is to be stored anew is not too large.

        Raises:
            InvalidInputError: it is.
        """
        for name in ("default_value", "metadata"):
            value = getattr(declared, name)
            if stored is None or json_key(value) != json_key(getattr(stored, name)):
                require_size(value, self._max_value_bytes, name)

    def require_room(self) -> None:
        """Take room for one more setting.

        Raises:
            FullError: there is none.
        """
        self._writer.require_room(settings=1)

    def add(self, setting: SettingRecord) -> None:
        """Add a setting, at the latest when this draft is stored."""
        self._added.append(setting)
        self._note(setting)

    def replace(self, stored: SettingRecord, setting: SettingRecord) -> None:
        """Replace a setting."""
        # It may be one of those that are not stored yet.
        self.store()
        self._writer.replace_setting(stored.name, setting)
        self._writer.record(change_setting("declare", stored, setting, self.order))
        self._note(setting)

    def store(self) -> None:
        """Store the settings that were added."""
        if self._added:
            self._writer.add_settings(self._added)
            self._writer.record_all(change_setting("declare", None, setting, self.order) for setting in self._added)
            self._added.clear()

    def _note(self, setting: SettingRecord) -> None:
        self._settings.update(dict.fromkeys((setting.name, *setting.aliases), setting))


def _try_declare(
    draft: _DeclaredSettings, declaration: Declaration, is_any_version_first: bool
) -> DeclarationResult | OperationError:
    # Each of these errors is raised before anything is changed.
    try:
        return _declare(draft, declaration, is_any_version_first)
    except OperationError as error:
        return error


def _declare(draft: _DeclaredSettings, declaration: Declaration, is_any_version_first: bool) -> DeclarationResult:
    stored = _find_target(draft.find, declaration, is_any_version_first)
    if stored is None:
        return _create(draft, declaration, is_any_version_first)
    if unchanged := _compare_unchanged(declaration, stored, draft.order):
        return unchanged
    comparison = Comparison(declaration, stored, draft.order, draft.list_rules(stored))
    _require_known_features(comparison)
    if declaration.version == stored.version:
        return DeclarationResult("mismatch", stored.version, comparison.list_for_upgrade())
    return _upgrade(draft, comparison)


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


def _create(draft: _DeclaredSettings, declaration: Declaration, is_any_version_first: bool) -> DeclarationResult:
    draft.require_permission(declaration)
    if declaration.version != FIRST_VERSION and not is_any_version_first:
        raise NotAcceptableError(
            f"setting {declaration.name!r} does not exist yet: its first version must be {FIRST_VERSION},"
            f" not {declaration.version}"
        )
    if declaration.configurable_features.difference(draft.order):
        message = describe_unknown(declaration.configurable_features, draft.order)
        raise NotFoundError(message, "configurable feature of a new setting")
    draft.require_sizes(declaration)
    require_declared_within(declaration.metadata, declaration.default_value, None)
    draft.require_room()
    created = SettingRecord(
        name=declaration.name,
        type=str(declaration.type),
        default_value=declaration.default_value,
        configurable_features=declaration.configurable_features,
        version=declaration.version,
        metadata=declaration.metadata,
        aliases=frozenset() if declaration.alias is None else frozenset({declaration.alias}),
    )
    draft.add(created)
    return DeclarationResult("created")


def _require_known_features(comparison: Comparison) -> None:
    declared = comparison.declared.configurable_features
    if declared.difference(comparison.order):
        raise NotFoundError(describe_unknown(declared, comparison.order), "configurable feature")


def _upgrade(draft: _DeclaredSettings, comparison: Comparison) -> DeclarationResult:
    declared, stored = comparison.declared, comparison.stored
    draft.require_permission(declared, stored)
    differences = comparison.list_for_upgrade()
    acceptable = {"minor", "major"} if is_major_upgrade(stored.version, declared.version) else {"minor"}
    if any(difference.level not in acceptable for difference in differences):
        return DeclarationResult("rejected", stored.version, differences)
    draft.require_sizes(declared, stored)
    require_declared_within(declared.metadata, declared.default_value, stored)
    upgraded = _apply(declared, stored)
    draft.replace(stored, upgraded)
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
