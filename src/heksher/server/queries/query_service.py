"""Answers queries: from the catalog's cache, or by computing each answer once.

A query is identified by its *key*, which is how it was sent: the query string, or a digest of the body. A query whose
key is in the cache needs no parsing, no thread and no database (known fault 42).
"""

import asyncio
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from heksher.server.catalog.answer import Answer, Encoding, HeaderField, Representation, choose_encoding
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.query import CatalogQuery, build_answer, find_settings
from heksher.server.errors import NotFoundError
from heksher.server.metrics import Metrics
from heksher.server.queries.workshop import MAX_BYTES_ON_EVENT_LOOP, Workshop
from heksher.wire import MIN_REVISION_HEADER, REVISION_HEADER, parse_revision

# Processing this many rules takes about a millisecond; more would block the event loop for everyone.
_MAX_RULES_ON_EVENT_LOOP: Final = 2_000
# Clients send few different values of Accept-Encoding, all of them short; the bounds keep made-up values from filling
# the memory.
_MAX_KNOWN_ENCODINGS: Final = 64
_MAX_KNOWN_ENCODING_BYTES: Final = 128

_MIN_REVISION: Final = MIN_REVISION_HEADER.lower().encode()
# No query string begins with this.
_BODY_KEY: Final = b"\0"


class ResponsePreferences(NamedTuple):
    """How the client wants the answer.

    Attributes:
        none_match: the entity tags that the client has, as sent.
        encoding: the compression.
        min_revision: the lowest revision that the answer may have, as sent; empty if any will do.
    """

    none_match: bytes
    encoding: Encoding
    min_revision: bytes

    def is_valid(self) -> bool:
        """Return whether the minimum revision is missing or well-formed."""
        return not self.min_revision or parse_revision(self.min_revision) is not None

    def is_met_by(self, revision: int) -> bool:
        """Return whether a revision is new enough; a malformed minimum is met by no revision."""
        if not self.min_revision:
            return True
        demanded = parse_revision(self.min_revision)
        return demanded is not None and demanded <= revision


class AskedQuery(NamedTuple):
    """A query before its parameters are parsed.

    Attributes:
        key: identifies the query.
        preferences: how the client wants the answer.
    """

    key: bytes
    preferences: ResponsePreferences


class Reply(NamedTuple):
    """A response to send: a status, header fields and a body."""

    status: int
    headers: list[HeaderField]
    body: bytes


class QueryService:
    """Answers queries from a catalog. Belongs to one event loop.

    Args:
        catalog: what queries are answered from.
        availability: whether the database can be reached; while it cannot, no query waits for it.
        metrics: counts hits and misses of the cache.
        workshop: where large answers are computed.
    """

    def __init__(self, catalog: Catalog, availability: Availability, metrics: Metrics, workshop: Workshop) -> None:
        self._catalog = catalog
        self._availability = availability
        self._metrics = metrics
        self._workshop = workshop
        self._known_encodings: dict[bytes, Encoding] = {}
        # The answers being computed, by key, so that no answer is computed twice at once.
        self._in_the_making: dict[tuple[int, bytes], asyncio.Task[Answer]] = {}

    def read_preferences(self, headers: Iterable[HeaderField]) -> ResponsePreferences:
        """Return how the client wants the answer."""
        none_match = min_revision = b""
        encoding: Encoding = ""
        for name, value in headers:
            if name == b"if-none-match":
                none_match = none_match + b"," + value if none_match else value
            elif name == b"accept-encoding":
                encoding = self._read_encoding(value)
            elif name == _MIN_REVISION:
                min_revision = value
        return ResponsePreferences(none_match, encoding, min_revision)

    def find_reply(self, key: bytes, preferences: ResponsePreferences) -> Reply | None:
        """Return the reply to a query if it is in memory."""
        state = self._catalog.state
        slot = None if state is None else state.cache.get(key)
        if state is None or slot is None or not preferences.is_met_by(state.picture.revision):
            return None
        slot.is_used = True
        reply = make_reply(state, slot.answer, preferences)
        if reply is not None:
            self._metrics.count_hit()
        return reply

    async def reply(self, key: bytes, query: CatalogQuery, preferences: ResponsePreferences) -> Reply:
        """Return the reply to a query.

        Raises:
            NotFoundError: the query names settings that do not exist.
            StorageUnavailableError: the answer needs the database, which cannot be reached.
        """
        state = await self._find_state(preferences)
        try:
            answer = await self._find_answer(state, key, query)
        except NotFoundError:
            # Another process may have added the setting a moment ago.
            state = await self._refresh()
            answer = await self._find_answer(state, key, query)
        reply = make_reply(state, answer, preferences)
        if reply is None:
            await self._compress(answer, preferences.encoding)
            # The answer can be that of a later state as well.
            (self._catalog.state or state).cache.measure_anew(key)
            reply = make_reply(state, answer, preferences)
        assert reply is not None, "what was compressed is there"  # noqa: S101 - for type checkers
        return reply

    async def check(self, query: CatalogQuery, preferences: ResponsePreferences) -> None:
        """Check that a query can be answered, without computing the answer.

        Raises:
            NotFoundError: the query names settings that do not exist.
            StorageUnavailableError: the answer needs the database, which cannot be reached.
        """
        state = await self._find_state(preferences)
        try:
            find_settings(state.picture, query)
        except NotFoundError:
            find_settings((await self._refresh()).picture, query)

    async def _find_state(self, preferences: ResponsePreferences) -> CatalogState:
        state = self._catalog.state
        if state is not None and preferences.is_met_by(state.picture.revision):
            return state
        # If even the database lacks that revision, it does not exist: the database was restored from a backup.
        return await self._refresh(parse_revision(preferences.min_revision) or 0)

    async def _refresh(self, at_least: int | None = None) -> CatalogState:
        # While the database is known to be unreachable no query waits for it: that would block all threads.
        self._availability.require()
        return await run_in_threadpool(self._catalog.refresh, at_least)

    async def _find_answer(self, state: CatalogState, key: bytes, query: CatalogQuery) -> Answer:
        slot = state.cache.get(key)
        if slot is not None:
            self._metrics.count_hit()
            return slot.answer
        rules = sum(len(setting.rules) for setting in find_settings(state.picture, query))
        self._metrics.count_miss()
        if rules <= _MAX_RULES_ON_EVENT_LOOP:
            return _make_answer(state, key, query)
        flight = (state.picture.revision, key)
        task = self._in_the_making.get(flight)
        if task is None:
            task = asyncio.create_task(self._workshop.run(lambda: _make_answer(state, key, query)))
            self._in_the_making[flight] = task
            task.add_done_callback(lambda _: self._in_the_making.pop(flight))
        # Shielded, because other requests may wait for the same answer.
        return await asyncio.shield(task)

    async def _compress(self, answer: Answer, encoding: Encoding) -> None:
        if len(answer.plain.body) <= MAX_BYTES_ON_EVENT_LOOP:
            answer.compress(encoding)
        else:
            await self._workshop.run(lambda: answer.compress(encoding))

    def _read_encoding(self, accept_encoding: bytes) -> Encoding:
        encoding = self._known_encodings.get(accept_encoding)
        if encoding is None:
            encoding = choose_encoding(accept_encoding.decode("latin-1"))
            is_short = len(accept_encoding) <= _MAX_KNOWN_ENCODING_BYTES
            if is_short and len(self._known_encodings) < _MAX_KNOWN_ENCODINGS:
                self._known_encodings[accept_encoding] = encoding
        return encoding


def make_key(scope: Scope, body: bytes | None = None) -> bytes:
    """Return the key of a query: its query string, or a digest of its body and content type if it has a body."""
    if body is None:
        query_string: bytes = scope["query_string"]
        return query_string
    # The content type says whether the body is JSON.
    content_types = [value for name, value in scope["headers"] if name == b"content-type"]
    return _BODY_KEY + hashlib.sha256(b"".join((*content_types, b"\n", body))).digest()


def _make_answer(state: CatalogState, key: bytes, query: CatalogQuery) -> Answer:
    # The back end of the existing management page asks for metadata, and for gzip; it passes the decompressed body on
    # with the length of the compressed one, so that its page never loads.
    is_compressible = not query.include_metadata
    answer = Answer(build_answer(state.picture, query), state.picture.feature_order, is_compressible=is_compressible)
    state.cache.put(key, query, answer)
    return answer


def make_reply(state: CatalogState, answer: Answer, preferences: ResponsePreferences) -> Reply | None:
    """Return the reply if the answer exists in the requested encoding."""
    tag = answer.find_known_tag(preferences.none_match, preferences.encoding) if preferences.none_match else None
    if tag is not None:
        return Reply(304, [(b"etag", tag), *answer.shared_headers, _tell_revision(state.picture.revision)], b"")
    form: Representation | None = answer.find(preferences.encoding)
    if form is None:
        return None
    return Reply(200, [*form.headers, *answer.shared_headers, _tell_revision(state.picture.revision)], form.body)


@lru_cache(maxsize=4)
def _tell_revision(revision: int) -> HeaderField:
    # Nearly all replies have the same revision.
    return REVISION_HEADER.lower().encode(), str(revision).encode()
