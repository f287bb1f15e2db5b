"""An ASGI application whose client is created when the application is imported, and starts in the lifespan."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import heksher

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.AsyncHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with client:
        yield


async def answer(request: Request) -> JSONResponse:
    return JSONResponse({"pid": os.getpid(), "value": cache_ttl.get(user="guest")})


application = Starlette(routes=[Route("/", answer)], lifespan=lifespan)
