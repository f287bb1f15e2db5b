"""The conversation with a Heksher service, without I/O: what to ask, what an answer means, what a failure leaves.

Theory
------
An update is declared settings, then one query. It is prepared without touching anything a reader sees, and published at
the end (``publish``), under whatever locks the client has; an update that fails publishes nothing. Three rules make it
safe to repeat for ever:

* The ETag moves only together with the data: it is stored when an update is published, for the very query it answered,
  and only if every value was accepted. Otherwise the next answer is a full one, and is tried again.
* Settings are independent. A declaration that fails is tried again on a schedule of its own, and is no failure of the
  update; an answer that makes no sense for one setting leaves that setting as it was.
* The service's names are the service's: a query is answered by canonical names, and what a setting was declared as may
  have become an alias since.

A problem is logged when it appears or changes, not each time that it is met again.

Source: docs/reference/compatibility.md; known faults 1, 2, 4 to 8 and 16.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from heksher import wire
from heksher.backoff import draw
from heksher.clients.conversation.conversion import convert_setting
from heksher.clients.conversation.declaration_protocol import DeclarationProtocol, Waiting, do_nothing
from heksher.clients.conversation.exchange import Flow, Request, Response
from heksher.clients.conversation.query_protocol import Query, QueryProtocol, SentQuery, format_tracked
from heksher.clients.conversation.registration import Registration
from heksher.clients.conversation.response_reader import (
    QueriedSetting,
    announced_features,
    expect,
    is_same_answer,
    read_object,
    read_queried_setting,
    read_query,
    read_revision,
)
from heksher.clients.conversation.saved_state import SavedState
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.update import AnsweredQuery, Renewal, Replacement, Update
from heksher.clients.reporting.status import SettingStatus, combine_statuses
from heksher.context import ClientContext
from heksher.evaluation import CompiledEvaluation
from heksher.exceptions import InvalidResponseError
from heksher.revision_id import RevisionId
from heksher.setting import Setting
from heksher.value_type import JSON

logger: logging.Logger = logging.getLogger(__name__)

_NOT_MODIFIED = 304


class Session:
    """One client's side of the conversation. Its flows must not run at the same time; ``register`` may at any time.

    Args:
        context: the client's features, defaults and tracked values.
        base_url: the service's URL.

    Attributes:
        declarations: how settings are declared.
        tell_defaults: called before the query, on the thread that runs the flow, when answers to declarations have said
            defaults that ``publish_defaults`` makes visible.
        revision: the service's revision of the published data; ``None`` if it does not tell.
        query: what the published data answers; ``None`` before there is any.
    """

    def __init__(self, context: ClientContext, base_url: str = "") -> None:
        self._context = context
        self._protocol = QueryProtocol(base_url)
        self.declarations: DeclarationProtocol = DeclarationProtocol(self._protocol)
        self.tell_defaults: Callable[[], object] = do_nothing
        # Settings come and go in any thread. A dictionary's single operations, and list() of it, are atomic.
        self._registrations: dict[int, Registration] = {}
        # The service's order, None before it is known.
        self._feature_order: tuple[str, ...] | None = None
        # Whether the answer before this one came with the order, of a service that has to be asked for it.
        self._is_order_fresh = False
        # The tag of the published data, and the query that it belongs to.
        self._etag: tuple[Query, str] | None = None
        self.revision: RevisionId | None = None
        self.query: Query | None = None

    def register(self, setting: Setting[Any]) -> None:
        """Add a setting: it will be declared and followed as long as it lives."""
        registrations, key = self._registrations, id(setting)
        registrations[key] = Registration(setting, lambda _: registrations.pop(key, None))

    def release(self) -> None:
        """Forget all settings; they keep what they have."""
        self._registrations = {}

    def settings(self) -> list[Setting[Any]]:
        """List the settings that are alive."""
        return [setting for _, setting in self._live()]

    def has_undeclared(self) -> bool:
        """Return whether a setting waits to be declared for the first time."""
        return any(not (registration.is_declared or registration.retry.is_failed) for registration, _ in self._live())

    def plan_declarations(self, now_s: float) -> float:
        """Plan when declarations that failed are tried again; return the moment of the first, infinity without any."""
        share = draw(0, 1)
        waiting = self._list_waiting(math.inf)
        for registration, _ in waiting:
            registration.retry.plan(now_s, share)
        return min((registration.retry.due_s for registration, _ in waiting), default=math.inf)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the service announced last."""
        return self._protocol.capabilities

    @property
    def token_expires_at(self) -> datetime | None:
        """When the client's token expires, in UTC, as far as the service has said so."""
        return self._protocol.token_expiry.at

    def require_revision(self, revision: RevisionId) -> None:
        """Have the next updates be of this revision, or a later one. May be called from any thread."""
        self._protocol.require_revision(revision)

    def recompile(self) -> None:
        """Have all settings follow defaults and tracked values that have changed."""
        for _, setting in self._live():
            setting._recompile()

    def make_stream_request(self, query: Query) -> Request:
        """Return the request for the changes of what a query answers, since what was published."""
        # A compressing proxy would buffer events.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self.revision is not None:
            headers["Last-Event-ID"] = str(self.revision)
        return self._protocol.write(query, wire.STREAM_PATH, headers)

    # ---- flows

    def update(self, now_s: float = math.inf) -> Flow[Update]:
        """Declare what is to be declared, then ask for all rules.

        Args:
            now_s: declarations that failed are tried again if they are due by then; infinity for all of them.

        Raises (from the flow):
            ServiceError: there is no usable answer to the query. A declaration that fails is told by ``statuses``.
        """
        if self._feature_order is None:
            yield from self._compare_features()
        yield from self.declarations.declare(self._list_waiting(now_s))
        if any(registration.told is not None for registration, _ in self._live()):
            self.tell_defaults()
        answer = yield from self._query()
        # Before anything is compiled: both may be changed meanwhile.
        compiled_for, etag = self._context.state, self._etag
        renewals: tuple[Renewal, ...] = ()
        if answer.response.status != _NOT_MODIFIED:
            query_answer = read_query(answer.sent.request, answer.response)
            names = yield from self._protocol.resolve_names(answer.sent.query, query_answer)
            renewals, is_complete = self._convert(query_answer.settings, names, answer.feature_order)
            etag = answer.etag if is_complete else None
        return Update(
            sent=answer.sent,
            revision=read_revision(answer.response),
            etag=etag,
            feature_order=answer.feature_order,
            compiled_for=compiled_for,
            renewals=renewals,
        )

    def publish(self, update: Update) -> list[Replacement]:
        """Make an update visible: one assignment for each setting, the ETag with them; return what that replaced."""
        # Defaults and tracked values may have been changed while the update was in flight.
        is_current = update.compiled_for == self._context.state
        replacements = []
        for registration, compiled, answer, is_accepted in update.renewals:
            setting = registration.setting()
            if setting is not None and self._registrations.get(id(setting)) is registration:
                replacements.append(_switch(setting, compiled if is_current else compiled.evaluation.compile()))
                registration.receive(answer, is_accepted=is_accepted)
        self._feature_order = update.feature_order
        self._etag = update.etag
        self.revision = update.revision
        self.query = update.sent.query
        self._protocol.confirm_revision(update.revision)
        return replacements

    def restore(self, state: SavedState) -> list[Replacement]:
        """Have settings without values from the service answer what was saved; return what that replaced."""
        order = state.feature_order or self._context.features
        replacements = []
        for registration, setting in self._live():
            saved = state.settings.get(setting.name) or state.settings.get(setting.alias or "")
            if saved is not None and not (registration.is_received or registration.is_restored):
                replacements.append(self._answer_for_now(registration, setting, saved, order))
                registration.is_restored = True
        return replacements

    def publish_defaults(self) -> list[Replacement]:
        """Have settings that have nothing else yet answer the defaults that the service told when they were declared.

        Returns:
            What that replaced.
        """
        replacements = []
        for registration, setting in self._live():
            told, registration.told = registration.told, None
            if told is not None and not (registration.is_received or registration.is_restored):
                replacements.append(self._answer_for_now(registration, setting, told, self._context.features))
        return replacements

    def _answer_for_now(
        self, registration: Registration, setting: Setting[Any], said: QueriedSetting, order: tuple[str, ...]
    ) -> Replacement:
        """Have a setting answer something until the service answers a query."""
        converted = convert_setting(setting, said, order, self._context)
        registration.log_values(converted.remarks)
        return _switch(setting, converted.evaluation.compile())

    def save(self, service: str, now: datetime) -> SavedState:
        """Return what the service said last of all settings, to be kept."""
        answers = {
            registration.name: registration.last_answer
            for registration, _ in self._live()
            if registration.last_answer is not None
        }
        order = self._feature_order or self._context.features
        return SavedState(now, service, self.context_filters(), order, self.revision and self.revision.number, answers)

    def context_filters(self) -> str:
        """Return the tracked values, as a query says them."""
        return format_tracked(self._context.tracked)

    def statuses(self) -> dict[str, SettingStatus]:
        """Return what is known of each setting, by name."""
        return combine_statuses((registration.name, registration.status) for registration, _ in self._live())

    def ping(self) -> Flow[None]:
        """Raise a ServiceError (from the flow) unless the service is healthy."""
        request = Request("GET", wire.HEALTH_PATH)
        response = expect(request, (yield (request,))[0])
        # A proxy's page with status 200 does not mean that the service is well.
        if response.body:
            read_object(request, response)

    def get_settings(self) -> Flow[dict[str, SettingData]]:
        """Ask for all settings that the service has."""
        return (yield from self._protocol.ask_settings())

    # ---- context features

    def _compare_features(self) -> Flow[None]:
        features = yield from self._protocol.ask_features()
        if features != self._context.features:
            logger.warning(
                "context feature mismatch: the service has %s, this client %s; the order of the service decides",
                list(features),
                list(self._context.features),
                extra={
                    "service_context_features": features,
                    "client_context_features": self._context.features,
                    # As the existing client names them.
                    "features_in_service": features,
                    "features_in_client": self._context.features,
                },
            )
        self._feature_order = features

    # ---- query

    def _query(self) -> Flow[AnsweredQuery]:
        # A setting that is new here has nothing yet that "not modified" could refer to, though its name may be old.
        is_known = all(registration.is_received for registration, _ in self._followed())
        answer = yield from self._ask_query(self._etag if is_known else None)
        order = answer.feature_order
        if answer.response.status == _NOT_MODIFIED and order != self._feature_order:
            # The rules are the same, but not what they mean: the ETag of a service that does not announce its feature
            # order does not depend on it.
            answer = yield from self._ask_query(None, answer)
        if self._feature_order not in {None, order}:
            logger.info("the service's context features are now %s, until now they were %s", order, self._feature_order)
        return answer

    def _ask_query(self, etag: tuple[Query, str] | None, former: AnsweredQuery | None = None) -> Flow[AnsweredQuery]:
        """Ask; where the service has lost settings, declare them and ask again.

        Args:
            etag: as for ``QueryProtocol.ask``.
            former: the answer to the query before, in the same update, if there was one: its feature order holds.
        """
        sent = yield from self._ask(etag)
        if self._protocol.lacks_settings(sent):
            yield from self._declare_unknown()
            sent = yield from self._ask(None)
        response = sent.expect()
        self._protocol.note(response)
        order = announced_features(response) if former is None else former.feature_order
        if order is None:
            order = yield from self._ask_order(response)
        return AnsweredQuery(sent, response, order)

    def _ask_order(self, response: Response) -> Flow[tuple[str, ...]]:
        """Ask for the feature order that an answer does not announce (known fault 21).

        With each new answer; with each second "not modified" only, so that an idle client costs an existing service
        three requests in two intervals.
        """
        known = self._feature_order
        if response.status == _NOT_MODIFIED and self._is_order_fresh and known is not None:
            self._is_order_fresh = False
            return known
        order = yield from self._protocol.ask_features()
        self._is_order_fresh = True
        return order

    def _ask(self, etag: tuple[Query, str] | None) -> Flow[SentQuery]:
        names = sorted({registration.known_as for registration, _ in self._followed()})
        return self._protocol.ask(names, self._context.tracked, etag)

    def _declare_unknown(self) -> Flow[None]:
        """Declare again what the service lost (known fault 4): one unknown name makes it refuse the whole query.

        A setting whose renaming the service refused is there still, under its earlier name.
        """
        names = yield from self._protocol.ask_names()
        lost = []
        for registration, setting in self._followed():
            if setting.alias in names and setting.name not in names:
                registration.known_as = setting.alias
                continue
            registration.known_as = setting.name
            if setting.name not in names:
                logger.warning("setting %s is gone from the service; declaring it again", setting.name)
                registration.lose()
                lost.append((registration, setting))
        yield from self.declarations.declare(lost)

    def _convert(
        self, answers: Mapping[str, JSON], names: Mapping[str, str], order: tuple[str, ...]
    ) -> tuple[tuple[Renewal, ...], bool]:
        """Convert what has changed; return that, and whether everything was accepted."""
        renewals, is_complete = [], True
        for registration, setting in self._followed():
            answer = answers.get(names.get(registration.known_as, registration.known_as))
            try:
                queried = read_queried_setting(answer, registration.accepted_answer)
                if order == self._feature_order and is_same_answer(queried, registration.accepted_answer):
                    continue
                converted = convert_setting(setting, queried, order, self._context)
            except InvalidResponseError as error:
                registration.log_unreceived(answer, error)
                is_complete = False
                continue
            registration.log_values(converted.remarks)
            renewals.append(Renewal(registration, converted.evaluation.compile(), queried, converted.is_complete))
            is_complete &= converted.is_complete
        return tuple(renewals), is_complete

    def _list_waiting(self, now_s: float) -> list[Waiting]:
        """List what is to be declared, as far as that is due."""
        return [
            (registration, setting)
            for registration, setting in self._live()
            if not registration.is_declared and registration.retry.due_s <= now_s
        ]

    def _followed(self) -> Iterator[tuple[Registration, Setting[Any]]]:
        return ((registration, setting) for registration, setting in self._live() if registration.is_followed)

    def _live(self) -> Iterator[tuple[Registration, Setting[Any]]]:
        for registration in list(self._registrations.values()):
            setting = registration.setting()
            if setting is not None:
                yield registration, setting


def _switch(setting: Setting[Any], compiled: CompiledEvaluation[Any]) -> Replacement:
    before = setting._evaluation
    setting._switch_to(compiled)
    return Replacement(setting, before, setting._evaluation)
