"""``heksher set`` and ``heksher unset``: the value of a setting where exactly some conditions hold, which is a rule.

What is said to have been changed is what was: each expects its rule to be what it has just read, and is refused if
somebody else has changed it meanwhile.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click

from heksher.cli.remote.context_argument import conditions_argument
from heksher.cli.remote.description import describe_conditions, describe_value, name_rule
from heksher.cli.remote.exit_status import CommandError, ExitStatus, write_epilog
from heksher.cli.remote.new_proposal import Waiting, after_option, at_option, propose
from heksher.cli.remote.service import Service, connect
from heksher.cli.remote.typed_value import ValueCommand, read_typed_value
from heksher.cli.remote.write import WriteOptions, write_all, write_options
from heksher.cli.shared_option import Decorator
from heksher.context_value import write_value
from heksher.value_type import json_key
from heksher.wire import RULES_PATH, is_setting_name, setting_path

_propose_option: Final[Decorator] = click.option(
    "--propose",
    "needs_approval",
    is_flag=True,
    help="Propose it, so that it is done when a second person has approved.",
)


class _FoundRule(NamedTuple):
    """A rule that there is.

    Attributes: tag: of its last change; ``None`` where the service does not tell it.
    """

    rule_id: int
    value: Any
    tag: str | None

    def name_operation(self, method: str, suffix: str = "", body: Any = None) -> dict[str, Any]:
        return {"method": method, "path": f"{RULES_PATH}/{self.rule_id}{suffix}", "body": body, "if_match": self.tag}


@click.command(
    "set",
    cls=ValueCommand,
    epilog=write_epilog(
        "heksher set cache_ttl 10 user=ada --dry-run", "heksher set cache_ttl 10 user=ada --reason 'incident 4711'"
    ),
)
@click.argument("setting")
@click.argument("value")
@conditions_argument
@_propose_option
@at_option
@after_option
@write_options
def set_value(setting: str, value: str, conditions: dict[str, str], options: WriteOptions, **waiting: Any) -> None:
    """Have SETTING the VALUE where some conditions hold.

    That is a rule: a new one, or the one that has exactly these conditions.

    VALUE is JSON, such as 10, true or '["a", "b"]'; a text may stand without quotes where the setting has texts. The
    value for everybody, without conditions, is the default, which is declared in code.
    """
    place = describe_conditions(conditions)
    with connect() as service:
        name, type_text = _get_setting(service, setting)
        new = read_typed_value(value, name, type_text)
        found = _find_rule(service, name, conditions)
        if found is None:
            body = {"setting": name, "feature_values": conditions, "value": new}
            operation = {"method": "POST", "path": RULES_PATH, "body": body}
            done = f"{name} is {describe_value(new)} where {place}: a new rule"
        else:
            operation = found.name_operation("PUT", "/value", {"value": new})
            was, is_now = describe_value(found.value), describe_value(new)
            change = f"it is {is_now} already" if json_key(found.value) == json_key(new) else f"{was} -> {is_now}"
            done = f"{name_rule(found.rule_id, name)} where {place}: {change}"
        _write_one(service, operation, options, done, Waiting(**waiting))


@click.command(epilog=write_epilog("heksher unset cache_ttl user=ada --reason 'incident 4711 is over'"))
@click.argument("setting")
@conditions_argument
@_propose_option
@at_option
@after_option
@write_options
def unset(setting: str, conditions: dict[str, str], options: WriteOptions, **waiting: Any) -> None:
    """Remove the rule of SETTING that has exactly these conditions."""
    place = describe_conditions(conditions)
    with connect() as service:
        name, _ = _get_setting(service, setting)
        found = _find_rule(service, name, conditions)
        if found is None:
            text = (
                f"{name} has no rule with exactly these conditions: {place}; heksher show {name} tells which there are"
            )
            raise CommandError(text, ExitStatus.FAILED)
        done = f"{name_rule(found.rule_id, name)} is deleted, which was {describe_value(found.value)} where {place}"
        _write_one(service, found.name_operation("DELETE"), options, done, Waiting(**waiting))


def _write_one(service: Service, operation: dict[str, Any], options: WriteOptions, done: str, waiting: Waiting) -> None:
    """Make a write, or propose it, if it is to wait for something."""
    is_proposed = waiting != Waiting(needs_approval=False)
    if is_proposed and options.is_forced:
        raise click.UsageError("--force is for what is done at once: leave it out, or --propose, --at and --after")
    try:
        if is_proposed:
            # A proposal remembers by itself what it is about, and that is what those before it leave.
            remembered = {name: part for name, part in operation.items() if name != "if_match"}
            propose(service, [remembered], waiting, options)
        else:
            write_all(service, [operation], options, done)
    except CommandError as error:
        # Nobody has counted operations here.
        raise CommandError(error.message.removeprefix("operation 0: "), error.status) from None


def _get_setting(service: Service, name: str) -> tuple[str, str]:
    """Return the present name of a setting, and its type."""
    if not is_setting_name(name):
        raise CommandError(f"{name!r} cannot be the name of a setting", ExitStatus.FAILED)
    setting = service.get(setting_path(name))
    return setting["name"], setting["type"]


def _find_rule(service: Service, setting: str, conditions: Mapping[str, str]) -> _FoundRule | None:
    """Return the rule with exactly these conditions; ``None`` if there is none."""
    written = ",".join(f"{feature}:{write_value(value)}" for feature, value in conditions.items())
    searched = service.find(f"{RULES_PATH}/search", {"setting": setting, "feature_values": written})
    if searched is None:
        return None
    rule_id = searched.content["rule_id"]
    rule = service.find(f"{RULES_PATH}/{rule_id}")
    # None where it was deleted since.
    return None if rule is None else _FoundRule(rule_id, rule.content["value"], rule.tag)
