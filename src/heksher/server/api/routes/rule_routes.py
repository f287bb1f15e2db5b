"""Routes of the rules, apart from their metadata."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.exceptions import RequestValidationError

from heksher.server.access.grants import Role
from heksher.server.api.if_match import tell_tag
from heksher.server.api.models import NewRule, RuleValue, SettingName
from heksher.server.api.responses import (
    BAD_ACTOR,
    NO_RULE,
    READ_FAILURES,
    WRITE_FAILURES,
    JSONAnswer,
    RuleId,
    RuleResponse,
    answer_changed,
    answer_written,
    document,
    empty,
    model,
    problem,
    tell_new_tag,
    tell_revision,
    text,
)
from heksher.server.api.routing import (
    EditOriginDependency,
    ExpectingStorageDependency,
    MaxValueBytes,
    RuleIdInPath,
    StorageDependency,
    make_router,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.operations import rules
from heksher.server.operations.value_size import require_size
from heksher.wire import CONDITION_PATTERN, RULES_PATH, parse_conditions

router: APIRouter = make_router("rules")

RULE_PATH = RULES_PATH + "/{rule_id}"


@router.post(
    RULES_PATH,
    status_code=201,
    summary="Add a rule to a setting",
    responses=document(
        model(201, RuleId, "The id of the new rule."),
        problem(
            400, "The setting is not configurable by a feature, or the value is not of its type or outside its limits."
        ),
        text(409, "The setting has a rule with these conditions.", "rule already exists"),
        WRITE_FAILURES,
    ),
)
@writes(Role.EDIT)
def add_rule(
    body: NewRule, storage: StorageDependency, origin: EditOriginDependency, max_value_bytes: MaxValueBytes
) -> Response:
    """The rule's value applies where all of its `feature_values` hold, unless a more specific rule does too."""
    require_size(body.value, max_value_bytes, "value")
    require_size(body.metadata, max_value_bytes, "metadata")
    written = rules.add(storage, body.setting, body.feature_values, body.value, body.metadata, origin)
    headers = {"Location": f"/{written.result}", **tell_revision(written), **tell_new_tag(written)}
    return JSONAnswer({"rule_id": written.result}, 201, headers)


@router.get(
    RULES_PATH + "/search",
    summary="Find the rule of a setting with exactly these conditions",
    responses=document(model(200, RuleId, "Its id."), empty(404, "There is no such rule or setting."), READ_FAILURES),
)
@reads
def search_rule(
    setting: Annotated[SettingName, Query(examples=["cache_ttl"])],
    feature_values: Annotated[
        str,
        Query(
            description="comma-separated `feature:value`, each feature once; a value can be a JSON string",
            examples=["environment:dev,user:guest", 'user:"alice@example.com"'],
            json_schema_extra={"pattern": f"^{CONDITION_PATTERN}(,{CONDITION_PATTERN})*$"},
        ),
    ],
    storage: StorageDependency,
) -> Response:
    """The order of the conditions does not matter."""
    return JSONAnswer({"rule_id": rules.search(storage, setting, _read_conditions(feature_values))})


@router.get(
    RULE_PATH, summary="Get a rule", responses=document(model(200, RuleResponse, "The rule."), NO_RULE, READ_FAILURES)
)
@reads
def get_rule(rule_id: RuleIdInPath, storage: StorageDependency) -> Response:
    """Conditions stand in feature order."""
    found = rules.get(storage, rule_id)
    return JSONAnswer(found.content, headers=tell_tag(found))


_VALUE_RESPONSES = document(
    problem(400, "The value is not of the setting's type, or outside its limits."), NO_RULE, WRITE_FAILURES
)


@router.put(RULE_PATH + "/value", status_code=204, summary="Change the value of a rule", responses=_VALUE_RESPONSES)
@writes(Role.EDIT)
def set_value(
    rule_id: RuleIdInPath,
    body: RuleValue,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """The conditions of a rule never change."""
    require_size(body.value, max_value_bytes, "value")
    return answer_changed(rules.set_value(storage, rule_id, body.value, origin))


@router.patch(
    RULE_PATH,
    status_code=204,
    deprecated=True,
    summary="Change the value of a rule; use PUT on its value",
    responses=_VALUE_RESPONSES,
)
@writes(Role.EDIT)
def patch_rule(
    rule_id: RuleIdInPath,
    body: RuleValue,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    max_value_bytes: MaxValueBytes,
) -> Response:
    """An older form of the same."""
    return set_value(rule_id, body, storage, origin, max_value_bytes)


@router.delete(
    RULE_PATH, status_code=204, summary="Delete a rule", responses=document(BAD_ACTOR, NO_RULE, READ_FAILURES)
)
@writes(Role.EDIT)
def delete_rule(rule_id: RuleIdInPath, storage: ExpectingStorageDependency, origin: EditOriginDependency) -> Response:
    """Its id is given to no other rule."""
    return answer_written(rules.delete(storage, rule_id, origin))


def _read_conditions(text: str) -> dict[str, str]:
    try:
        return parse_conditions(text)
    except ValueError as error:
        fault = {"loc": ("query", "feature_values"), "msg": str(error), "type": "value_error"}
        raise RequestValidationError([fault]) from None
