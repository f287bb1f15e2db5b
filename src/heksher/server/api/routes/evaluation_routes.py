"""Routes that say which value settings have in a context, and why.

They answer from the catalog's picture, as queries are answered.
"""

from operator import attrgetter
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from heksher.server.access.grants import Role
from heksher.server.api.evaluation_models import EvaluationAnswer, EvaluationBody, Findings, RulesOnContext
from heksher.server.api.paging import PageDependency
from heksher.server.api.query_parameters import IN_BODY, IN_QUERY, DemandedRevisionDependency, read_names, refuse_part
from heksher.server.api.responses import (
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    document,
    model,
    problem_details,
)
from heksher.server.api.routing import ServicesDependency, make_router
from heksher.server.asgi.access import reads
from heksher.server.asgi.gate import get_principal
from heksher.server.asgi.header_fields import get_fields
from heksher.server.catalog.catalog import CatalogState
from heksher.server.catalog.query import CatalogQuery, find_settings
from heksher.server.json_bytes import encode
from heksher.server.queries.context_rules import find_rules_on
from heksher.server.queries.evaluated import Context, EvaluationQuery, count_rules, evaluate
from heksher.server.queries.lint import lint
from heksher.server.services import Services
from heksher.server.usage.client_fields import read_client_fields
from heksher.wire import CONTEXTS_PATH, EVALUATE_PATH, LINT_PATH, parse_conditions

router: APIRouter = make_router("evaluation", has_problem_details=True)

# Telling of this many settings and rules takes a millisecond, or a few where each rule is possible; more would block
# the event loop for everyone.
_MAX_TOLD_ON_EVENT_LOOP: Final = 100

_RESPONSES: Final = document(
    model(200, EvaluationAnswer, "The values."),
    problem_details(404, "A setting or a context feature is unknown."),
)


@router.get(
    EVALUATE_PATH,
    summary="Get the values of settings in a context, and why they are that",
    responses=document(_RESPONSES, DETAILED_READ_FAILURES),
)
@reads(role=Role.EVALUATE, is_open_to_origins=True)
async def evaluate_settings(
    request: Request,
    services: ServicesDependency,
    at_least: DemandedRevisionDependency,
    settings: Annotated[
        str | None, Query(description="comma-separated names; absent: all settings", examples=["cache_ttl"])
    ] = None,
    context: Annotated[
        str,
        Query(
            description="comma-separated `feature:value`; a value can be a JSON string; other features are open",
            examples=["environment:dev", 'user:"alice@example.com"'],
        ),
    ] = "",
    compare_with: Annotated[str | None, Query(description="another context to be told of as well")] = None,
) -> Response:
    """For few settings and short contexts; anything else is for `POST`, whose answer is the same."""
    other = None if compare_with is None else _read_context(compare_with, "compare_with")
    query = EvaluationQuery(read_names(settings, IN_QUERY), _read_context(context, "context"), other)
    return await services.query_service.ask(lambda state: _answer(services, request, query, state), at_least)


@router.post(
    EVALUATE_PATH,
    summary="Get the values of settings in a context, and why they are that, with the parameters in the body",
    responses=document(_RESPONSES, DETAILED_WRITE_FAILURES),
)
@reads(role=Role.EVALUATE, is_open_to_origins=True)
async def evaluate_settings_by_post(
    request: Request, services: ServicesDependency, at_least: DemandedRevisionDependency, body: EvaluationBody
) -> Response:
    """The value of each setting, the rule that it comes from, and the rules that match as well and lose.

    Where the context leaves features open, the value is that for a context in which they have values that no rule
    names, and `possible` has all that are possible, each with what must hold for it. Who may evaluate, and not read, is
    told values and their sources only, of the settings that the grants are for.
    """
    query = EvaluationQuery(read_names(body.settings, IN_BODY), body.context, body.compare_with)
    return await services.query_service.ask(lambda state: _answer(services, request, query, state), at_least)


@router.get(
    CONTEXTS_PATH,
    summary="List the rules of any settings on a context feature, or on one value of it",
    responses=document(
        model(200, RulesOnContext, "A page of the list."),
        problem_details(404, "There is no such context feature."),
        DETAILED_READ_FAILURES,
    ),
)
@reads
async def list_rules_on_context(
    services: ServicesDependency,
    at_least: DemandedRevisionDependency,
    page: PageDependency,
    feature: Annotated[str, Query(examples=["user"])],
    value: Annotated[
        str | None, Query(description="as it is, without quotes; absent: any", examples=["alice@example.com"])
    ] = None,
) -> Response:
    """Sorted by setting and number."""

    async def answer(state: CatalogState) -> Response:
        rules, cursor = await services.workshop.run(
            lambda: page.cut(list(find_rules_on(state.picture, feature, value)), attrgetter("key"))
        )
        body = b",".join([rule.write() for rule in rules])
        return _make_response(b'{"rules":[%b],"next_cursor":%b}' % (body, encode(cursor)), state)

    return await services.query_service.ask(answer, at_least)


@router.get(
    LINT_PATH,
    summary="Find rules without effect, and values that are outside the limits of their settings",
    responses=document(
        model(200, Findings, "What was found."), problem_details(404, "A setting is unknown."), DETAILED_READ_FAILURES
    ),
)
@reads
async def find_faults(
    services: ServicesDependency,
    at_least: DemandedRevisionDependency,
    settings: Annotated[
        str | None, Query(description="comma-separated names; absent: all settings", examples=["cache_ttl"])
    ] = None,
) -> Response:
    """A rule has no effect if removing it, and nothing else, changes no answer.

    With all settings this can take seconds; such requests wait for each other.
    """
    query = CatalogQuery(read_names(settings, IN_QUERY))

    async def answer(state: CatalogState) -> Response:
        found = find_settings(state.picture, query)
        async with services.workshop.linting:
            findings = await services.workshop.run(
                lambda: b",".join([encode(each.to_json()) for each in lint(found, state.picture.feature_order)])
            )
        counts = state.picture.revision, len(found), sum(len(setting.rules) for setting in found)
        return _make_response(b'{"revision":%d,"settings":%d,"rules":%d,"findings":[%b]}' % (*counts, findings), state)

    return await services.query_service.ask(answer, at_least)


async def _answer(services: Services, request: Request, query: EvaluationQuery, state: CatalogState) -> Response:
    grants = get_principal(request.scope).grants
    names = query.names
    if names is not None and len(names) + count_rules(state.picture, names) <= _MAX_TOLD_ON_EVENT_LOOP:
        body = evaluate(state.picture, query, grants)
    else:
        async with services.workshop.listing:
            body = await services.workshop.run(lambda: evaluate(state.picture, query, grants))
    client = read_client_fields(get_fields(request.scope))
    services.uses.note(query.names, query.names, client, state.picture.revision)
    return _make_response(body, state)


def _make_response(body: bytes, state: CatalogState) -> Response:
    response = Response(body, media_type=JSONAnswer.media_type)
    response.raw_headers.extend(state.headers)
    return response


def _read_context(text: str, parameter: str) -> Context:
    try:
        return parse_conditions(text) if text else {}
    except ValueError as error:
        refuse_part(IN_QUERY, parameter, str(error))
