"""The route by which applications declare their settings."""

from fastapi import APIRouter, Response

from heksher.server.api.models import SettingDeclaration
from heksher.server.api.responses import (
    WRITE_FAILURES,
    JSONAnswer,
    OutcomeResponse,
    Problem,
    document,
    model,
    problem,
    tell_revision,
    text_or_problem,
)
from heksher.server.api.routing import OriginDependency, ServicesDependency, make_router
from heksher.server.json_form import JSONObject
from heksher.server.operations.declaration import DeclarationResult, OutcomeName, declare
from heksher.wire import DECLARE_PATH

router: APIRouter = make_router("settings")

_AGREEMENTS: frozenset[OutcomeName] = frozenset({"created", "uptodate"})
_REFUSALS: frozenset[OutcomeName] = frozenset({"mismatch", "rejected"})
# The key in the answer for the version that the setting had before, in the outcomes that have it.
_VERSION_KEYS: dict[OutcomeName, str] = {
    "outdated": "latest_version",
    "upgraded": "previous_version",
    "rejected": "previous_version",
}


@router.post(
    DECLARE_PATH,
    summary="Declare a setting: create it, upgrade it, or learn how it differs",
    responses=document(
        model(200, OutcomeResponse, "`created`, `uptodate`, `upgraded` or `outdated`."),
        problem(400, "The setting is new, and its version is not 1.0, where the service demands that."),
        text_or_problem(404, "A context feature or the alias is unknown.", "the service has no context features ['x']"),
        model(409, OutcomeResponse | Problem, "`mismatch` or `rejected`; or the alias belongs to another setting."),
        WRITE_FAILURES,
    ),
)
def declare_setting(body: SettingDeclaration, services: ServicesDependency, origin: OriginDependency) -> Response:
    """Applications declare each setting at start, with a version that they raise when they change its attributes.

    The same version with the same attributes is `uptodate`. A newer version upgrades the setting, if its differences
    are acceptable: minor ones always, major ones when the first number grows. An older version changes nothing.
    """
    is_any_version_first = services.config.first_version == "any"
    written = declare(services.storage, body.to_declaration(), origin, is_any_version_first=is_any_version_first)
    status_code = 409 if written.result.outcome in _REFUSALS else 200
    return JSONAnswer(_picture(written.result), status_code, tell_revision(written.revision))


def _picture(result: DeclarationResult) -> JSONObject:
    picture: JSONObject = {"outcome": result.outcome}
    if result.outcome in _VERSION_KEYS:
        picture[_VERSION_KEYS[result.outcome]] = result.stored_version
    if result.outcome not in _AGREEMENTS:
        picture["differences"] = [difference.to_json() for difference in result.differences]
    return picture
