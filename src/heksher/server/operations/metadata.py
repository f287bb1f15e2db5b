"""Metadata of settings and rules: a JSON object of which the service interprets the limits of a setting's values alone.

An edit computes new metadata from the old. Settings and rules share the same edits; for a setting, an edit also needs a
newer version.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from heksher.server.access.grants import Role
from heksher.server.errors import ConflictError, NotAcceptableError
from heksher.server.limits import MAX_METADATA_KEYS
from heksher.server.operations.logged_change import change_rule
from heksher.server.operations.lookup import get_rule, get_setting
from heksher.server.operations.permission import require
from heksher.server.operations.policies import require_reviewed
from heksher.server.operations.settings import store
from heksher.server.operations.tagged import Tagged, tag
from heksher.server.operations.value_limits import ValueLimits, have_other_limits, require_readable_limits
from heksher.server.operations.versions import require_newer
from heksher.server.storage.base import Origin, Reader, SettingRecord, Storage, Writer, Written
from heksher.value_type import JSON, json_key, shorten

Metadata = Mapping[str, JSON]
Edit = Callable[[Metadata], Metadata]


def merge(update: Metadata) -> Edit:
    """Return an edit that sets some keys and keeps the others."""
    return lambda metadata: {**metadata, **update}


def overwrite(metadata: Metadata) -> Edit:
    """Return an edit that replaces everything."""
    return lambda _: metadata


def remove_key(key: str) -> Edit:
    """Return an edit that removes one key, if it is there."""
    return lambda metadata: {other: value for other, value in metadata.items() if other != key}


def get_of_setting(storage: Storage, name: str) -> Tagged[Metadata]:
    """Return the metadata of a setting, with its tag.

    Raises:
        NotFoundError: the setting does not exist.
    """

    def work(reader: Reader) -> Tagged[Metadata]:
        setting = get_setting(reader, name)
        return tag(reader, setting.metadata, setting.revision)

    return storage.read(work)


def get_of_rule(storage: Storage, rule_id: int) -> Tagged[Metadata]:
    """Return the metadata of a rule, with its tag.

    Raises:
        NotFoundError: the rule does not exist.
    """

    def work(reader: Reader) -> Tagged[Metadata]:
        rule = get_rule(reader, rule_id)
        return tag(reader, rule.metadata, rule.revision)

    return storage.read(work)


def edit_of_setting(storage: Storage, name: str, edit: Edit, version: str, origin: Origin) -> Written[None]:
    """Change the metadata of a setting, and its version.

    Raises:
        NotFoundError: the setting does not exist.
        NotPermittedError: who asks may not declare this setting.
        ConflictError: the version is not newer, or present values break the limits in the new metadata.
        NotAcceptableError: there would be too many keys.
        InvalidInputError: the limits of values in the new metadata cannot be read.
    """

    def work(writer: Writer) -> None:
        setting = get_setting(writer, name)
        require(origin, Role.DECLARE, setting.name)
        metadata = _apply(edit, setting.metadata)
        require_newer(setting, version)
        if have_other_limits(metadata, setting.metadata):
            _check_limits(writer, setting, metadata)
        store(writer, origin, "set metadata", setting, replace(setting, metadata=metadata, version=version))

    return storage.write(work, origin)


def edit_of_rule(storage: Storage, rule_id: int, edit: Edit, origin: Origin) -> Written[None]:
    """Change the metadata of a rule.

    Raises:
        NotFoundError: the rule does not exist.
        NotPermittedError: who asks may not edit this setting's rules.
        NotAcceptableError: there would be too many keys.
    """

    def work(writer: Writer) -> None:
        rule = get_rule(writer, rule_id)
        require(origin, Role.EDIT, rule.setting)
        changed = replace(rule, metadata=_apply(edit, rule.metadata))
        if json_key(changed.metadata) != json_key(rule.metadata):
            require_reviewed(writer, origin, rule.setting)
            writer.replace_rule(changed)
            writer.record(change_rule("set metadata", rule, changed, writer.context_features()))

    return storage.write(work, origin)


def _check_limits(writer: Writer, setting: SettingRecord, metadata: Metadata) -> None:
    require_readable_limits(metadata)
    limits = ValueLimits(metadata)
    conflicts = []
    if fault := limits.find_fault(setting.default_value):
        conflicts.append(
            f"limits of values broken by the default value {shorten(json.dumps(setting.default_value))}: {fault}"
        )
    if broken := limits.tell_broken(writer.rules([setting.name])):
        conflicts.append(broken)
    if conflicts:
        raise ConflictError(f"setting {setting.name!r} has values outside these limits", tuple(conflicts))


def _apply(edit: Edit, metadata: Metadata) -> Metadata:
    edited = edit(metadata)
    if len(edited) > MAX_METADATA_KEYS:
        raise NotAcceptableError(f"metadata has at most {MAX_METADATA_KEYS} keys, and this makes {len(edited)}")
    return edited
