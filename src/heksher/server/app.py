"""The application: the only place where the API, the operations and a storage are put together."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from heksher.server.api import (
    context_features,
    declaration,
    documentation,
    health,
    query,
    rule_metadata,
    rules,
    setting_metadata,
    settings,
)
from heksher.server.api.errors import install_error_handlers
from heksher.server.config import Config
from heksher.server.doc_only import DocOnlyStorage
from heksher.server.operations.context_features import ensure_features
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.location import storage_for
from heksher.version import __version__

_DESCRIPTION = """Settings whose values depend on context.

A *setting* has a default value and *rules*. A rule has conditions on *context features*, such as
`environment = dev`, and the value that the setting has where they hold. Of several rules that hold, the most specific
one wins: the one with a condition on the latest feature in the service's order.
"""

_STARTUP = Origin(actor="heksher", reason="the context features that the service was started with")


def create_app(config: Config, storage: Storage | None = None) -> FastAPI:
    """Make the application.

    Args:
        config: its configuration.
        storage: an open storage, which stays the caller's to close; ``None``: the application opens the configured one
            when it starts, and closes it when it ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if storage is not None:
            yield
            return
        opened = open_storage(config)
        app.state.storage = await run_in_threadpool(opened.__enter__)
        try:
            yield
        finally:
            await run_in_threadpool(opened.__exit__, None, None, None)

    app = FastAPI(
        title="Heksher",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.config = config
    app.state.storage = storage
    install_error_handlers(app)
    for group in (
        query,
        declaration,
        settings,
        setting_metadata,
        rules,
        rule_metadata,
        context_features,
        health,
        documentation,
    ):
        # include_router would build every route a second time, at the first request.
        app.router.routes.extend(group.router.routes)
    return app


@contextmanager
def open_storage(config: Config) -> Iterator[Storage]:
    """Open the configured storage, give it the configured context features, and close it in the end.

    Raises:
        StorageError: it cannot be made ready.
        StartupError: its context features contradict the configured ones.
    """
    storage = _make_storage(config)
    try:
        storage.open()
        if config.context_features is not None and not config.doc_only:
            ensure_features(storage, config.context_features, _STARTUP)
        yield storage
    finally:
        storage.close()


def _make_storage(config: Config) -> Storage:
    if config.doc_only:
        return DocOnlyStorage()
    return storage_for(config.database)
