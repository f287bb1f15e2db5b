"""How a service is asked for rules, in as few words and requests as it is known to understand.

The contract with every service is one URL that names all settings. What goes beyond that (a body in place of a long
URL, aliases in the answer, any text as a tracked value) a service announces in its answers, and only then is it used. A
service may be replaced by an older one at any time, so its last answer counts, and it may refuse what it no longer
understands.

A service that does not take any text has no rules with such values, so nothing is lost by not asking it for them.

A service that tells its revision is asked for an answer of at least the revision that this client has seen or heard of,
because the next answer may come from another replica. One that tells the stamps of revisions is asked for these very
changes: a replica may not know yet that the database has lost what has the same number. Where one tells of a revision
that is not above what this client has, that may have been lost, or the replica may be behind: then any replica is asked
to look at the database.

Source: docs/adr/0010-answers-from-memory.md; known faults 5 and 43.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from heksher import wire
from heksher.backoff import FailureRow
from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.conversation.response_reader import (
    QueryAnswer,
    expect,
    read_capabilities,
    read_features,
    read_object,
    read_query,
    read_setting_names,
    read_settings,
)
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.token_expiry import TokenExpiry
from heksher.context_value import is_plain_value
from heksher.exceptions import ServiceError
from heksher.revision_id import MAX_REVISION_DIGITS, RevisionId
from heksher.value_type import JSON
from heksher.wire import FeatureFilter

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

# Servers and proxies refuse what is longer than their limit. Most have one of 8 KiB, for the first line of a request or
# for the whole head; half of that leaves room for the rest.
MAX_URL_BYTES: Final = 4096

# A service that takes no body has to take a URL that is longer, up to what the HTTP libraries send at most (64 KiB).
# What would not fit in there, and more names than our service takes, are a question for all settings.
MAX_NAMING_URL_BYTES: Final = 60_000

# How many requests of one kind are sent side by side to a service that announces what it can do: enough that hundreds
# take few round trips, few enough that a fleet that starts does not overrun it. The existing service announces nothing,
# and has a pool of so few connections that sixteen requests of three clients each run it dry (known fault 39).
MAX_SIDE_BY_SIDE: Final = 16

# No service has so many changes: one that is asked for this looks at its database, and answers what that has.
_LOOK: Final = RevisionId(10**MAX_REVISION_DIGITS - 1)

# How many values one log message names.
_MAX_NAMED_VALUES: Final = 10

_OK: Final = 200
_NOT_FOUND: Final = 404
_UNPROCESSABLE: Final = 422
# What a service may answer that does not know the method, the body or the parameter that it is sent.
_MISUNDERSTOOD: Final = frozenset({400, 404, 405, 415, 422, 501})


class Query(NamedTuple):
    """A question for rules. Equal ones have answers whose ETags can be compared.

    Attributes:
        names: the settings that are asked for, as the client knows them.
        tracked: the filters for context features; ``None`` for every rule.
        has_aliases: whether the answer is to say which of the names are aliases.
        is_for_all: whether all settings of the service are asked for, because the names are too many.
    """

    names: tuple[str, ...]
    tracked: Mapping[str, FeatureFilter] | None
    has_aliases: bool
    is_for_all: bool = False

    @property
    def params(self) -> dict[str, str]:
        """The question as the parameters of a URL."""
        names = {} if self.is_for_all else {"settings": ",".join(self.names)}
        aliases = {"include_aliases": "true"} if self.has_aliases else {}
        filters = format_tracked(self.tracked)
        return {**names, "context_filters": filters, "include_metadata": "false", **aliases}

    @property
    def body(self) -> JSON:
        """The question as a JSON object."""
        aliases = {"include_aliases": True} if self.has_aliases else {}
        filters: JSON = "*"
        if self.tracked is not None:
            filters = {name: "*" if values is None else sorted(values) for name, values in sorted(self.tracked.items())}
        names: dict[str, JSON] = {} if self.is_for_all else {"settings": list(self.names)}
        return {**names, "context_filters": filters, "include_metadata": False, **aliases}

    @property
    def has_other_than_plain_values(self) -> bool:
        """Whether a filter lists a value that only a service with ``any-values`` takes."""
        listed = filter(None, (self.tracked or {}).values())
        return not all(is_plain_value(value) for values in listed for value in values)


class SentQuery(NamedTuple):
    """A query that was sent, and what became of it.

    Attributes:
        request: how it was sent.
        demand: the revision that the answer had to have; ``None`` if any would do.
    """

    query: Query
    request: Request
    outcome: Outcome
    demand: RevisionId | None

    def expect(self) -> Response:
        """Return the response, or raise the error for what came in its place."""
        # "Not modified" is an answer only to a request that named a tag.
        statuses = (200, 304) if "If-None-Match" in self.request.headers else (200,)
        return expect(self.request, self.outcome, *statuses)


class QueryProtocol:
    """How one service is asked. Flows must not run at the same time; ``require_revision`` may be called at any time.

    Args:
        base_url: the service's URL: its length is part of the length of a request's URL.

    Attributes:
        capabilities: what the service announced last.
        token_expiry: when the client's token expires.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self.capabilities: frozenset[str] = frozenset()
        self.token_expiry: TokenExpiry = TokenExpiry()
        # The tracked values that the service was not asked for, by feature, when that was logged last.
        self._left_out: Mapping[str, frozenset[str]] = {}
        # The revision that the next answer must have; None if any will do.
        self._demand: RevisionId | None = None
        # What was required since the last query was sent; None if nothing was.
        self._told: RevisionId | None = None
        # Of the request for the context features.
        self._feature_failures = FailureRow()

    def require_revision(self, revision: RevisionId | None) -> None:
        """Have the next answers be of this revision, or a later one; ``None`` requires nothing."""
        if revision is not None:
            self._told = _combine(self._told, revision)
            self._demand = _combine(self._demand, revision)

    def demand(self) -> dict[str, str]:
        """Return the header that demands the required revision; empty if nothing is required."""
        return {} if self._demand is None else {wire.MIN_REVISION_HEADER: str(self._demand)}

    def confirm_revision(self, revision: RevisionId | None) -> None:
        """Note that the answer to the last query was published.

        From now on its revision is required, even if that is lower than what the query required: a service that was
        restored from a backup goes on from an earlier one. What was required since the query was sent still is, and is
        newer: the answer may be one of a process that does not know it yet.

        Args:
            revision: that of the answer; ``None`` if the service does not tell.
        """
        self._demand = revision if self._told is None else _combine(revision, self._told)

    def write(self, query: Query, path: str, headers: Mapping[str, str]) -> Request:
        """Write a query as a request.

        It has a body if the service takes one, and the URL would be too long or would have to quote values.

        Args:
            query: the question.
            path: where to.
            headers: to be sent in any case.
        """
        headers = {**headers, **self.demand()}
        if self._demand is not None and path != wire.QUERY_PATH:
            # A stream is opened with the identifier of what was published, and an older service refuses stamps here.
            headers[wire.MIN_REVISION_HEADER] = str(self._demand.number)
        if self._takes_body() and (query.has_other_than_plain_values or self._measure_url(path, query) > MAX_URL_BYTES):
            return Request("POST", path, headers=headers, body=query.body)
        return Request("GET", path, query.params, headers)

    def divide(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Divide what takes a request each into portions that may be sent side by side."""
        size = MAX_SIDE_BY_SIDE if self.capabilities else 1
        for begin in range(0, len(items), size):
            yield items[begin : begin + size]

    # ---- flows

    def send(self, requests: Iterable[Request]) -> Flow[list[Outcome]]:
        """Send requests, as many side by side as the service can stand; return their outcomes in the same order."""
        outcomes: list[Outcome] = []
        for portion in self.divide(tuple(requests)):
            outcomes.extend((yield tuple(portion)))
        return outcomes

    def ask_settings(self) -> Flow[dict[str, SettingData]]:
        """Ask for all settings that the service has."""
        request = _make_settings_request()
        return read_settings(request, expect(request, (yield (request,))[0]))

    def ask_names(self) -> Flow[frozenset[str]]:
        """Ask for the names and aliases of all settings that the service has."""
        request = _make_settings_request()
        return read_setting_names(request, expect(request, (yield (request,))[0]))

    def ask_features(self) -> Flow[tuple[str, ...]]:
        """Ask for the context features, in their order."""
        request = Request("GET", wire.CONTEXT_FEATURES_PATH)
        (outcome,) = yield (request,)
        try:
            response = expect(request, outcome)
            features = read_features(request, response)
        except ServiceError as error:
            level = self._feature_failures.fail(logging.ERROR)
            text = "failure to get context_features from heksher service: %s"
            logger.log(level, text, error, extra={"service_url": self._base_url})
            raise
        self._feature_failures.end()
        self.note(response)
        return features

    def ask(
        self, names: Sequence[str], tracked: Mapping[str, FeatureFilter] | None, etag: tuple[Query, str] | None
    ) -> Flow[SentQuery]:
        """Ask for the rules of settings.

        Args:
            names: of the settings.
            tracked: as for ``Query``.
            etag: of an answer that is known, and the query that it belongs to; ``None`` to be given a full answer.
        """
        sent = yield from self._send(names, tracked, etag)
        if self._demand is not None and _is_stamp_refused(sent):
            self._demand = RevisionId(self._demand.number)
            sent = yield from self._send(names, tracked, etag)
        announced = self.capabilities
        if announced and isinstance(sent.outcome, Response) and sent.outcome.status in _MISUNDERSTOOD:
            # An older service may have taken the place of the one that announced them.
            yield from self.ask_features()
            if self.capabilities != announced:
                sent = yield from self._send(names, tracked, etag)
        return sent

    def note(self, response: Response) -> None:
        """Note what an answer announces."""
        self.capabilities = read_capabilities(response)
        self.token_expiry.note(response)

    def lacks_settings(self, sent: SentQuery) -> bool:
        """Return whether the service has not all settings that a query is for.

        It says so by a 404 where they were named. An answer for all settings just leaves them out.
        """
        if not isinstance(sent.outcome, Response) or sent.outcome.status != _OK or not sent.query.is_for_all:
            return isinstance(sent.outcome, Response) and sent.outcome.status == _NOT_FOUND
        answer = read_query(sent.request, sent.outcome)
        return not answer.settings.keys() | answer.aliases.keys() >= set(sent.query.names)

    def resolve_names(self, query: Query, answer: QueryAnswer) -> Flow[dict[str, str]]:
        """Find the canonical names of the settings that were answered under another name (known fault 5).

        Args:
            query: as it was asked: settings may be gone since, and what was answered for them is not to be taken for
                another's.
            answer: what the service said.
        """
        sent = set(query.names)
        names = {name: name for name in sent.intersection(answer.settings)}
        names.update((name, answer.aliases[name]) for name in sent.difference(names).intersection(answer.aliases))
        renamed = sorted(sent.difference(names))
        unexplained = set(answer.settings).difference(names.values())
        if len(renamed) == 1 and len(unexplained) == 1 and not query.is_for_all:
            names[renamed[0]] = unexplained.pop()
        else:
            names.update((yield from self._ask_canonical_names(renamed)))
        return names

    def _send(
        self, names: Sequence[str], tracked: Mapping[str, FeatureFilter] | None, etag: tuple[Query, str] | None
    ) -> Flow[SentQuery]:
        query = Query(tuple(names), self._leave_out(tracked), wire.ALIASES_CAPABILITY in self.capabilities)
        if self._names_too_many(query):
            query = query._replace(is_for_all=True)
        headers = {"If-None-Match": etag[1]} if etag is not None and etag[0] == query else {}
        # In this order: what is required in between counts for both.
        self._told = None
        demand = self._demand
        request = self.write(query, wire.QUERY_PATH, headers)
        return SentQuery(query, request, (yield (request,))[0], demand)

    def _takes_body(self) -> bool:
        return wire.POST_QUERY_CAPABILITY in self.capabilities

    def _names_too_many(self, query: Query) -> bool:
        if len(query.names) > wire.MAX_QUERY_SETTINGS:
            return True
        return not self._takes_body() and self._measure_url(wire.QUERY_PATH, query) > MAX_NAMING_URL_BYTES

    def _measure_url(self, path: str, query: Query) -> int:
        # Not before it is needed: the HTTP library has it loaded by then.
        from urllib.parse import urlencode  # noqa: PLC0415 - see above

        return len(f"{self._base_url}{path}?{urlencode(query.params)}")

    def _leave_out(self, tracked: Mapping[str, FeatureFilter] | None) -> Mapping[str, FeatureFilter] | None:
        """Return the tracked values without those that the service does not take; say so when there are others."""
        if tracked is None or wire.ANY_VALUES_CAPABILITY in self.capabilities:
            self._left_out = {}
            return tracked
        kept = {
            feature: None if values is None else frozenset(filter(is_plain_value, values))
            for feature, values in tracked.items()
        }
        left_out = {
            feature: values - (kept[feature] or frozenset())
            for feature, values in tracked.items()
            if values is not None and values != kept[feature]
        }
        if left_out and left_out != self._left_out:
            _warn_of_left_out(left_out)
        self._left_out = left_out
        # A filter that lists nothing is malformed, and one that is not there says the same.
        return {feature: values for feature, values in kept.items() if values is None or values}

    def _ask_canonical_names(self, renamed: Sequence[str]) -> Flow[dict[str, str]]:
        requests = tuple(Request("GET", wire.setting_path(name)) for name in renamed)
        outcomes = yield from self.send(requests)
        names = {}
        for name, request, outcome in zip(renamed, requests, outcomes, strict=True):
            try:
                names[name] = str(read_object(request, expect(request, outcome)).get("name"))
            except ServiceError as error:
                logger.info("the name that setting %s has on the service is not known: %s", name, error)
        return names


def _make_settings_request() -> Request:
    return Request("GET", wire.SETTINGS_PATH, {"include_additional_data": "true"})


def _combine(demand: RevisionId | None, told: RevisionId) -> RevisionId:
    """Return what is to be demanded when a service tells of a revision while another one, or none, is demanded."""
    if demand is None or told.number > demand.number:
        return told
    if told.may_be(demand):
        return told if told.stamp else demand
    # Without a stamp, a lower number says nothing new.
    return _LOOK if told.stamp else demand


def _is_stamp_refused(sent: SentQuery) -> bool:
    """Return whether an older service may have refused a query because it does not know stamps."""
    is_refused = isinstance(sent.outcome, Response) and sent.outcome.status == _UNPROCESSABLE
    return is_refused and sent.demand is not None and bool(sent.demand.stamp)


def _warn_of_left_out(left_out: Mapping[str, frozenset[str]]) -> None:
    values = sorted(f"{feature}={value!r}" for feature, listed in left_out.items() for value in listed)
    more = f" and {len(values) - _MAX_NAMED_VALUES} more" if len(values) > _MAX_NAMED_VALUES else ""
    logger.warning(
        "tracked values are unknown to the service, which takes only A-Z, a-z, 0-9 and _ in a value (it does not"
        " announce any-values): %s%s; none of its rules can have them, and everything else is tracked",
        ", ".join(values[:_MAX_NAMED_VALUES]),
        more,
        extra={"context_features": sorted(left_out)},
    )


def format_tracked(tracked: Mapping[str, FeatureFilter] | None) -> str:
    """Return tracked values as the URL of a query says them."""
    return "*" if tracked is None else wire.format_context_filters(tracked)
