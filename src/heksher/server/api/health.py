"""The route that tells whether the service works."""

from fastapi import APIRouter, Response

from heksher.server.api.answers import Health, JSONAnswer, Problem, document, model
from heksher.server.api.routing import StorageDependency, make_router
from heksher.server.health import is_healthy
from heksher.version import __version__
from heksher.wire import HEALTH_PATH

router: APIRouter = make_router("service")


@router.get(
    HEALTH_PATH,
    summary="Tell whether the service works, and its version",
    responses=document(
        model(200, Health, "The service works."), model(500, Problem, "The database cannot be reached.")
    ),
)
def check_health(storage: StorageDependency) -> Response:
    """For load balancers and clients that ping."""
    if is_healthy(storage):
        return JSONAnswer({"version": __version__})
    return JSONAnswer({"detail": "the database cannot be reached"}, 500)
