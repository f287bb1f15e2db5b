"""The health routes: for clients, load balancers, orchestrators and Prometheus."""

import asyncio

from fastapi import APIRouter, Response

from heksher.server.api.responses import HealthResponse, JSONAnswer, Live, Problem, Ready, document, model, text
from heksher.server.api.routing import ServicesDependency, make_router
from heksher.server.asgi.access import public
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
@public
async def check_health(services: ServicesDependency) -> Response:
    """For load balancers and clients that ping. Says what is known, so it never waits for the database."""
    if services.readiness.is_healthy():
        return JSONAnswer({"version": __version__})
    return JSONAnswer({"detail": "the database cannot be reached"}, 500)


@router.get("/healthz/live", summary="Tell that the process answers", responses=model(200, Live, "It does."))
@public
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
@public
async def check_ready(services: ServicesDependency) -> Response:
    """A process whose database is away is ready: it answers queries from memory, and refuses writes.

    `writes` is `possible`, or says in a word or two why no write can succeed.
    """
    picture = services.readiness.describe()
    return JSONAnswer(picture, 200 if picture["ready"] else 503)


@router.get(
    METRICS_PATH,
    summary="Give the metrics, for Prometheus",
    responses=text(200, "The metrics, in Prometheus' text format.", "heksher_streams 5.0"),
)
@public
async def show_metrics(services: ServicesDependency) -> Response:
    """Of all workers together."""
    # With several workers they are read from files. Not in the threads of other routes, which may all wait for the
    # database.
    body, content_type = await asyncio.to_thread(services.metrics.render)
    return Response(body, headers={"Content-Type": content_type})
