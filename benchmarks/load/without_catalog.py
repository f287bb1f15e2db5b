"""The baseline: the same service, but each query is answered from the database, whether its client knows it or not.

``python -m benchmarks.load.without_catalog DATABASE PORT``.
"""

import functools
import sys
from unittest import mock

import uvicorn
from starlette.concurrency import run_in_threadpool

from heksher.server import app
from heksher.server.catalog.answer import Answer
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.picture import CatalogRule, enter_rule, enter_setting, make_picture
from heksher.server.catalog.query import CatalogQuery, build_answer
from heksher.server.config import Config
from heksher.server.metrics import Metrics
from heksher.server.queries.query_service import QueryService, Reply, ResponsePreferences, make_reply
from heksher.server.queries.workshop import Workshop
from heksher.server.storage.base import Reader, Storage


class DatabaseDesk(QueryService):
    """Reads what a query asks for, and nothing else, each time."""

    def __init__(
        self, storage: Storage, catalog: Catalog, availability: Availability, metrics: Metrics, workshop: Workshop
    ) -> None:
        super().__init__(catalog, availability, metrics, workshop)
        self._storage = storage

    def find_reply(self, key: bytes, preferences: ResponsePreferences) -> Reply | None:
        """Find nothing."""
        del key, preferences

    async def reply(self, key: bytes, query: CatalogQuery, preferences: ResponsePreferences) -> Reply:
        """Return the reply to a query."""
        del key
        return await run_in_threadpool(self._read_reply, query, preferences)

    def _read_reply(self, query: CatalogQuery, preferences: ResponsePreferences) -> Reply:
        state = self._storage.read(lambda reader: _read_state(reader, query))
        answer = Answer(build_answer(state.picture, query), state.picture.feature_order)
        answer.compress(preferences.encoding)
        reply = make_reply(state, answer, preferences)
        if reply is None:
            raise AssertionError("the form that is wanted is there")
        return reply


def _read_state(reader: Reader, query: CatalogQuery) -> CatalogState:
    found = reader.settings() if query.names is None else [reader.find_setting(name) for name in query.names]
    records = [record for record in found if record is not None]
    order = reader.context_features()
    rules: dict[str, dict[int, CatalogRule]] = {record.name: {} for record in records}
    for rule in reader.rules(None if query.names is None else list(rules)):
        rules[rule.setting][rule.rule_id] = enter_rule(rule, order)
    settings = [enter_setting(record, rules[record.name]) for record in records]
    return CatalogState(make_picture(reader.revision(), order, settings), AnswerCache(0), ())


def serve(config: Config, port: int) -> None:
    """Run the service on a port of this machine."""
    with app.open_storage(config) as storage:
        with mock.patch.object(app, "QueryService", functools.partial(DatabaseDesk, storage)):
            application = app.Application(config, storage)
        with application.run():
            uvicorn.run(application, port=port, http="httptools", ws="none", lifespan="off", access_log=False)


if __name__ == "__main__":
    serve(Config(sys.argv[1]), int(sys.argv[2]))
