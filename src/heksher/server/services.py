"""The objects that the request handlers share."""

from dataclasses import dataclass

from heksher.server.catalog.catalog import Catalog
from heksher.server.config import Config
from heksher.server.health import Readiness
from heksher.server.metrics import Metrics
from heksher.server.operations.deletion_protection import DeletionProtection
from heksher.server.queries.query_service import QueryService
from heksher.server.queries.stream import Streams
from heksher.server.queries.workshop import Workshop
from heksher.server.sign_in.sign_in_service import SignInService
from heksher.server.storage.base import Storage
from heksher.server.token_uses import TokenUses
from heksher.server.usage.use_counter import UseCounter
from heksher.server.usage.use_recorder import UseRecorder
from heksher.server.webhooks.message_sender import MessageSender
from heksher.server.write_turns import WriteTurns


@dataclass(frozen=True, slots=True)
class Services:
    """Everything of the service that a route or a mounted application can use. Each process has one instance.

    Attributes:
        config: the configuration of the service.
        storage: reads and writes; keeps reading while the database is unreachable, and updates the catalog with each
            write.
        query_service: answers queries.
        workshop: where what takes long is done.
        streams: the open streams.
        metrics: the metrics of this process.
        readiness: whether this process can serve requests.
        write_turns: runs writes in threads.
        catalog: knows what is stored, and who may do what.
        token_uses: is told when tokens are used.
        uses: is told which clients ask for which settings.
        use_recorder: stores that.
        sign_in: signs people in and out.
        message_sender: sends messages to webhooks.
    """

    config: Config
    storage: Storage
    query_service: QueryService
    workshop: Workshop
    streams: Streams
    metrics: Metrics
    readiness: Readiness
    write_turns: WriteTurns
    catalog: Catalog
    token_uses: TokenUses
    uses: UseCounter
    use_recorder: UseRecorder
    sign_in: SignInService
    message_sender: MessageSender

    def make_protection(self) -> DeletionProtection:
        """Return what keeps settings from being deleted that programs have asked for lately."""
        return DeletionProtection(self.config.protect_used_days, self.use_recorder.list_unstored)
