"""``heksher get`` and ``heksher why``: which value settings have in a context, and why."""

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.context_argument import (
    FeatureValue,
    Question,
    collect,
    context_argument,
    question_argument,
    write_context,
)
from heksher.cli.remote.description import count, describe_conditions, write_json
from heksher.cli.remote.evaluation_text import tell_reasons, tell_values
from heksher.cli.remote.exit_status import EPILOG, ExitStatus, write_epilog
from heksher.cli.remote.service import ServiceAnswer, connect
from heksher.cli.shared_option import json_option
from heksher.wire import EVALUATE_PATH


@click.command(epilog=EPILOG)
@click.argument("setting")
@context_argument
@click.option("--raw", "is_raw", is_flag=True, help="Write a text as it is, not as JSON in quotes.")
@json_option
def get(setting: str, context: dict[str, str], is_raw: bool, is_json: bool) -> None:
    """Write the value of SETTING in a context.

    What is not said of the context is open: the value is then the one for whoever no rule names there, and the standard
    error has a note if others are possible. FEATURE= without a value says that there is none.
    """
    answer = _evaluate([setting], context, None)
    if is_json:
        tell(write_json(answer))
        return
    [(name, found)] = answer["settings"].items()
    value = found["value"]
    tell(value if is_raw and isinstance(value, str) else write_json(value))
    # Who may evaluate, and not read, is not told of others.
    if len(found.get("possible", ())) > 1:
        question = f"{name} {describe_conditions(context)}".rstrip()
        note(f"note: other values are possible, as the context leaves something open: see heksher why {question}")


@click.command(
    epilog=write_epilog(
        "heksher why cache_ttl environment=production user=ada",
        "heksher why environment=production user=ada --compare-with user=bob",
    )
)
@question_argument
@click.option(
    "--compare-with",
    "changed",
    type=FeatureValue(),
    multiple=True,
    metavar="FEATURE=VALUE",
    callback=collect,
    help="Compare with the same context, but for this value; can be given several times. The exit status is 3 if"
    " something differs.",
)
@json_option
def why(question: Question, changed: dict[str, str], is_json: bool) -> None:
    """Say which value settings have in a context, and why.

    Which rule wins is told, and which ones lose to it. Without SETTING, all settings are told. What is not said of the
    context is open: then all values that are possible are told, each with what must hold for it.
    """
    context = question.context
    other = {**context, **changed} if changed else None
    answer = _evaluate(question.names or None, context, other)
    settings = answer["settings"]
    differing = {name: found for name, found in settings.items() if found.get("differs")}
    if is_json:
        tell(write_json(answer))
    elif question.names:
        tell_reasons(settings, context, other)
    elif other is None:
        tell_values(settings)
    else:
        tell_values(differing)
        note(f"{len(differing):,} of {count(len(settings), 'setting')} with another value")
    if differing:
        raise SystemExit(ExitStatus.FOUND)


def _evaluate(settings: list[str] | None, context: dict[str, str], other: dict[str, str] | None) -> ServiceAnswer:
    body: dict[str, object] = {"settings": settings, "context": write_context(context)}
    if other is not None:
        body["compare_with"] = write_context(other)
    with connect() as service:
        return service.post(EVALUATE_PATH, body)
