"""What the two OpenFeature adapters share: the interface, and where context comes from."""

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import AbstractProvider
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

from benchmarks.peers.base import FLAG, Call
from benchmarks.workloads import DEFAULT, Question


def use_provider(provider: AbstractProvider, *, is_ambient: bool) -> None:
    """Make a provider the one that answers."""
    api.set_evaluation_context(EvaluationContext())
    if is_ambient:
        api.set_evaluation_context(EvaluationContext(attributes={"environment": "prod"}))
        api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    api.set_provider_and_wait(provider)


def make_call(question: Question) -> Call:
    """Say how a question is asked."""
    given = EvaluationContext(question.given["user"], attributes=dict(question.given))
    objects: dict[str, object] = {"client": api.get_client(), "given": given}
    before = ""
    if question.ambient:
        theme = EvaluationContext(attributes={"theme": question.ambient["theme"]})
        objects.update(set_context=api.set_transaction_context, theme=theme)
        before = "{set_context}({theme})"
    return Call(f"{{client}}.get_string_value({FLAG!r}, {DEFAULT!r}, {{given}})", objects, before)
