"""The route by which applications declare their settings."""

from collections.abc import Iterable

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from heksher.server.access.grants import Role
from heksher.server.api.error_handlers import answer_error
from heksher.server.api.models import SettingDeclaration, SettingDeclarations
from heksher.server.api.query_parameters import DemandedRevisionDependency
from heksher.server.api.responses import (
    BAD_ACTOR,
    INVALID,
    UNREADABLE,
    WRITE_FAILURES,
    DeclarationAnswer,
    JSONAnswer,
    OutcomeResponse,
    Problem,
    document,
    model,
    problem,
    show_answer,
    tell_revision,
    text_or_problem,
)
from heksher.server.api.routing import (
    ConfigDependency,
    OriginDependency,
    StorageDependency,
    UseNoteDependency,
    make_router,
)
from heksher.server.asgi.access import writes
from heksher.server.errors import InvalidInputError
from heksher.server.json_form import JSONObject
from heksher.server.operations.declaration import (
    DeclarationOutcome,
    DeclarationResult,
    OutcomeName,
    check_consistency,
    declare,
    declare_many,
)
from heksher.server.operations.differences import Declaration
from heksher.server.storage.storage_errors import StorageError
from heksher.wire import DECLARE_MANY_PATH, DECLARE_PATH

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
@writes(Role.READ)  # where nothing changes; the operation asks for more where something does
def declare_setting(
    body: SettingDeclaration,
    storage: StorageDependency,
    config: ConfigDependency,
    origin: OriginDependency,
    at_least: DemandedRevisionDependency,
    note_use: UseNoteDependency,
) -> Response:
    """Applications declare each setting at start, with a version that they raise when they change its attributes.

    The same version with the same attributes is `uptodate`. A newer version upgrades the setting, if its differences
    are acceptable: minor ones always, major ones when the first number grows. An older version changes nothing.
    What the service knows already is answered without the database.
    """
    declaration = body.to_declaration()
    written = declare(
        storage,
        declaration,
        origin,
        is_any_version_first=config.first_version == "any",
        at_least=at_least,
        max_value_bytes=config.max_value_bytes,
    )
    note_use(_list_names([declaration]))
    return JSONAnswer(_picture(written.result), _choose_status(written.result), tell_revision(written))


@router.post(
    DECLARE_MANY_PATH,
    summary="Declare many settings at once",
    responses=document(
        model(200, list[DeclarationAnswer], "For each declaration, in their order, status and body of its answer."),
        BAD_ACTOR,
        INVALID,
        UNREADABLE,
    ),
)
@writes(Role.READ)  # where nothing changes; the operation asks for more where something does
def declare_many_settings(
    body: SettingDeclarations,
    storage: StorageDependency,
    config: ConfigDependency,
    origin: OriginDependency,
    at_least: DemandedRevisionDependency,
    note_use: UseNoteDependency,
) -> Response:
    """An application that has many settings declares them in one request, and in one transaction.

    Each declaration sees what those before it have changed, and is answered as it would be alone: one that is refused
    keeps no other from being stored. Where the database cannot be reached, those that need it have the status 503.
    """
    items = [_read(item) for item in body]
    declarations = [item for item in items if isinstance(item, Declaration)]
    try:
        written = declare_many(
            storage,
            declarations,
            origin,
            is_any_version_first=config.first_version == "any",
            at_least=at_least,
            max_value_bytes=config.max_value_bytes,
        )
    except StorageError as error:
        unavailable = show_answer(answer_error(error))
        return JSONAnswer([unavailable if isinstance(item, Declaration) else item for item in items])
    pairs = zip(declarations, written.result, strict=True)
    note_use(_list_names(declared for declared, result in pairs if isinstance(result, DeclarationResult)))
    results = iter(written.result)
    answers = [_show_result(next(results)) if isinstance(item, Declaration) else item for item in items]
    return JSONAnswer(answers, 200, tell_revision(written))


def _read(item: object) -> Declaration | JSONObject:
    """Return a declaration, or what it is answered because it breaks the rules."""
    try:
        declaration = SettingDeclaration.model_validate(item, from_attributes=True).to_declaration()
        check_consistency(declaration)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return show_answer(answer_error(RequestValidationError(faults)))
    except InvalidInputError as error:
        return show_answer(answer_error(error))
    return declaration


def _list_names(declarations: Iterable[Declaration]) -> tuple[str, ...]:
    """Return all names that declared settings may have."""
    names = {name for declared in declarations for name in (declared.name, declared.alias) if name is not None}
    return tuple(sorted(names))


def _show_result(result: DeclarationOutcome) -> JSONObject:
    if isinstance(result, DeclarationResult):
        return {"status": _choose_status(result), "body": _picture(result)}
    return show_answer(answer_error(result))


def _choose_status(result: DeclarationResult) -> int:
    return 409 if result.outcome in _REFUSALS else 200


def _picture(result: DeclarationResult) -> JSONObject:
    picture: JSONObject = {"outcome": result.outcome}
    if result.outcome in _VERSION_KEYS:
        picture[_VERSION_KEYS[result.outcome]] = result.stored_version
    if result.outcome not in _AGREEMENTS:
        picture["differences"] = [difference.to_json() for difference in result.differences]
    return picture
