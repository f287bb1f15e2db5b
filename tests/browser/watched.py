"""A service that notes which requests reach it, before it decides about them."""

from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.operations import read_last
from tests.support.service import RunningService
from tests.support.waiting import wait_until


class WatchedService(RunningService):
    """A service that notes which requests with a number in their query have reached it.

    Attributes:
        arrived: the method of each by its number.
    """

    def __init__(self) -> None:
        self.arrived: dict[int, str] = {}
        super().__init__(wrap=self._watch)

    def forget(self) -> None:
        """Take what is stored now as what was stored before."""
        self._revision = read_last(self.storage).revision

    def count_stored(self) -> int:
        """Return how many changes were stored since, and proposals ended that have become none."""
        ended = sum(
            len(self.storage.read(lambda reader, state=state: reader.proposals(state)))
            for state in ("declined", "withdrawn")
        )
        return read_last(self.storage).revision - self._revision + ended

    def count_stored_after(self, numbers: set[int]) -> int:
        """Return how many changes were stored, once these have arrived: some are sent when their page has gone on."""

        def are_there() -> bool:
            return all(self.arrived.get(number, "OPTIONS") != "OPTIONS" for number in numbers)

        assert wait_until(are_there), sorted(numbers - self.arrived.keys())
        return self.count_stored()

    def _watch(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                (number,) = parse_qs(scope["query_string"].decode()).get("attempt", ["0"])
                self.arrived[int(number)] = scope["method"]
            await app(scope, receive, send)

        return watched
