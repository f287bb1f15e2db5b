"""``heksher rules``: the rules of any settings on a context feature, or on one value of it."""

from typing import Any

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import describe_conditions, describe_value, write_json
from heksher.cli.remote.exit_status import EPILOG
from heksher.cli.remote.list_option import choose
from heksher.cli.remote.service import connect
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.wire import CONTEXTS_PATH


@click.command(epilog=EPILOG)
@click.argument("condition", metavar="FEATURE[=VALUE]")
@json_option
def rules(condition: str, is_json: bool) -> None:
    """List the rules on a context feature, or on one value.

    The rules are those of any settings, and the value is, for example, user=ada.
    """
    feature, equals, value = condition.partition("=")
    wanted = choose({"feature": feature, "value": value if equals else None})
    with connect() as service:
        answer = service.list_all(CONTEXTS_PATH, "rules", wanted)
    if is_json:
        tell(write_json(answer))
    elif answer["rules"]:
        tell(draw_fitting_table(("SETTING", "RULE", "CONDITIONS", "VALUE"), map(_make_row, answer["rules"])))
    else:
        note("no such rules")


def _make_row(rule: dict[str, Any]) -> tuple[str, ...]:
    conditions = describe_conditions(rule["context_features"])
    return rule["setting"], str(rule["rule_id"]), conditions, describe_value(rule["value"])
