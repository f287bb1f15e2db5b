"""Routes of the settings, apart from their declaration and their metadata."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from heksher.server.access.grants import Role
from heksher.server.api.if_match import tell_tag
from heksher.server.api.models import NewFeatures, NewName, NewType
from heksher.server.api.paging import PageRequest, WantedPageDependency
from heksher.server.api.responses import (
    BAD_ACTOR,
    NO_SETTING,
    READ_FAILURES,
    WRITE_FAILURES,
    Conflicts,
    JSONAnswer,
    Problem,
    SettingResponse,
    Settings,
    answer_changed,
    answer_list,
    answer_written,
    document,
    model,
    problem,
    strip_keys,
    text_or_problem,
)
from heksher.server.api.routing import (
    EditOriginDependency,
    ExpectingStorageDependency,
    ForceInQuery,
    NameInPath,
    ProtectionDependency,
    ServicesDependency,
    StorageDependency,
    make_router,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.operations import settings
from heksher.server.operations.deletion_protection import NO_PROTECTION
from heksher.server.storage.base import Storage
from heksher.wire import SETTINGS_PATH

router: APIRouter = make_router("settings")

SETTING_PATH = SETTINGS_PATH + "/{name}"


@router.get(
    SETTINGS_PATH,
    summary="List all settings, sorted by name",
    responses=document(model(200, Settings, "All settings."), READ_FAILURES),
)
@reads
async def list_settings(
    services: ServicesDependency,
    page: WantedPageDependency,
    include_additional_data: Annotated[bool, Query(description="all attributes, not only the main ones")] = False,
) -> Response:
    """Name, type, default value and version of each; all seven attributes with `include_additional_data`.

    In pages only where the request has `limit`.
    """
    async with services.workshop.listing:
        return await run_in_threadpool(_list_settings, services.storage, page, is_whole=include_additional_data)


def _list_settings(storage: Storage, page: PageRequest | None, *, is_whole: bool) -> Response:
    pictures = settings.list_all(storage)
    cursor = None
    if page is not None:
        pictures, cursor = page.cut(pictures, lambda picture: str(picture["name"]))
    if not is_whole:
        pictures = [strip_keys(picture, "name", "type", "default_value", "version") for picture in pictures]
    return (
        answer_list("settings", pictures) if page is None else JSONAnswer({"settings": pictures, "next_cursor": cursor})
    )


@router.get(
    SETTING_PATH,
    summary="Get a setting",
    responses=document(model(200, SettingResponse, "Its seven attributes."), NO_SETTING, READ_FAILURES),
)
@reads
def get_setting(name: NameInPath, storage: StorageDependency) -> Response:
    """As everywhere, the name may be an alias; the answer has the canonical name."""
    found = settings.get(storage, name)
    return JSONAnswer(found.content, headers=tell_tag(found))


@router.delete(
    SETTING_PATH,
    status_code=204,
    summary="Delete a setting and its rules",
    responses=document(
        BAD_ACTOR,
        NO_SETTING,
        problem(
            409, "Programs have asked for it lately, and the service protects such settings (`--protect-used-days`)."
        ),
        READ_FAILURES,
    ),
)
@writes(Role.ADMIN)
def delete_setting(
    name: NameInPath,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    protection: ProtectionDependency,
    force: ForceInQuery = False,  # also of one of several writes, whose origin is that of all of them
) -> Response:
    """Its name and aliases are free again."""
    return answer_written(
        settings.delete(storage, name, origin, NO_PROTECTION if force or origin.is_forced else protection)
    )


@router.put(
    SETTING_PATH + "/type",
    status_code=204,
    summary="Change the type of a setting",
    responses=document(
        BAD_ACTOR,
        NO_SETTING,
        model(409, Conflicts | Problem, "Values do not fit, or the version does not allow the change."),
        WRITE_FAILURES,
    ),
)
@writes(Role.DECLARE)
def set_type(
    name: NameInPath, body: NewType, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """The default value and the values of all rules must fit. In a minor version the type can only get narrower."""
    return answer_changed(settings.set_type(storage, name, body.type, body.version, origin))


@router.put(
    SETTING_PATH + "/name",
    status_code=204,
    summary="Rename a setting",
    responses=document(
        BAD_ACTOR,
        NO_SETTING,
        problem(409, "The name belongs to another setting, or the version is older."),
        WRITE_FAILURES,
    ),
)
@writes(Role.DECLARE)
def rename(
    name: NameInPath, body: NewName, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """The old name becomes an alias, so applications that use it keep working."""
    return answer_changed(settings.rename(storage, name, body.name, body.version, origin))


@router.put(
    SETTING_PATH + "/configurable_features",
    status_code=204,
    summary="Change the context features that a setting is configurable by",
    responses=document(
        BAD_ACTOR,
        text_or_problem(404, "There is no such setting or context feature.", "there is no setting named 'cache_ttl'"),
        problem(409, "A removed feature is in use, or the version does not allow the change."),
        WRITE_FAILURES,
    ),
)
@writes(Role.DECLARE)
def set_configurable_features(
    name: NameInPath, body: NewFeatures, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """Features that no rule matches on can be removed in any version, features can be added in a major one."""
    return answer_changed(
        settings.set_configurable_features(storage, name, body.configurable_features, body.version, origin)
    )
