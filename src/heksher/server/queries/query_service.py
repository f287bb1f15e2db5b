"""Answers queries: from the catalog's cache, or by computing each answer once.

A query is identified by its *key*, which is how it was sent: the query string, or a digest of the body. A query whose
key is in the cache needs no parsing, no thread and no database (known fault 42).
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from heksher.revision_id import REVISION_ID_PATTERN, RevisionId, parse_revision_id
from heksher.server.catalog.answer import Answer, Encoding, HeaderField, Representation, choose_encoding
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.query import CatalogQuery, build_answer, find_settings
from heksher.server.errors import NotFoundError
from heksher.server.metrics import Metrics
from heksher.server.queries.workshop import MAX_BYTES_ON_EVENT_LOOP, Workshop
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.usage.client_fields import UNKNOWN_CLIENT, ClientFields, read_client_fields
from heksher.server.usage.use_counter import UseCounter
from heksher.wire import MIN_REVISION_HEADER

T = TypeVar("T")

# Processing this many rules takes about a millisecond; more would block the event loop for everyone.
_MAX_RULES_ON_EVENT_LOOP: Final = 2_000
# Clients send few different values of Accept-Encoding, all of them short; the bounds keep made-up values from filling
# the memory.
_MAX_KNOWN_ENCODINGS: Final = 64
_MAX_KNOWN_ENCODING_BYTES: Final = 128

_MIN_REVISION: Final = MIN_REVISION_HEADER.lower().encode()
_DEMANDS: Final = re.compile(rf"{REVISION_ID_PATTERN}(?:[ \t]*,[ \t]*{REVISION_ID_PATTERN})*".encode())
# No query string begins with this.
_BODY_KEY: Final = b"\0"


class ResponsePreferences(NamedTuple):
    """How the client wants the answer.

    Attributes:
        none_match: the entity tags that the client has, as sent.
        encoding: the compression.
        min_revision: the revision that the answer must have, as sent; ``None`` if any will do.
        client: who it says it is.
    """

    none_match: bytes
    encoding: Encoding
    min_revision: bytes | None
    client: ClientFields = UNKNOWN_CLIENT

    def is_valid(self) -> bool:
        """Return whether the demanded revision is missing or well-formed."""
        return self.min_revision is None or parse_revision_id(self.min_revision) is not None

    def is_met_by(self, state: CatalogState) -> bool:
        """Return whether a state has the demanded revision; none meets a malformed demand."""
        if self.min_revision is None or self.min_revision in state.own_ids:
            return True
        demanded = parse_revision_id(self.min_revision)
        return demanded is not None and state.has(demanded)


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
        uses: is told who asks for what.
    """

    def __init__(
        self, catalog: Catalog, availability: Availability, metrics: Metrics, workshop: Workshop, uses: UseCounter
    ) -> None:
        self._catalog = catalog
        self._availability = availability
        self._metrics = metrics
        self._workshop = workshop
        self._uses = uses
        self._known_encodings: dict[bytes, Encoding] = {}
        # The answers being computed, by key, so that no answer is computed twice at once.
        self._in_the_making: dict[tuple[RevisionId, bytes], asyncio.Task[Answer]] = {}

    def read_preferences(self, fields: Mapping[bytes, bytes]) -> ResponsePreferences:
        """Return how the client wants the answer.

        Args:
            fields: the header fields by name, in lower case.
        """
        accepted = fields.get(b"accept-encoding")
        return ResponsePreferences(
            fields.get(b"if-none-match", b""),
            "" if accepted is None else self._read_encoding(accepted),
            read_demand(fields),
            read_client_fields(fields) if self._uses.is_counting else UNKNOWN_CLIENT,
        )

    def find_reply(self, key: bytes, preferences: ResponsePreferences) -> Reply | None:
        """Return the reply to a query if it is in memory."""
        state = self._catalog.state
        slot = None if state is None else state.cache.get(key)
        if state is None or slot is None or not preferences.is_met_by(state):
            return None
        slot.is_used = True
        reply = make_reply(state, slot.answer, preferences)
        if reply is not None:
            self._metrics.count_hit()
            self._uses.note(key, slot.query.names, preferences.client, state.picture.revision)
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
        self._uses.note(key, query.names, preferences.client, state.picture.revision)
        return reply

    async def check(self, query: CatalogQuery, preferences: ResponsePreferences) -> None:
        """Check that a query can be answered, without computing the answer.

        Raises:
            NotFoundError: the query names settings that do not exist.
            StorageUnavailableError: the answer needs the database, which cannot be reached.
        """
        at_least = parse_revision_id(preferences.min_revision or b"")

        async def find(state: CatalogState) -> None:
            find_settings(state.picture, query)

        await self.ask(find, at_least)

    async def ask(self, work: Callable[[CatalogState], Awaitable[T]], at_least: RevisionId | None = None) -> T:
        """Do some work with what the catalog holds, and once more after a look at the database if it misses something.

        Args:
            work: is given the state of the catalog. Raises NotFoundError for what it does not find there.
            at_least: the revision that the state must have; ``None`` if any will do. One that even the database lacks
                was lost: then the work is done with what there is.

        Raises:
            NotFoundError: what the work asks for does not exist.
            StorageUnavailableError: the database is needed, and cannot be reached.
        """
        state = self._catalog.state
        if state is None or not (at_least is None or state.has(at_least)):
            state = await self._refresh(at_least or RevisionId(0))
        try:
            return await work(state)
        except NotFoundError:
            # Another process may have added it a moment ago.
            return await work(await self._refresh())

    async def look_for(self, revision: RevisionId | None) -> None:
        """Look at the database if a revision that a client was told of is not here: this process may be behind.

        While the database cannot be reached, what is here has to do.

        Args:
            revision: what the client was told; ``None`` for nothing.
        """
        state = self._catalog.state
        if revision is not None and (state is None or not state.has(revision)):
            with suppress(StorageUnavailableError):
                await self._refresh(revision)

    async def _find_state(self, preferences: ResponsePreferences) -> CatalogState:
        state = self._catalog.state
        if state is not None and preferences.is_met_by(state):
            return state
        # A revision that even the database lacks was lost: the answer is what there is.
        return await self._refresh(parse_revision_id(preferences.min_revision or b"") or RevisionId(0))

    async def _refresh(self, at_least: RevisionId | None = None) -> CatalogState:
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
        flight = (state.picture.revision_id, key)
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


def read_demand(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the revision that the answer must have, as sent; ``None`` if any will do.

    Of several the last one counts; if one of them is malformed, all are returned, which is malformed as well.

    Args:
        fields: the header fields by name, in lower case.
    """
    sent = fields.get(_MIN_REVISION)
    return sent if sent is None or not _DEMANDS.fullmatch(sent) else sent.rpartition(b",")[2].strip()


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
        return Reply(304, [(b"etag", tag), *answer.shared_headers, *state.headers], b"")
    form: Representation | None = answer.find(preferences.encoding)
    if form is None:
        return None
    return Reply(200, [*form.headers, *answer.shared_headers, *state.headers], form.body)
