"""``heksher lint``: what there is to tidy up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import count, write_json
from heksher.cli.remote.exit_status import EPILOG, ExitStatus
from heksher.cli.remote.service import Service, connect
from heksher.cli.remote.usage_commands import describe_since
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.cli.whole_number import WholeNumber
from heksher.wire import LINT_PATH, USAGE_PATH

_DEFAULT_DAYS: Final = 90


@click.command(epilog=EPILOG)
@click.argument("settings", metavar="[SETTING]...", nargs=-1)
@click.option(
    "--unused-for-days",
    type=WholeNumber(0, 36_500),
    default=_DEFAULT_DAYS,
    metavar="N",
    help=f"Find settings that nobody has asked for in so many days; 0: do not.  [default: {_DEFAULT_DAYS}]",
)
@json_option
def lint(settings: tuple[str, ...], unused_for_days: int, is_json: bool) -> None:
    """Find what there is to tidy up.

    That is rules without effect, values outside the limits of their settings, and settings that nobody uses. Without
    SETTING, all settings are looked at. The exit status is 3 if there are findings.
    """
    with connect() as service:
        answer = service.get(LINT_PATH, {"settings": ",".join(settings)} if settings else {})
        if unused_for_days:
            answer["findings"] += _find_unused(service, settings, unused_for_days)
    findings = answer["findings"]
    if is_json:
        tell(write_json(answer))
    elif findings:
        tell(draw_fitting_table(("SETTING", "RULE", "WHAT", "WHY"), [_make_row(finding) for finding in findings]))
    note(
        f"{count(len(findings), 'finding')} in {count(answer['settings'], 'setting')}"
        f" and {count(answer['rules'], 'rule')}"
    )
    if findings:
        raise SystemExit(ExitStatus.FOUND)


def _find_unused(service: Service, settings: tuple[str, ...], days: int) -> Iterator[dict[str, Any]]:
    """Return findings in the form of the service's own."""
    answer = service.list_all(USAGE_PATH, "settings", {"unused_for_days": str(days)})
    since = answer["since"]
    if since is None or datetime.now(UTC) - datetime.fromisoformat(since) < timedelta(days=days):
        note(f"note: nothing can be called unused yet: {describe_since(answer)}")
    for unused in answer["settings"]:
        if not settings or unused["name"] in settings:
            message = f"nobody has asked for it by name in {count(days, 'day')}"
            yield {"kind": "unused setting", "setting": unused["name"], "rule_id": None, "message": message}


def _make_row(finding: dict[str, Any]) -> tuple[str, ...]:
    rule_id = finding["rule_id"]
    return finding["setting"], "" if rule_id is None else str(rule_id), finding["kind"], finding["message"]
