"""``heksher show``: a setting with its rules, as it is or as it was."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import describe_conditions, describe_value, write_json
from heksher.cli.remote.exit_status import CommandError, ExitStatus, write_epilog
from heksher.cli.remote.service import Service, connect
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.cli.whole_number import WholeNumber
from heksher.wire import CHANGES_PATH, is_setting_name, setting_path


@click.command(epilog=write_epilog("heksher show cache_ttl", "heksher show cache_ttl --at 17"))
@click.argument("setting")
@click.option("--at", "revision", type=WholeNumber(0), metavar="REVISION", help="As it was after this change.")
@json_option
def show(setting: str, revision: int | None, is_json: bool) -> None:
    """Tell a setting with its rules, as it is or as it was."""
    if not is_setting_name(setting):
        raise CommandError(f"{setting!r} cannot be the name of a setting", ExitStatus.FAILED)
    with connect() as service:
        asked = _find_newest(service) if revision is None else revision
        answer = service.get(f"{setting_path(setting)}/history/{asked}")
    if is_json:
        tell(write_json(answer))
        return
    tell(draw_fitting_table((answer["setting"]["name"], f"at revision {answer['revision']}"), _list_fields(answer)))
    if answer["rules"]:
        tell("")
        tell(draw_fitting_table(("RULE", "CONDITIONS", "VALUE", "METADATA"), map(_make_row, answer["rules"])))
    else:
        note("no rules")


def _find_newest(service: Service) -> int:
    newest = service.get(CHANGES_PATH, {"limit": "1"})["changes"]
    return newest[0]["revision"] if newest else 0


def _list_fields(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    setting = answer["setting"]
    yield "type", setting["type"]
    yield "default value", describe_value(setting["default_value"])
    yield "version", setting["version"]
    yield "configurable by", ", ".join(setting["configurable_features"])
    yield "aliases", ", ".join(setting["aliases"])
    yield "metadata", _describe_metadata(setting["metadata"])


def _make_row(rule: Mapping[str, Any]) -> tuple[str, ...]:
    conditions = describe_conditions(rule["feature_values"])
    return str(rule["rule_id"]), conditions, describe_value(rule["value"]), _describe_metadata(rule["metadata"])


def _describe_metadata(metadata: Mapping[str, Any]) -> str:
    return describe_value(metadata) if metadata else ""
