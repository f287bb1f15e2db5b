"""Clients as what FastAPI injects into the functions of an application: it reads their annotations."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from heksher import AsyncHeksherClient, ThreadHeksherClient

CLIENTS = (AsyncHeksherClient, ThreadHeksherClient)


def make_app(client_class: Any, *, is_annotated: bool) -> FastAPI:
    """Make an application one of whose functions gets a client, by way of a dependency that gets it, too."""
    app = FastAPI()

    def get_client() -> Iterator[client_class]:
        yield client_class("http://heksher.test", 60, ["user"])

    def get_same(client: client_class = Depends(get_client)) -> client_class:  # noqa: B008 - FastAPI's older way
        return client

    if is_annotated:

        @app.get("/")
        def show(client: Annotated[client_class, Depends(get_same)]) -> str:
            return f"{type(client).__name__} {client.status.state}"

    else:

        @app.get("/")
        async def show_by_default(client: client_class = Depends(get_same)) -> str:  # noqa: B008 - as above
            return f"{type(client).__name__} {client.status.state}"

    return app


@pytest.mark.parametrize("is_annotated", [True, False])
@pytest.mark.parametrize("client_class", CLIENTS)
def test_client_as_an_annotation(client_class: Any, is_annotated: bool):
    """FastAPI accepts both clients as types of parameters and results of dependencies, in both ways to write them."""
    with TestClient(make_app(client_class, is_annotated=is_annotated)) as web:
        assert f"{client_class.__name__} starting" == web.get("/").json()
