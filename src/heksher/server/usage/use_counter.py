"""Which clients have asked for which settings since that was stored last.

What is asked is noted by the query as it was sent, and by the client, so that a query that was noted already costs two
look-ups. Which settings that are is found out when it is stored, or earlier where it would take much memory.
"""

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from heksher.server.limits import MAX_CLIENTS
from heksher.server.usage.client_fields import ClientFields

# How many uses are noted, how many names of settings these have, and how many bytes what identifies them, before they
# are summed up: some thirty megabytes at most.
_MAX_USES: Final = 20_000
_MAX_NAMES: Final = 100_000
_MAX_BYTES: Final = 10 * 1024 * 1024


class _NotedUse:
    """What a client got for a query.

    Attributes:
        revision: of the last answer; 0 if that has none.
    """

    __slots__ = ("revision",)

    def __init__(self, revision: int) -> None:
        self.revision = revision


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
        # Guards all that is written here, except for the revisions of uses that were noted.
        self._lock = threading.Lock()
        # By query and client. Not by both together: to make and to compare one key of both takes longer.
        self._uses: dict[Hashable, dict[ClientFields, _NotedUse]] = {}
        # The settings that each of these queries names.
        self._names: dict[Hashable, Sequence[str]] = {}
        self._use_count = self._name_count = self._byte_count = 0
        self._counted = CountedUses()
        # What was taken, until it is stored.
        self._taken = CountedUses()

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
        try:
            self._uses[key][client].revision = revision
        except KeyError:
            self._begin(key, names or (), client, revision)

    def take(self) -> CountedUses:
        """Return what was noted, and begin anew. What is made of it, ``let_go`` or ``give_back`` is to be told."""
        with self._lock:
            self._sum_up()
            self._taken, self._counted = self._counted, CountedUses()
            return CountedUses(self._taken.settings.copy(), self._taken.clients.copy())

    def let_go(self) -> None:
        """Forget what was taken last: it is stored."""
        with self._lock:
            self._taken = CountedUses()

    def give_back(self) -> None:
        """Note again what was taken last: it could not be stored."""
        with self._lock:
            newer, self._counted, self._taken = self._counted, self._taken, CountedUses()
            self._counted.settings.update(newer.settings)
            for client, revision in newer.clients.items():
                self._counted.add((), client, revision)

    def list_unstored(self) -> Mapping[str, ClientFields]:
        """Return the settings that were asked for and are not stored yet, by those names, with a client that did."""
        with self._lock:
            self._sum_up()
            return {**self._taken.settings, **self._counted.settings}

    def _begin(self, key: Hashable, names: Sequence[str], client: ClientFields, revision: int) -> None:
        with self._lock:
            if self._use_count >= _MAX_USES or self._name_count >= _MAX_NAMES or self._byte_count >= _MAX_BYTES:
                self._sum_up()
            if key not in self._uses:
                self._uses[key], self._names[key] = {}, names
                self._name_count += len(names)
                self._byte_count += len(key) if isinstance(key, bytes) else 0
            if client not in self._uses[key]:
                self._use_count += 1
                self._byte_count += sum(map(len, client))
            self._uses[key][client] = _NotedUse(revision)

    def _sum_up(self) -> None:
        uses, self._uses = self._uses, {}
        names, self._names = self._names, {}
        self._use_count = self._name_count = self._byte_count = 0
        for key, clients in uses.items():
            asked = names[key]
            for client, use in clients.items():
                self._counted.add(asked, client, use.revision)
                # Many clients ask the same: its names are gone through once.
                asked = ()
