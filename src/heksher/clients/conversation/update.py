"""What a session was answered, has prepared of that, and what becomes of it when it is published."""

from typing import Any, NamedTuple

from heksher.clients.conversation.exchange import Response
from heksher.clients.conversation.query_protocol import Query, SentQuery
from heksher.clients.conversation.registration import Registration
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.context import ContextState
from heksher.evaluation import CompiledEvaluation, Evaluation
from heksher.revision_id import RevisionId
from heksher.setting import Setting


class AnsweredQuery(NamedTuple):
    """What a query was answered.

    Attributes:
        sent: the query.
        feature_order: the service's, as it is now.
    """

    sent: SentQuery
    response: Response
    feature_order: tuple[str, ...]

    @property
    def etag(self) -> tuple[Query, str] | None:
        """The tag of the answer, and the query that it belongs to; ``None`` where it has no tag."""
        tag = self.response.headers.get("etag")
        return None if tag is None else (self.sent.query, tag)


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
    """

    registration: Registration
    compiled: CompiledEvaluation[Any]
    answer: QueriedSetting
    is_accepted: bool


class Update(NamedTuple):
    """A prepared update; nothing of it is visible before ``Session.publish``.

    Attributes:
        sent: the query that it answers.
        revision: the service's revision that it belongs to; ``None`` if the service does not tell.
        etag: to be sent with the same query next time; ``None`` where the next answer must be a full one.
        feature_order: the service's feature order, which the evaluations follow.
        compiled_for: the client's defaults and tracked values that the evaluations were compiled for.
        renewals: for each setting that gets a new evaluation.
    """

    sent: SentQuery
    revision: RevisionId | None
    etag: tuple[Query, str] | None
    feature_order: tuple[str, ...]
    compiled_for: ContextState
    renewals: tuple[Renewal, ...]
