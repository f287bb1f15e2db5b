"""What the storage in memory keeps of use."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from heksher.server.storage.usage_records import ClientRecord, SettingUse, find_last, is_newer, join_uses, list_excess


@dataclass(slots=True)
class MemoryUsage:
    """Everything that is stored about use. The records are immutable.

    Attributes:
        counted_since: since when there is no gap in what is known; ``None`` if nobody counts.
        uses: the last use of each setting by its number.
        clients: by digest.
    """

    counted_since: datetime | None = None
    uses: dict[int, SettingUse] = field(default_factory=dict)
    clients: dict[str, ClientRecord] = field(default_factory=dict)

    def copy(self) -> "MemoryUsage":
        """Return a copy that may be changed."""
        return MemoryUsage(self.counted_since, self.uses.copy(), self.clients.copy())

    def list_uses(self, numbers: Mapping[str, int], names: Collection[str] | None) -> dict[str, SettingUse]:
        """Return the last uses of settings by their canonical names.

        Args:
            numbers: of all settings, by canonical name.
            names: canonical names; ``None`` for all.
        """
        wanted = numbers.keys() if names is None else numbers.keys() & frozenset(names)
        return {name: self.uses[numbers[name]] for name in wanted if numbers[name] in self.uses}

    def list_clients(self) -> list[ClientRecord]:
        """Return all clients, sorted by digest."""
        return [client for _, client in sorted(self.clients.items())]

    def note(
        self,
        uses: Mapping[str, SettingUse],
        numbers: Mapping[str, int],
        clients: Collection[ClientRecord],
        now: datetime,
    ) -> None:
        """Note uses, unless later ones are known.

        Args:
            uses: by any names of settings.
            numbers: the numbers of all settings, by all of their names.
            clients: the clients that were seen.
            now: the time.
        """
        if self.counted_since is None:
            self.counted_since = now.astimezone(UTC).replace(microsecond=0)
        for number, use in join_uses(uses, numbers).items():
            if number not in self.uses or is_newer(use.used_at, self.uses[number].used_at):
                self.uses[number] = use
        for digest, client in find_last(clients).items():
            known = self.clients.get(digest)
            if known is None or client.seen_at == known.seen_at or is_newer(client.seen_at, known.seen_at):
                revision = client.revision or (0 if known is None else known.revision)
                self.clients[digest] = replace(client, revision=revision)
        if clients:
            seen = [(client.seen_at, digest) for digest, client in self.clients.items()]
            for digest in list_excess(seen, now):
                del self.clients[digest]
