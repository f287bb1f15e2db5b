"""The health routes: for clients, load balancers, orchestrators and Prometheus."""

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from heksher.server.api.responses import HealthResponse, JSONAnswer, Live, Problem, Ready, document, model, text
from heksher.server.api.routing import ServicesDependency, StorageDependency, make_router
from heksher.server.health import is_healthy
from heksher.server.metrics import METRICS_PATH
from heksher.version import __version__
from heksher.wire import HEALTH_PATH

router: APIRouter = make_router("service")


@router.get(
    HEALTH_PATH,
    summary="Tell whether the service works, and its version",
    responses=document(
        model(200, HealthResponse, "The service works."), model(500, Problem, "The database cannot be reached.")
    ),
)
def check_health(storage: StorageDependency) -> Response:
    """For load balancers and clients that ping."""
    if is_healthy(storage):
        return JSONAnswer({"version": __version__})
    return JSONAnswer({"detail": "the database cannot be reached"}, 500)


@router.get("/healthz/live", summary="Tell that the process answers", responses=model(200, Live, "It does."))
async def check_live() -> Response:
    """A process that does not answer this is to be started again; the database has nothing to do with it."""
    return JSONAnswer({"live": True})


@router.get(
    "/healthz/ready",
    summary="Tell whether the process is to be sent requests",
    responses=document(
        model(200, Ready, "It answers queries, if need be without the database."),
        model(503, Ready, "It has not loaded the settings yet, or is about to end."),
    ),
)
async def check_ready(services: ServicesDependency) -> Response:
    """A process whose database is away is ready: it answers queries from memory, and refuses writes."""
    picture = services.readiness.describe()
    return JSONAnswer(picture, 200 if picture["ready"] else 503)


@router.get(
    METRICS_PATH,
    summary="Give the metrics, for Prometheus",
    responses=text(200, "The metrics, in Prometheus' text format.", "heksher_streams 5.0"),
)
async def show_metrics(services: ServicesDependency) -> Response:
    """Of all workers together."""
    # With several workers they are read from files.
    body, content_type = await run_in_threadpool(services.metrics.render)
    return Response(body, headers={"Content-Type": content_type})
