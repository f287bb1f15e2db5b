"""The routes that tell which settings programs ask for, and which programs these are."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from heksher.server.api.paging import PageDependency
from heksher.server.api.responses import DETAILED_READ_FAILURES, JSONAnswer, document, model
from heksher.server.api.routing import ConfigDependency, ServicesDependency, StorageDependency, make_router
from heksher.server.api.usage_models import ClientsAnswer, UsageAnswer
from heksher.server.asgi.access import reads
from heksher.server.limits import MAX_USAGE_DAYS
from heksher.server.operations.usage_reports import UsageReport, make_client_key, report_clients, report_settings
from heksher.value_type import JSON
from heksher.wire import CLIENTS_PATH, USAGE_PATH

router: APIRouter = make_router("usage", has_problem_details=True)


@router.get(
    USAGE_PATH,
    summary="Tell when settings were last asked for",
    responses=document(model(200, UsageAnswer, "A page of the settings, sorted by name."), DETAILED_READ_FAILURES),
)
@reads
async def tell_usage(
    services: ServicesDependency,
    page: PageDependency,
    unused_for_days: Annotated[
        int | None,
        Query(ge=1, le=MAX_USAGE_DAYS, description="only settings that nobody has asked for in so many days"),
    ] = None,
) -> Response:
    """By queries, streams, evaluations and declarations that name them.

    A query for all settings says of none that somebody needs it.
    """
    async with services.workshop.listing:
        report = await run_in_threadpool(
            report_settings, services.storage, unused_for_days, is_counting=services.uses.is_counting
        )
    shown, cursor = page.cut(report.items, lambda item: str(item["name"]))
    return JSONAnswer({"since": _write_since(report), "settings": shown, "next_cursor": cursor})


@router.get(
    CLIENTS_PATH,
    summary="List the clients that ask for settings",
    responses=document(model(200, ClientsAnswer, "A page of the clients, sorted by name."), DETAILED_READ_FAILURES),
)
@reads
def list_clients(
    storage: StorageDependency,
    config: ConfigDependency,
    page: PageDependency,
    name: Annotated[str | None, Query(description="only the clients of the program with this name")] = None,
) -> Response:
    """As they call themselves, which nobody has to prove: in `User-Agent` and `Heksher-Client`."""
    report = report_clients(storage, name, is_counting=config.usage == "on")
    shown, cursor = page.cut(report.items, make_client_key)
    return JSONAnswer({"since": _write_since(report), "clients": shown, "next_cursor": cursor})


def _write_since(report: UsageReport) -> JSON:
    return None if report.counted_since is None else report.counted_since.isoformat()
