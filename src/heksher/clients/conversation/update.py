"""What a session has prepared, and what becomes of it when it is published."""

from typing import Any, NamedTuple

from heksher.clients.conversation.querying import Query
from heksher.clients.conversation.registration import Registration
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.context import ClientContext, ContextState
from heksher.evaluation import CompiledEvaluation, Evaluation
from heksher.exceptions import ServiceError
from heksher.setting import Setting


class Replacement(NamedTuple):
    """A setting, what it answered from, and what it answers from now."""

    setting: Setting[Any]
    before: Evaluation[Any]
    after: Evaluation[Any]


class Renewal(NamedTuple):
    """What one setting is to answer from now on.

    Attributes:
        compiled: the new evaluation.
        answer: what it was made from.
        is_accepted: whether all of that was accepted.
        is_restored: whether the answer is one that was kept, not one that the service gave just now.
    """

    registration: Registration
    compiled: CompiledEvaluation[Any]
    answer: QueriedSetting
    is_accepted: bool
    is_restored: bool = False


class Update:
    """A prepared update; nothing of it is visible before ``Session.publish``.

    Attributes:
        feature_order: the service's feature order, which the evaluations follow.
        etag: to be sent with the same query next time; ``None`` where the next answer must be a full one.
        revision: the service's revision that it belongs to; ``None`` if the service does not tell.
        query: what it answers; ``None`` until the session says it.
        demanded: the revision that was demanded beyond the published one; ``None`` for none.
        renewals: for each setting that gets a new evaluation.
        compiled_for: the client's defaults and tracked values that the evaluations were compiled for.
        problems: why declarations failed; empty if none did.
    """

    def __init__(self, feature_order: tuple[str, ...], etag: tuple[Query, str] | None, context: ClientContext) -> None:
        self.feature_order = feature_order
        self.etag = etag
        self.compiled_for: ContextState = context.state
        self.revision: int | None = None
        self.query: Query | None = None
        self.demanded: int | None = None
        self.renewals: list[Renewal] = []
        self.problems: tuple[ServiceError, ...] = ()
