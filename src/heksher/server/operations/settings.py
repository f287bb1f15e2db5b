"""Settings, apart from their declaration and their metadata."""

import json
from collections.abc import Collection
from dataclasses import replace

from heksher.server.access.grants import Role
from heksher.server.errors import ConflictError, NotFoundError
from heksher.server.json_form import JSONObject, setting_to_json
from heksher.server.operations import logged_change
from heksher.server.operations.context_features import describe_unknown
from heksher.server.operations.deletion_protection import NO_PROTECTION, DeletionProtection
from heksher.server.operations.differences import find_features_in_use, find_misfits, tell_features_in_use
from heksher.server.operations.lookup import get_setting
from heksher.server.operations.permission import require
from heksher.server.operations.policies import require_reviewed
from heksher.server.operations.tagged import Tagged, tag
from heksher.server.operations.versions import is_major_upgrade, require_newer
from heksher.server.storage.base import Origin, Reader, RuleRecord, SettingRecord, Storage, Writer, Written
from heksher.value_type import ValueType, parse_value_type, shorten


def list_all(storage: Storage) -> list[JSONObject]:
    """Return the JSON forms of all settings, sorted by name."""

    def work(reader: Reader) -> list[JSONObject]:
        order = reader.context_features()
        return [setting_to_json(setting, order) for setting in reader.settings()]

    return storage.read(work)


def get(storage: Storage, name: str) -> Tagged[JSONObject]:
    """Return the JSON form of one setting, with its tag.

    Raises:
        NotFoundError: the setting does not exist.
    """

    def work(reader: Reader) -> Tagged[JSONObject]:
        setting = get_setting(reader, name)
        return tag(reader, setting_to_json(setting, reader.context_features()), setting.revision)

    return storage.read(work)


def delete(
    storage: Storage, name: str, origin: Origin, protection: DeletionProtection = NO_PROTECTION
) -> Written[None]:
    """Delete a setting and its rules.

    Raises:
        NotFoundError: the setting does not exist.
        NotPermittedError: who asks is no admin.
        ConflictError: the setting is protected.
    """

    def work(writer: Writer) -> None:
        setting = get_setting(writer, name)
        require(origin, Role.ADMIN)
        require_reviewed(writer, origin, setting.name)
        protection.require_unused(writer, setting)
        rules = writer.rules([setting.name])
        writer.delete_setting(setting.name)
        writer.record_all(logged_change.delete_setting(setting, rules, writer.context_features()))

    return storage.write(work, origin)


def set_type(storage: Storage, name: str, value_type: ValueType, version: str, origin: Origin) -> Written[None]:
    """Change the type of a setting, or only its version if it has the type already.

    Raises:
        NotFoundError: the setting does not exist.
        NotPermittedError: who asks may not declare this setting.
        ConflictError: the version is not newer (unless nothing changes at all), a value does not fit, or the type is
            not a subtype in a minor upgrade.
    """

    def work(writer: Writer) -> None:
        setting = get_setting(writer, name)
        require(origin, Role.DECLARE, setting.name)
        old_type = parse_value_type(setting.type)
        if version == setting.version and value_type == old_type:
            return
        require_newer(setting, version)
        conflicts = _list_misfits(setting, value_type, writer.rules([setting.name]))
        if not (is_major_upgrade(setting.version, version) or value_type.is_subtype(old_type)):
            conflicts.append(
                f"{_describe(value_type)} is not a subtype of {_describe(old_type)}: such a change needs a new major"
                f" version, {version} is minor to {setting.version}"
            )
        if conflicts:
            message = f"the type of {setting.name!r} cannot become {_describe(value_type)}"
            raise ConflictError(message, tuple(conflicts))
        store(writer, origin, "set type", setting, replace(setting, type=str(value_type), version=version))

    return storage.write(work, origin)


def rename(storage: Storage, name: str, new_name: str, version: str, origin: Origin) -> Written[None]:
    """Rename a setting; the old name becomes an alias. If the new name is one of its aliases, the two are swapped.

    Raises:
        NotFoundError: the setting does not exist.
        NotPermittedError: who asks may not declare this setting.
        ConflictError: the name belongs to another setting, or the version is older.
    """

    def work(writer: Writer) -> None:
        setting = get_setting(writer, name)
        require(origin, Role.DECLARE, setting.name, new_name)
        holder = writer.find_setting(new_name)
        if holder is not None and holder.name != setting.name:
            raise ConflictError(f"the name {new_name!r} belongs to setting {holder.name!r} already")
        if version != setting.version:
            require_newer(setting, version)
        aliases = (setting.aliases | {setting.name}) - {new_name}
        store(writer, origin, "rename", setting, replace(setting, name=new_name, aliases=aliases, version=version))

    return storage.write(work, origin)


def set_configurable_features(
    storage: Storage, name: str, features: Collection[str], version: str, origin: Origin
) -> Written[None]:
    """Change the features that a setting is configurable by, or only its version if it has these (one or more) already.

    Raises:
        NotFoundError: the setting, or one of the features, does not exist.
        NotPermittedError: who asks may not declare this setting.
        ConflictError: the version is not newer (unless nothing changes at all), a rule matches on a removed feature, or
            a feature is added in a minor upgrade.
    """

    def work(writer: Writer) -> None:
        setting = get_setting(writer, name)
        require(origin, Role.DECLARE, setting.name)
        order = writer.context_features()
        if set(features).difference(order):
            raise NotFoundError(describe_unknown(features, order), "configurable feature")
        wanted = frozenset(features)
        if version == setting.version and wanted == setting.configurable_features:
            return
        require_newer(setting, version)
        _check_features(setting, wanted, version, writer.rules([setting.name]))
        changed = replace(setting, configurable_features=wanted, version=version)
        store(writer, origin, "set configurable features", setting, changed)

    return storage.write(work, origin)


def store(writer: Writer, origin: Origin, action: str, before: SettingRecord, after: SettingRecord) -> None:
    """Store new attributes of a setting, and record the change, if there is one.

    Raises:
        HeldBackError: a policy demands a second person for it.
    """
    if before != after:
        require_reviewed(writer, origin, before.name, after.name)
        writer.replace_setting(before.name, after)
        writer.record(logged_change.change_setting(action, before, after, writer.context_features()))


def _list_misfits(setting: SettingRecord, value_type: ValueType, rules: list[RuleRecord]) -> list[str]:
    conflicts = []
    if not value_type.accepts(setting.default_value):
        default = shorten(json.dumps(setting.default_value))
        conflicts.append(f"the default value {default} is no value of {_describe(value_type)}")
    if misfits := find_misfits(value_type, rules):
        conflicts.append(f"setting type incompatible with values for rules: {misfits}")
    return conflicts


def _check_features(setting: SettingRecord, wanted: frozenset[str], version: str, rules: list[RuleRecord]) -> None:
    conflicts = []
    if in_use := find_features_in_use(setting.configurable_features - wanted, rules):
        conflicts.append(tell_features_in_use(in_use, rules))
    added = sorted(wanted - setting.configurable_features)
    if added and not is_major_upgrade(setting.version, version):
        conflicts.append(
            f"the addition of configurable features {added} needs a new major version, {version} is minor to"
            f" {setting.version}"
        )
    if conflicts:
        raise ConflictError("; ".join(conflicts))


def _describe(value_type: ValueType) -> str:
    # The options of an enum or of flags can take a hundred thousand characters.
    return shorten(str(value_type))
