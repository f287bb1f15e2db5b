"""Which clients have asked for which settings since that was stored last.

What is asked is noted by the query as it was sent, and by the client, so that a query that was noted already costs one
look-up. Which settings that are is found out when it is stored, or earlier where it would take much memory.
"""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from heksher.server.limits import MAX_CLIENTS
from heksher.server.usage.client_fields import ClientFields

# How many queries of clients are noted, and how many names of settings they have, before they are summed up: some ten
# megabytes at most.
_MAX_USES: Final = 20_000
_MAX_NAMES: Final = 100_000


class _NotedQuery:
    """A query of one client.

    Attributes:
        names: the settings that it names.
        revision: of the last answer.
    """

    __slots__ = ("names", "revision")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.revision = 0


@dataclass(slots=True)
class CountedUses:
    """What was asked for.

    Attributes:
        settings: the settings by the names by which they were asked for, with a client that did.
        clients: the clients that asked, with the revision of the last answer; 0 if they got none.
    """

    settings: dict[str, ClientFields] = field(default_factory=dict)
    clients: dict[ClientFields, int] = field(default_factory=dict)

    def add(self, names: Sequence[str], client: ClientFields, revision: int) -> None:
        """Add what a client has asked for; names are added again at the cost of each."""
        self.settings.update(dict.fromkeys(names, client))
        # The last one comes last.
        self.clients[client] = max(self.clients.pop(client, 0), revision)
        if len(self.clients) > MAX_CLIENTS:
            del self.clients[next(iter(self.clients))]


class UseCounter:
    """Notes who asks for what. Thread-safe.

    Args:
        is_counting: whether it does; otherwise it notes nothing.
    """

    def __init__(self, *, is_counting: bool) -> None:
        self.is_counting: bool = is_counting
        # Guards all that is written here, except for the revision of a query that was noted.
        self._lock = threading.Lock()
        self._uses: dict[tuple[Hashable, ClientFields], _NotedQuery] = {}
        self._name_count = 0
        self._counted = CountedUses()

    def note(self, key: Hashable, names: Sequence[str] | None, client: ClientFields, revision: int = 0) -> None:
        """Note that a client has asked for settings.

        Args:
            key: identifies what it asked; the same key always has the same names.
            names: the settings that it names; ``None`` for all, which tells of the client, and of no setting that
                somebody needs it.
            client: the client.
            revision: of the answer; 0 if that has none.
        """
        if not self.is_counting:
            return
        use = self._uses.get((key, client))
        if use is None:
            use = self._begin((key, client), names or ())
        use.revision = revision

    def take(self) -> CountedUses:
        """Return what was noted, and begin anew."""
        with self._lock:
            self._sum_up()
            taken, self._counted = self._counted, CountedUses()
            return taken

    def give_back(self, counted: CountedUses) -> None:
        """Note again what could not be stored."""
        with self._lock:
            for name, client in counted.settings.items():
                self._counted.settings.setdefault(name, client)
            for client, revision in counted.clients.items():
                self._counted.add((), client, revision)

    def _begin(self, use_key: tuple[Hashable, ClientFields], names: Sequence[str]) -> _NotedQuery:
        with self._lock:
            if len(self._uses) >= _MAX_USES or self._name_count >= _MAX_NAMES:
                self._sum_up()
            use = self._uses.setdefault(use_key, _NotedQuery(names))
            self._name_count += len(names)
            return use

    def _sum_up(self) -> None:
        uses, self._uses, self._name_count = self._uses, {}, 0
        named: set[Hashable] = set()
        for (key, client), use in uses.items():
            # Many clients ask the same: its names are gone through once.
            self._counted.add(() if key in named else use.names, client, use.revision)
            named.add(key)
