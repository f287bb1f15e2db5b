"""Routes of the context features."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from heksher.server.access.grants import Role
from heksher.server.api.if_match import tell_tag
from heksher.server.api.models import ContextFeatureMove, NewContextFeature
from heksher.server.api.responses import (
    BAD_ACTOR,
    NO_FEATURE,
    READ_FAILURES,
    UNAVAILABLE,
    WRITE_FAILURES,
    ContextFeatures,
    Index,
    JSONAnswer,
    answer_changed,
    document,
    model,
    problem,
    text,
)
from heksher.server.api.routing import ExpectingStorageDependency, OriginDependency, StorageDependency, make_router
from heksher.server.asgi.access import reads, writes
from heksher.server.catalog.answer import CAPABILITIES
from heksher.server.operations import context_features
from heksher.server.operations.context_features import Side
from heksher.wire import CAPABILITIES_HEADER, CONTEXT_FEATURES_PATH

router: APIRouter = make_router("context features")

FeatureInPath = Annotated[str, Path(examples=["environment"])]


@router.get(
    CONTEXT_FEATURES_PATH,
    summary="List the context features in their order, the most general one first",
    responses=document(model(200, ContextFeatures, "The context features."), UNAVAILABLE),
)
@reads
def list_features(storage: StorageDependency) -> Response:
    """Earlier features are more general, later ones more specific: a rule on a later feature wins."""
    found = context_features.list_features(storage)
    headers = {CAPABILITIES_HEADER: CAPABILITIES, **tell_tag(found)}
    return JSONAnswer({"context_features": found.content}, 200, headers)


@router.get(
    CONTEXT_FEATURES_PATH + "/{name}",
    summary="Tell the place of a context feature in the order",
    responses=document(model(200, Index, "Its place, counted from 0."), NO_FEATURE, READ_FAILURES),
)
@reads
def find_index(name: FeatureInPath, storage: StorageDependency) -> Response:
    """The index of the first, most general feature is 0."""
    return JSONAnswer({"index": context_features.find_index(storage, name)})


@router.post(
    CONTEXT_FEATURES_PATH,
    status_code=204,
    summary="Add a context feature, as the last and most specific one",
    responses=document(
        problem(400, "The service has as many context features as it takes."),
        text(409, "It exists already.", "context feature already exists"),
        WRITE_FAILURES,
    ),
)
@writes(Role.ADMIN)
def add_feature(body: NewContextFeature, storage: ExpectingStorageDependency, origin: OriginDependency) -> Response:
    """Settings can be made configurable by it from now on."""
    return answer_changed(context_features.add_feature(storage, body.context_feature, origin))


@router.patch(
    CONTEXT_FEATURES_PATH + "/{name}/index",
    status_code=204,
    summary="Move a context feature to just before or after another one",
    responses=document(BAD_ACTOR, NO_FEATURE, WRITE_FAILURES),
)
@writes(Role.ADMIN)
def move_feature(
    name: FeatureInPath, body: ContextFeatureMove, storage: ExpectingStorageDependency, origin: OriginDependency
) -> Response:
    """This can change which rules win, in every setting. Moving a feature to where it is already changes nothing."""
    side: Side = "before" if body.to_after is None else "after"
    target = body.to_before or body.to_after or ""  # the body has exactly one of them
    return answer_changed(context_features.move_feature(storage, name, side, target, origin))


@router.delete(
    CONTEXT_FEATURES_PATH + "/{name}",
    status_code=204,
    summary="Delete a context feature that no setting is configurable by",
    responses=document(
        BAD_ACTOR,
        NO_FEATURE,
        text(
            409,
            "A setting is configurable by it.",
            "context feature can't be deleted, there is at least one setting configured by it",
        ),
        READ_FAILURES,
    ),
)
@writes(Role.ADMIN)
def delete_feature(name: FeatureInPath, storage: ExpectingStorageDependency, origin: OriginDependency) -> Response:
    """The order of the others stays."""
    return answer_changed(context_features.delete_feature(storage, name, origin))
