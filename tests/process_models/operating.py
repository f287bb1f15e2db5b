"""Who operates the service that the programs under test talk to: changes its one rule, and holds its answers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from heksher import wire
from heksher.server.storage.memory import MemoryStorage
from tests.process_models.apps.reporting import END
from tests.process_models.programs import FIRST_VALUE
from tests.support.service import RunningService
from tests.support.waiting import wait_until

QUERY_PATH = "/api/v1/query"
POLL_S = 0.01
HELD_WITHIN_S = 10.0


class _Untelling:
    """Hides what a service announces: a client whose service tells of changes has hardly any updates to be held."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        async def send_rest(message) -> None:
            if "headers" in message:
                announced = wire.CAPABILITIES_HEADER.lower().encode()
                message["headers"] = [pair for pair in message["headers"] if pair[0].lower() != announced]
            await send(message)

        await self._app(scope, receive, send_rest)


class HoldingApp:
    """An ASGI application that holds queries in front of another one, as long as it is told to.

    Attributes:
        is_holding: whether it does. May be set from any thread.
        held: how many queries were held since that began.
    """

    def __init__(self, app) -> None:
        self._app = _Untelling(app)
        self.is_holding = False
        self.held = 0

    async def __call__(self, scope, receive, send) -> None:
        if self.is_holding and scope["path"] == QUERY_PATH:
            self.held += 1
            while self.is_holding:  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(POLL_S)
        await self._app(scope, receive, send)


class Operator:
    """Runs the service, decides what all processes of a program are to read, and when they are answered."""

    def __init__(self) -> None:
        # Survives a restart of the service.
        self._storage = MemoryStorage()
        self._start_service(port=0)
        self._service.add_features("environment", "user", "theme")
        self._service.declare("cache_ttl", configurable_features=["user"], default_value=60)
        self._rule_id = self._service.add_rule("cache_ttl", {"user": "guest"}, FIRST_VALUE)

    @property
    def url(self) -> str:
        return self._service.url

    def restart(self) -> None:
        """Stop the service and start it again: its clients lose their connections."""
        self._service.stop()
        self._start_service(self._service.port)

    def stop(self) -> None:
        self._service.stop()

    def change_to(self, value: int) -> None:
        """Change what everybody is to read; it begins with ``FIRST_VALUE``."""
        path = f"/api/v1/rules/{self._rule_id}/value"
        self._service.http.put(path, json={"value": value}).raise_for_status()

    def end(self) -> None:
        """Have the programs that report what they read come to their end."""
        self.change_to(END)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Answer no query before the end of the block."""
        self._app.held = 0
        self._app.is_holding = True
        try:
            yield
        finally:
            self._app.is_holding = False

    def await_held(self, count: int) -> None:
        """Wait until so many queries are held."""
        is_met = wait_until(lambda: self._app.held >= count, HELD_WITHIN_S, POLL_S)
        assert is_met, f"{self._app.held} updates are under way, not {count}"

    def _start_service(self, port: int) -> None:
        def hold(app):
            self._app = HoldingApp(app)
            return self._app

        self._service = RunningService(self._storage, port=port, wrap=hold).start()
