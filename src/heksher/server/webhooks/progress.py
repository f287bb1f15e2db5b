"""How far webhooks were told, as far as the storage has not noted it yet.

To note it after each message would be a write for each, which all other writes wait for. So what was received within a
moment is noted together, and sent again if the process is killed before.
"""

from heksher.revision_id import RevisionId
from heksher.server.operations import webhooks
from heksher.server.storage.base import Storage
from heksher.server.storage.webhook_records import DeliveryRecord


class Progress:
    """What is to be noted. Belongs to one thread.

    Args:
        storage: where it is noted.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # By the name of the webhook: what is stored, and what is to be noted in its place.
        self._unnoted: dict[str, tuple[DeliveryRecord, DeliveryRecord]] = {}

    def find(self, stored: DeliveryRecord) -> DeliveryRecord:
        """Return how far a webhook was told, by what is stored of it: that alone, if others have changed it."""
        before, after = self._unnoted.get(stored.webhook, (stored, stored))
        return after if before == stored else stored

    def put(self, before: DeliveryRecord, after: DeliveryRecord) -> None:
        """Take down how far a webhook was told after it had been told as far as ``find`` has said."""
        stored, known = self._unnoted.get(before.webhook, (before, before))
        # If something else is known, or nothing any more, it has been noted meanwhile that it was told so far.
        self._unnoted[before.webhook] = stored if known == before else before, after

    def forget(self) -> None:
        """Forget what is to be noted: what was told counts as not told."""
        self._unnoted.clear()

    def note(self, newest: RevisionId) -> frozenset[str]:
        """Note all of it where others have changed nothing; return the names of the webhooks of which it was noted.

        Args:
            newest: a revision of the log that they were told of, and not before any of which they were.

        Raises:
            StorageUnavailableError: the storage cannot be reached; it stays to be noted.
        """
        if not self._unnoted:
            return frozenset()
        noted = webhooks.note_deliveries(self._storage, list(self._unnoted.values()), newest)
        self._unnoted.clear()
        return noted
