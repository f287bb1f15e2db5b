"""What the parts of the service that answer requests are made with."""

from dataclasses import dataclass

from heksher.server.config import Config
from heksher.server.health import Readiness
from heksher.server.metrics import Metrics
from heksher.server.queries.query_service import QueryService
from heksher.server.queries.stream import Streams
from heksher.server.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route or a mounted application can use of the service. There is one in each process.

    Attributes:
        config: what the service was configured with.
        storage: reads and writes; it goes on reading without the database, and has the catalog follow each write.
        query_service: answers queries.
        streams: those that are open.
        metrics: what is counted and measured.
        readiness: whether this process is to be sent requests.
    """

    config: Config
    storage: Storage
    query_service: QueryService
    streams: Streams
    metrics: Metrics
    readiness: Readiness
