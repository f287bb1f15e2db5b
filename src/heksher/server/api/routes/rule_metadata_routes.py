"""Routes of the rules' metadata."""

from fastapi import APIRouter, Response

from heksher.server.access.grants import Role
from heksher.server.api.if_match import tell_tag
from heksher.server.api.models import MetadataKey, RuleMetadata, RuleMetadataValue
from heksher.server.api.responses import (
    BAD_ACTOR,
    NO_RULE,
    READ_FAILURES,
    WRITE_FAILURES,
    JSONAnswer,
    MetadataResponse,
    Responses,
    answer_changed,
    document,
    model,
    problem,
)
from heksher.server.api.routes.rule_routes import RULE_PATH
from heksher.server.api.routing import (
    EditOriginDependency,
    ExpectingStorageDependency,
    MaxValueBytes,
    RuleIdInPath,
    StorageDependency,
    make_router,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.operations import metadata
from heksher.server.operations.value_size import bound

router: APIRouter = make_router("metadata of rules")

_PATH = RULE_PATH + "/metadata"
_TOO_MANY: Responses = problem(400, "There would be too many keys.")


@router.get(
    _PATH,
    summary="Get the metadata of a rule",
    responses=document(model(200, MetadataResponse, "The metadata."), NO_RULE, READ_FAILURES),
)
@reads
def get_metadata(rule_id: RuleIdInPath, storage: StorageDependency) -> Response:
    """An empty object if the rule has none."""
    found = metadata.get_of_rule(storage, rule_id)
    return JSONAnswer({"metadata": found.content}, headers=tell_tag(found))


@router.post(
    _PATH,
    status_code=204,
    summary="Set some keys of a rule's metadata",
    responses=document(NO_RULE, _TOO_MANY, WRITE_FAILURES),
)
@writes(Role.EDIT)
def merge_metadata(
    rule_id: RuleIdInPath,
    body: RuleMetadata,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """Keys that are not given stay as they are."""
    edit = bound(metadata.merge(body.metadata), max_value_bytes)
    return answer_changed(metadata.edit_of_rule(storage, rule_id, edit, origin))


@router.put(
    _PATH,
    status_code=204,
    summary="Replace the metadata of a rule",
    responses=document(BAD_ACTOR, NO_RULE, WRITE_FAILURES),
)
@writes(Role.EDIT)
def replace_metadata(
    rule_id: RuleIdInPath,
    body: RuleMetadata,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """Keys that are not given are removed."""
    edit = bound(metadata.overwrite(body.metadata), max_value_bytes)
    return answer_changed(metadata.edit_of_rule(storage, rule_id, edit, origin))


@router.delete(
    _PATH,
    status_code=204,
    summary="Empty the metadata of a rule",
    responses=document(BAD_ACTOR, NO_RULE, READ_FAILURES),
)
@writes(Role.EDIT)
def clear_metadata(
    rule_id: RuleIdInPath, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """Takes no body: rules have no versions."""
    return answer_changed(metadata.edit_of_rule(storage, rule_id, metadata.overwrite({}), origin))


@router.put(
    _PATH + "/{key}",
    status_code=204,
    summary="Set one key of a rule's metadata",
    responses=document(NO_RULE, _TOO_MANY, WRITE_FAILURES),
)
@writes(Role.EDIT)
def set_key(
    rule_id: RuleIdInPath,
    key: MetadataKey,
    body: RuleMetadataValue,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """The key is added if the metadata lacks it."""
    edit = bound(metadata.merge({key: body.value}), max_value_bytes)
    return answer_changed(metadata.edit_of_rule(storage, rule_id, edit, origin))


@router.delete(
    _PATH + "/{key}",
    status_code=204,
    summary="Remove one key from a rule's metadata",
    responses=document(BAD_ACTOR, NO_RULE, READ_FAILURES),
)
@writes(Role.EDIT)
def remove_key(
    rule_id: RuleIdInPath, key: str, storage: ExpectingStorageDependency, origin: EditOriginDependency
) -> Response:
    """A key that the metadata lacks is gone already."""
    return answer_changed(metadata.edit_of_rule(storage, rule_id, metadata.remove_key(key), origin))
