"""The application: the only module that puts the API, the operations, the catalog and a storage together."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from heksher.server.api.described_api import DescribedAPI
from heksher.server.api.error_handlers import install_error_handlers
from heksher.server.api.proposed import make_reader
from heksher.server.api.routes import (
    access_routes,
    bulk_routes,
    context_feature_routes,
    declaration_routes,
    documentation_routes,
    evaluation_routes,
    health_routes,
    history_routes,
    policy_routes,
    proposal_routes,
    query_routes,
    rule_metadata_routes,
    rule_routes,
    setting_metadata_routes,
    setting_routes,
    sign_in_routes,
    stream_routes,
    usage_routes,
    webhook_routes,
)
from heksher.server.api.routes.bulk_routes import V1_WRITES
from heksher.server.api.routing import provide_services
from heksher.server.asgi.access import public
from heksher.server.asgi.body_coding import PlainBody
from heksher.server.asgi.body_limit import BodyLimit
from heksher.server.asgi.caller import CallerStep
from heksher.server.asgi.entrance import Entrance
from heksher.server.asgi.fast_path import FastPath
from heksher.server.asgi.gate import Gate, OpenGate
from heksher.server.asgi.method import MethodStep
from heksher.server.asgi.recognizer import Recognizer
from heksher.server.asgi.recorder import Recorder
from heksher.server.asgi.request_log import RequestLog, tells_routes
from heksher.server.asgi.streaming import Streaming
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import PRIVATE, SHARED, Catalog
from heksher.server.catalog.guarded import GuardedStorage
from heksher.server.catalog.picture import Picture
from heksher.server.catalog.updater import CatalogUpdater
from heksher.server.catalog.writability import Writability
from heksher.server.config import Config
from heksher.server.health import Readiness
from heksher.server.history_pruner import HistoryPruner
from heksher.server.metrics import Metrics
from heksher.server.mounted_route import AddSlash, MountedRoute, SlashRoute
from heksher.server.operations.applying import Applier
from heksher.server.operations.context_features import ensure_features
from heksher.server.proposal_clock import ProposalClock
from heksher.server.queries.query_service import QueryService
from heksher.server.queries.stream import Streams
from heksher.server.queries.workshop import Workshop
from heksher.server.services import Services
from heksher.server.sign_in.sign_in_service import SignInService
from heksher.server.storage.base import Origin, Storage
from heksher.server.storage.ceilings import Ceilings, Counts, warn_of_excess
from heksher.server.storage.doc_only import DocOnlyStorage
from heksher.server.storage.location import storage_for
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.token_uses import TokenUses
from heksher.server.usage.use_counter import UseCounter
from heksher.server.usage.use_recorder import UseRecorder
from heksher.server.webhooks.address_rule import AddressRule
from heksher.server.webhooks.dispatcher import WebhookDispatcher
from heksher.server.webhooks.message_sender import MessageSender
from heksher.server.write_turns import WriteTurns
from heksher.version import __version__

_DESCRIPTION = """Settings whose values depend on context.

A *setting* has a default value and *rules*. A rule has conditions on *context features*, such as
`environment = dev`, and the value that the setting has where they hold. Of several rules that hold, the most specific
one wins: the one with a condition on the latest feature in the service's order.
"""

_STARTUP = Origin(actor="heksher", reason="the context features that the service was started with")


# Creates an application that is mounted beside the API.
MakeMounted = Callable[[Services], ASGIApp]


class Application:
    """The service as an ASGI application. The storage is open inside ``run`` or an ASGI lifespan.

    Args:
        config: the configuration of the service.
        storage: an open storage, which the caller closes; ``None`` to have ``run`` open and close the configured one.
        mounted: further applications by the path prefix that they answer below; each answers its errors itself.

    Attributes:
        services: what the routes work with.
        api: the FastAPI application with the routes.
        front: all steps of a request, ending with ``api``; for servers that do not use the ASGI lifespan.
        recorder: records requests; for servers that refuse some themselves.
        end_streams: ends all streams before the process ends; safe in a signal handler.
    """

    def __init__(
        self, config: Config, storage: Storage | None = None, mounted: Mapping[str, MakeMounted] = MappingProxyType({})
    ) -> None:
        self._config = config
        self._is_owner = storage is None
        self._storage = storage or _make_storage(config)
        self._storage.ceilings = make_ceilings(config, self._count)
        self._metrics = Metrics()
        self._metrics.set_ceilings(config.max_settings, config.max_rules)
        self._metrics.set_wanted_workers(config.workers)
        # The picture that the metrics were last set from, and the one that was last counted; None before the first.
        self._reported: Picture | None = None
        self._counted: tuple[Picture, Counts] | None = None
        self._availability = Availability()
        self._writability = Writability()
        self._catalog = Catalog(self._storage, config.max_cache_bytes, PRIVATE if config.has_access else SHARED)
        self._token_uses = TokenUses(self._storage)
        self._updater = CatalogUpdater(
            self._catalog, self._storage, self._availability, self._writability, self._report
        )
        self.services: Services = self._make_services()
        self._background = list(self._make_background())
        self.end_streams: Callable[[], None] = self.services.streams.end_all
        self.api: FastAPI = self._make_api(mounted)
        self.recorder: Recorder = Recorder(self._metrics, is_logging=config.has_access_log)
        self.front: ASGIApp = make_front(self.api, self.services, self.api.router.routes, self.recorder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.front if scope["type"] == "http" else self.api)(scope, receive, send)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Open the storage (unless the caller did), load the catalog, and keep it up to date until the block ends.

        Raises:
            StorageError: the storage cannot be made ready.
            StartupError: its context features contradict the configured ones.
        """
        if self._config.doc_only:
            self._metrics.note_answering()
            yield
            return
        try:
            if self._is_owner:
                prepare_storage(self._storage, self._config)
            # If the database is unreachable again already, the updater keeps trying.
            try:
                self._catalog.load()
                self._warn_of_excess()
            except StorageUnavailableError as error:
                self._availability.note(error)
            self._updater.start()
            self._metrics.note_answering()
            self._report()
            self.services.use_recorder.start()
            for part in self._background:
                part.start()
            yield
        finally:
            for part in self._background:
                part.close()
            self._updater.close()
            self.services.use_recorder.close()
            self._token_uses.store()
            self._metrics.note_hits()
            self.services.workshop.close()
            self.services.sign_in.close()
            if self._is_owner:
                self._storage.close()

    def _make_services(self) -> Services:
        streams = Streams(self._catalog, self._metrics)
        uses = UseCounter(is_counting=self._config.usage == "on")
        workshop, write_turns = Workshop(), WriteTurns()
        storage = GuardedStorage(
            self._storage, self._catalog, self._availability, self._writability, self._updater.look
        )
        storage.ceilings = self._storage.ceilings
        return Services(
            config=self._config,
            storage=storage,
            query_service=QueryService(self._catalog, self._availability, self._metrics, workshop, uses),
            workshop=workshop,
            streams=streams,
            metrics=self._metrics,
            readiness=Readiness(self._catalog, self._availability, self._writability, lambda: streams.is_ending),
            write_turns=write_turns,
            catalog=self._catalog,
            token_uses=self._token_uses,
            uses=uses,
            use_recorder=UseRecorder(self._storage, uses, streams.list_followers, self._metrics),
            sign_in=SignInService(self._config, self._catalog, storage, workshop, write_turns),
            message_sender=MessageSender(AddressRule(self._config.webhook_networks)),
        )

    def _make_background(self) -> Iterator[HistoryPruner | ProposalClock | WebhookDispatcher]:
        """Yield what works beside the requests, as long as the service runs."""
        reader = make_reader(V1_WRITES, self._config, self.services.make_protection)
        yield ProposalClock(Applier(self.services.storage, reader, self._config.has_access), self._metrics)
        if self._config.keep_history_days is not None:
            yield HistoryPruner(self._storage, self._config.keep_history_days)
        if self._config.has_webhooks:
            yield WebhookDispatcher(
                self._storage, self.services.storage, self._catalog, self.services.message_sender, self._metrics
            )

    def _make_api(self, mounted: Mapping[str, MakeMounted]) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            running = self.run()
            await run_in_threadpool(running.__enter__)
            try:
                yield
            finally:
                await run_in_threadpool(running.__exit__, None, None, None)

        api = DescribedAPI(
            self._config,
            title="Heksher",
            version=__version__,
            description=_DESCRIPTION,
            docs_url=None,
            redoc_url=None,
            lifespan=lifespan,
            redirect_slashes=False,
        )
        for route in api.router.routes:
            if isinstance(route, Route):
                public(route.endpoint)  # the description of the API, which the documentation shows to anybody
        provide_services(api, self.services)
        _add_routes(api)
        for path, make in mounted.items():
            api.router.routes.extend((MountedRoute(path, make(self.services)), SlashRoute(path, AddSlash(path))))
        return api

    def _count(self) -> Counts | None:
        """Return how many settings and rules the catalog has; ``None`` before it is loaded."""
        state, counted = self._catalog.state, self._counted
        if state is None:
            return None
        if counted is None or counted[0] is not state.picture:
            counts = Counts(len(state.picture.settings), state.picture.count_rules())
            self._counted = counted = (state.picture, counts)
        return counted[1]

    def _warn_of_excess(self) -> None:
        if (present := self._count()) is not None and self._storage.ceilings is not None:
            warn_of_excess(self._storage.ceilings, present)

    def _report(self) -> None:
        """Update the metrics with the state of the storage and the catalog."""
        self._metrics.note_hits()
        is_up = self._availability.problem is None
        self._metrics.set_database_up(is_up)
        self._metrics.set_writes_possible(self.services.readiness.find_write_problem() is None)
        if is_up:
            self._metrics.note_catalog_current()
            self._token_uses.store()
        if (state := self._catalog.state) is not None:
            self._metrics.set_tokens_ending(state.picture.access.count_ending(time.time()))
            self._metrics.set_cache(len(state.cache), state.cache.size_bytes)
            counts = self._count()
            if state.picture is not self._reported and counts is not None:
                self._reported = state.picture
                self._metrics.note_lost_histories(self._catalog.losses)
                self._metrics.set_catalog(state.picture.revision_id, counts.settings, counts.rules)


def make_front(framework: ASGIApp, services: Services, routes: Sequence[BaseRoute], recorder: Recorder) -> ASGIApp:
    """Return the steps of a request's path. The last step added here is the first one that a request passes."""
    config = services.config
    # Bound methods, because calling an object takes the interpreter much longer.
    front: ASGIApp = RequestLog(framework, recorder).__call__
    front = Streaming(front, services.streams).__call__
    front = FastPath(front, services.query_service, recorder).__call__
    front = CallerStep(front, recorder).__call__
    if config.has_access:
        front = Gate(
            front,
            recorder,
            services.catalog,
            routes,
            services.token_uses,
            Recognizer(config),
            has_metrics_access=config.has_metrics_access,
        ).__call__
    else:
        front = OpenGate(front, recorder, config, routes, services.catalog, services.token_uses).__call__
    front = Entrance(front, recorder, config, routes).__call__
    with_body = BodyLimit(PlainBody(front).__call__, config.max_body_bytes).__call__
    return MethodStep(front, with_body).__call__


def _add_routes(api: FastAPI) -> None:
    install_error_handlers(api)
    for group in (
        query_routes,
        stream_routes,
        declaration_routes,
        setting_routes,
        setting_metadata_routes,
        rule_routes,
        rule_metadata_routes,
        context_feature_routes,
        bulk_routes,
        proposal_routes,
        policy_routes,
        history_routes,
        evaluation_routes,
        usage_routes,
        access_routes,
        sign_in_routes,
        webhook_routes,
        health_routes,
        documentation_routes,
    ):
        # include_router would build every route a second time, at the first request.
        api.router.routes.extend(group.router.routes)
    tells_routes(health_routes.router.routes[0])


def prepare_storage(storage: Storage, config: Config) -> None:
    """Open a storage and set the configured context features.

    Raises:
        StorageError: the storage cannot be made ready.
        StartupError: its context features contradict the configured ones.
    """
    storage.open()
    if config.context_features is not None:
        ensure_features(storage, config.context_features, _STARTUP)


@contextmanager
def open_storage(config: Config) -> Iterator[Storage]:
    """Open the configured storage with the configured context features, and close it at the end of the block.

    Raises:
        StorageError: the storage cannot be made ready.
        StartupError: its context features contradict the configured ones.
    """
    storage = _make_storage(config)
    try:
        if not config.doc_only:
            prepare_storage(storage, config)
        yield storage
    finally:
        storage.close()


def make_ceilings(config: Config, estimate: Callable[[], Counts | None] = lambda: None) -> Ceilings:
    """Return the configured ceilings.

    Args:
        config: the configuration.
        estimate: as in ``Ceilings``.
    """
    return Ceilings(Counts(config.max_settings, config.max_rules), estimate)


def _make_storage(config: Config) -> Storage:
    if config.doc_only:
        return DocOnlyStorage()
    return storage_for(config.database)
