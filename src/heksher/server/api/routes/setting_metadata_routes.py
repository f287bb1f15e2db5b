"""Routes of the settings' metadata."""

from fastapi import APIRouter, Response

from heksher.server.access.grants import Role
from heksher.server.api.if_match import tell_tag
from heksher.server.api.models import MetadataKey, SettingMetadata, SettingMetadataValue, Versioned
from heksher.server.api.responses import (
    BAD_ACTOR,
    NO_SETTING,
    READ_FAILURES,
    WRITE_FAILURES,
    Conflicts,
    JSONAnswer,
    MetadataResponse,
    Problem,
    Responses,
    answer_changed,
    document,
    model,
    problem,
)
from heksher.server.api.routes.setting_routes import SETTING_PATH
from heksher.server.api.routing import (
    EditOriginDependency,
    ExpectingStorageDependency,
    MaxValueBytes,
    NameInPath,
    StorageDependency,
    make_router,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.operations import metadata
from heksher.server.operations.value_size import bound

router: APIRouter = make_router("metadata of settings")

_PATH = SETTING_PATH + "/metadata"
_NOT_NEWER: Responses = problem(409, "The version is not newer.")
_CONFLICT: Responses = model(
    409, Conflicts | Problem, "The version is not newer, or present values are outside the new limits of values."
)
_TOO_MANY: Responses = problem(400, "There would be too many keys.")


@router.get(
    _PATH,
    summary="Get the metadata of a setting",
    responses=document(model(200, MetadataResponse, "The metadata."), NO_SETTING, READ_FAILURES),
)
@reads
def get_metadata(name: NameInPath, storage: StorageDependency) -> Response:
    """An empty object if the setting has none."""
    found = metadata.get_of_setting(storage, name)
    return JSONAnswer({"metadata": found.content}, headers=tell_tag(found))


@router.post(
    _PATH,
    status_code=204,
    summary="Set some keys of a setting's metadata",
    responses=document(NO_SETTING, _CONFLICT, _TOO_MANY, WRITE_FAILURES),
)
@writes(Role.DECLARE)
def merge_metadata(
    name: NameInPath,
    body: SettingMetadata,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """Keys that are not given stay as they are. `value-schema` has the limits of the setting's values."""
    edit = bound(metadata.merge(body.metadata), max_value_bytes)
    return answer_changed(metadata.edit_of_setting(storage, name, edit, body.version, origin))


@router.put(
    _PATH,
    status_code=204,
    summary="Replace the metadata of a setting",
    responses=document(BAD_ACTOR, NO_SETTING, _CONFLICT, WRITE_FAILURES),
)
@writes(Role.DECLARE)
def replace_metadata(
    name: NameInPath,
    body: SettingMetadata,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """Keys that are not given are removed."""
    edit = bound(metadata.overwrite(body.metadata), max_value_bytes)
    return answer_changed(metadata.edit_of_setting(storage, name, edit, body.version, origin))


@router.delete(
    _PATH,
    status_code=204,
    summary="Empty the metadata of a setting",
    responses=document(BAD_ACTOR, NO_SETTING, _NOT_NEWER, WRITE_FAILURES),
)
@writes(Role.DECLARE)
def clear_metadata(
    name: NameInPath, body: Versioned, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """The version stands in the body, as everywhere."""
    return answer_changed(metadata.edit_of_setting(storage, name, metadata.overwrite({}), body.version, origin))


@router.put(
    _PATH + "/{key}",
    status_code=204,
    summary="Set one key of a setting's metadata",
    responses=document(NO_SETTING, _CONFLICT, _TOO_MANY, WRITE_FAILURES),
)
@writes(Role.DECLARE)
def set_key(
    name: NameInPath,
    key: MetadataKey,
    body: SettingMetadataValue,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """The key is added if the metadata lacks it."""
    edit = bound(metadata.merge({key: body.value}), max_value_bytes)
    return answer_changed(metadata.edit_of_setting(storage, name, edit, body.version, origin))


@router.delete(
    _PATH + "/{key}",
    status_code=204,
    summary="Remove one key from a setting's metadata",
    responses=document(BAD_ACTOR, NO_SETTING, _NOT_NEWER, WRITE_FAILURES),
)
@writes(Role.DECLARE)
def remove_key(
    name: NameInPath, key: str, body: Versioned, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """A key that the metadata lacks is gone already: only the version changes then."""
    return answer_changed(metadata.edit_of_setting(storage, name, metadata.remove_key(key), body.version, origin))
