"""The route by which several writes are made together, all of them or none."""

from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Response

from heksher.server.access.grants import Role
from heksher.server.api.bulk_models import BulkAnswer, BulkRequest
from heksher.server.api.responses import (
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    document,
    model,
    problem_details,
    tell_revision,
)
from heksher.server.api.routes import (
    context_feature_routes,
    declaration_routes,
    rule_metadata_routes,
    rule_routes,
    setting_metadata_routes,
    setting_routes,
)
from heksher.server.api.routing import (
    ConfigDependency,
    EditOriginDependency,
    ProtectionDependency,
    StorageDependency,
    make_router,
)
from heksher.server.api.write_call import Surroundings, WriteReader, make_all
from heksher.server.asgi.access import writes
from heksher.wire import BULK_PATH, DECLARE_MANY_PATH

router: APIRouter = make_router("bulk", has_problem_details=True)

_V1_GROUPS: Final = (
    declaration_routes,
    setting_routes,
    setting_metadata_routes,
    rule_routes,
    rule_metadata_routes,
    context_feature_routes,
)
# Many declarations would be several in one, of which some can be refused while the others are made.
V1_WRITES: Final = WriteReader(
    route for group in _V1_GROUPS for route in group.router.routes if getattr(route, "path", "") != DECLARE_MANY_PATH
)


@router.post(
    BULK_PATH,
    summary="Make several writes together, all of them or none",
    responses=document(
        model(200, BulkAnswer, "All were made."),
        problem_details(400, "One was refused: `operation` says which, counted from 0."),
        problem_details(404, "Likewise."),
        problem_details(409, "Likewise."),
        DETAILED_WRITE_FAILURES,
    ),
)
@writes(Role.READ)  # each write needs what it needs alone
def make_writes(
    body: BulkRequest,
    storage: StorageDependency,
    config: ConfigDependency,
    origin: EditOriginDependency,
    protection: ProtectionDependency,
) -> Response:
    """Each operation is a write of v1, and sees what those before it have changed.

    They are one transaction with one entry in the change log. If one is refused, nothing is changed, and the answer is
    what the first of these would be answered alone, with its number as `operation`.
    """
    if body.reason:
        origin = replace(origin, reason=body.reason)
    named = [operation.to_write() for operation in body.operations]
    written = make_all(V1_WRITES, named, Surroundings(storage, origin, config, protection))
    return JSONAnswer({"revision": written.revision, "results": written.result}, 200, tell_revision(written))
