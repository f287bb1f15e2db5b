"""How settings are declared to one service, and what its answers mean for each of them.

Theory
------
A setting's trouble is its own. A declaration that the service refuses, or that fails, is said in the log and in the
setting's status, and tried again on a schedule of its own (``declaration_retry``); it fails no update. The service may
have the setting all the same, as other programs declare it, or did: then it is followed like any other.

A service that announces it takes many declarations in one request. What fails as a whole then is the trouble of all of
them, though perhaps the fault of one, so those are tried again in smaller groups, and alone in the end.

A service may answer from memory, and its other processes may be ahead of that; so it is asked for the revision that
this client has seen already.

Only credentials that the service does not accept (401) are nobody's own trouble: they fail whatever is asked, so they
fail the update.

Source: docs/reference/compatibility.md, *Declare*; known faults 3, 4 and 24.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from heksher import wire
from heksher.clients.conversation.declaration_remark import CONFLICT, describe_failed_declaration, read_declaration
from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.conversation.query_protocol import QueryProtocol
from heksher.clients.conversation.registration import Registration
from heksher.clients.conversation.response_reader import expect, read_answers, read_revision
from heksher.clients.conversation.schedule import MAX_RETRY_AFTER_S
from heksher.exceptions import ServiceError, StatusError, TransportError
from heksher.setting import Setting

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_IMPLEMENTED: Final = 501
# What is over soon, though its status says that the request was at fault.
_PASSING: Final = frozenset({408, 425, 429})

# After so many requests in a row that got no answer, the service counts as away: the query that follows says what there
# is to say, and the other settings are declared with the next update, at once if that query is answered.
_MAX_UNANSWERED: Final = 3

# How long a request may be that declares several settings: a quarter of what the service reads by default.
MAX_GROUP_BYTES: Final = 2**20

# Each failure of several declarations together has each of them declared with an eighth of as many.
_NARROWING_BITS: Final = 3

# So many settings are looked for by their names; of more, the list of all settings says which of them there are.
_MAX_LOOKED_FOR: Final = 16


Waiting: TypeAlias = tuple[Registration, Setting[Any]]


class _Declaration(NamedTuple):
    """A declaration that is to be sent. It keeps its setting alive.

    Attributes:
        waiting: what is declared.
        request: what says it alone.
        size_bytes: how long its body is.
    """

    waiting: Waiting
    request: Request
    size_bytes: int

    @property
    def max_together(self) -> int:
        """How many may be declared together, this one among them."""
        return max(1, wire.MAX_DECLARATIONS >> (_NARROWING_BITS * self.waiting[0].retry.shared_failures))


class DeclarationProtocol:
    """How settings are declared. Flows must not run at the same time.

    Args:
        queries: says what the service announces, and is told the revision that a declaration is visible at.

    """

    def __init__(self, queries: QueryProtocol) -> None:
        self._queries = queries
        self._tell_progress: Callable[[], object] = do_nothing

    @contextmanager
    def telling_progress(self, tell: Callable[[], object]) -> Iterator[None]:
        """Call a function after each answer to declarations, on the thread that runs the flow, until the block ends."""
        self._tell_progress = tell
        try:
            yield
        finally:
            self._tell_progress = do_nothing

    def declare(self, waiting: Iterable[Waiting]) -> Flow[None]:
        """Declare settings, those first that were not tried yet; what becomes of each is noted in its registration.

        Raises (from the flow):
            StatusError: the service does not accept the client's credentials (401).
        """
        refused: list[Waiting] = []
        declarations: list[_Declaration] = []
        for registration, setting in sorted(waiting, key=lambda pair: pair[0].retry.due_s):
            try:
                declarations.append(_write(registration, setting))
            except TransportError as error:
                registration.refuse(describe_failed_declaration(setting, error), is_lasting=True)
                refused.append((registration, setting))
        if wire.DECLARE_MANY_CAPABILITY in self._queries.capabilities:
            refused.extend((yield from self._declare_together(declarations)))
        else:
            refused.extend((yield from self._declare_apart(declarations)))
        yield from self._follow_known([pair for pair in refused if not pair[0].is_followed])

    def _declare_apart(self, declarations: Sequence[_Declaration]) -> Flow[list[Waiting]]:
        """Declare each by a request of its own; return those whose answer is not that they are accepted."""
        refused: list[Waiting] = []
        unanswered = 0
        for portion in self._queries.divide(declarations):
            headers = self._queries.demand()
            requests = tuple(declaration.request._replace(headers=headers) for declaration in portion)
            outcomes = yield requests
            refused.extend(self._receive_all(portion, requests, outcomes))
            if any(isinstance(outcome, Response) for outcome in outcomes):
                unanswered = 0
                self._tell_progress()
            elif (unanswered := unanswered + 1) == _MAX_UNANSWERED:
                break
        return refused

    def _declare_together(self, declarations: Sequence[_Declaration]) -> Flow[list[Waiting]]:
        """Declare as many by one request as it may have; return those whose answer is not that they are accepted."""
        refused: list[Waiting] = []
        apart: list[_Declaration] = []
        groups = list(_group(declarations))
        for position, group in enumerate(groups):
            if len(group) == 1:
                apart.extend(group)
                continue
            body = [declaration.request.body for declaration in group]
            request = Request("POST", wire.DECLARE_MANY_PATH, headers=self._queries.demand(), body=body)
            outcome = (yield (request,))[0]
            if _is_misunderstood(outcome):
                # An older service may have taken the place of the one that announced it, or a proxy may not know it.
                apart.extend(chain.from_iterable(groups[position:]))
                break
            refused.extend(self._receive_group(group, request, outcome))
            if not isinstance(outcome, Response):
                break
            self._tell_progress()
        refused.extend((yield from self._declare_apart(apart)))
        return refused

    def _receive_group(self, group: Sequence[_Declaration], request: Request, outcome: Outcome) -> list[Waiting]:
        """Note what became of declarations in one request; return those whose answer is not that they are accepted."""
        answers = read_answers(outcome) if isinstance(outcome, Response) and outcome.status == _OK else None
        if answers is not None and len(answers) == len(group):
            # In the words for one that is declared alone, so that the log does not tell the same in two ways.
            return self._receive_all(group, [declaration.request for declaration in group], answers)
        for declaration in group:
            declaration.waiting[0].retry.shared_failures += 1
        return self._receive_all(group, [request] * len(group), [outcome] * len(group))

    def _receive_all(
        self, declarations: Sequence[_Declaration], requests: Iterable[Request], outcomes: Iterable[Outcome]
    ) -> list[Waiting]:
        """Note what became of declarations; return those whose answer is not that they are accepted."""
        answered = list(zip(declarations, requests, outcomes, strict=True))
        # The service answers requests that are sent side by side in any order: an earlier revision after a later one is
        # not that of another history.
        answered.sort(key=lambda answer: _find_revision(answer[2]))
        return [
            declaration.waiting
            for declaration, request, outcome in answered
            if not self._receive(declaration.waiting, request, outcome) and isinstance(outcome, Response)
        ]

    def _receive(self, waiting: Waiting, request: Request, outcome: Outcome) -> bool:
        """Note what became of a declaration; return whether it was accepted."""
        registration, setting = waiting
        # A conflict is about a setting that the service has, unless it was found not to have it.
        statuses = (_OK,) if registration.is_missing else (_OK, CONFLICT)
        try:
            response = expect(request, outcome, *statuses)
            remarks, told = read_declaration(setting, request, response)
        except ServiceError as error:
            if isinstance(error, StatusError) and error.status == _UNAUTHORIZED:
                raise
            remark = describe_failed_declaration(setting, error)
            registration.refuse(remark, is_lasting=_is_lasting(error), asked_s=_read_asked_s(error))
            return False
        self._queries.require_revision(read_revision(response))
        if response.status == CONFLICT:
            registration.is_followed = True
            registration.refuse(*remarks, is_lasting=True)
        else:
            registration.accept(remarks)
            registration.told = told
        return response.status != CONFLICT

    # ---- settings that the service has, though it did not accept their declarations

    def _follow_known(self, refused: Sequence[Waiting]) -> Flow[None]:
        """Have those followed that the service has, by their own name or by the earlier one."""
        yield from self._follow([(setting.name, registration) for registration, setting in refused])
        yield from self._follow(
            [
                (setting.alias, registration)
                for registration, setting in refused
                if setting.alias is not None and not registration.is_followed
            ]
        )

    def _follow(self, named: Sequence[tuple[str, Registration]]) -> Flow[None]:
        found = yield from self._find(sorted({name for name, _ in named if wire.is_setting_name(name)}))
        for name, registration in named:
            if name in found:
                registration.follow_as(name)

    def _find(self, names: Sequence[str]) -> Flow[frozenset[str]]:
        """Return which of some names the service knows, as far as it says so."""
        if len(names) > _MAX_LOOKED_FOR:
            with suppress(ServiceError):
                return (yield from self._queries.ask_names()).intersection(names)
            return frozenset()
        outcomes = yield from self._queries.send(Request("GET", wire.setting_path(name)) for name in names)
        return frozenset(name for name, outcome in zip(names, outcomes, strict=True) if _is_found(outcome))


def do_nothing() -> None:
    """Do nothing."""


def _write(registration: Registration, setting: Setting[Any]) -> _Declaration:
    """Write the declaration of a setting.

    Raises:
        TransportError: that cannot be done.
    """
    try:
        body = setting.to_v1_declaration_body()
        size_bytes = len(json.dumps(body, allow_nan=False))
    # Whatever a default of a wrong type, or metadata that was changed, leads to: it is the trouble of this setting.
    except Exception as error:
        raise TransportError(f"it cannot be written as JSON ({error!r})", error) from error
    return _Declaration((registration, setting), Request("POST", wire.DECLARE_PATH, body=body), size_bytes)


def _group(declarations: Iterable[_Declaration]) -> Iterator[list[_Declaration]]:
    """Divide declarations, in their order, into groups that one request may have each."""
    group: list[_Declaration] = []
    size_bytes, most = 0, wire.MAX_DECLARATIONS
    for declaration in declarations:
        # With what stands between two of them.
        added_bytes = declaration.size_bytes + len(", ")
        most = min(most, declaration.max_together)
        if group and (len(group) >= most or size_bytes + added_bytes > MAX_GROUP_BYTES):
            yield group
            group, size_bytes, most = [], 0, declaration.max_together
        group.append(declaration)
        size_bytes += added_bytes
    if group:
        yield group


def _find_revision(outcome: Outcome) -> int:
    revision = read_revision(outcome) if isinstance(outcome, Response) else None
    return -1 if revision is None else revision.number


def _is_misunderstood(outcome: Outcome) -> bool:
    """Return whether a service does not take declarations together, whatever they are."""
    if not isinstance(outcome, Response) or outcome.status == _UNAUTHORIZED:
        return False
    return _is_refusal(outcome.status) or outcome.status == _NOT_IMPLEMENTED


def _is_lasting(error: ServiceError) -> bool:
    """Return whether a declaration was refused in a way that trying again soon will not change."""
    return isinstance(error, StatusError) and error.status is not None and _is_refusal(error.status)


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004 - HTTP's own


def _read_asked_s(error: ServiceError) -> float:
    asked_s = error.retry_after_s if isinstance(error, StatusError) else None
    return min(asked_s or 0.0, MAX_RETRY_AFTER_S)


def _is_found(outcome: Outcome) -> bool:
    return isinstance(outcome, Response) and outcome.status == _OK
