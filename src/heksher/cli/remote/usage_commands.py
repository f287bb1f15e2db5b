"""``heksher usage`` and ``heksher clients``: which settings programs ask for, and which programs these are."""

from collections.abc import Sequence
from typing import Any

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import describe_time, write_json
from heksher.cli.remote.exit_status import EPILOG
from heksher.cli.remote.list_option import choose
from heksher.cli.remote.service import ServiceAnswer, connect
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.cli.whole_number import WholeNumber
from heksher.wire import CLIENTS_PATH, USAGE_PATH


@click.command(epilog=EPILOG)
@click.option(
    "--unused-for-days",
    type=WholeNumber(1, 36_500),
    metavar="N",
    help="Only settings that nobody has asked for in so many days.",
)
@json_option
def usage(unused_for_days: int | None, is_json: bool) -> None:
    """Tell when settings were last asked for, and by whom.

    By name: a program that asks for all settings needs none of them for sure.
    """
    with connect() as service:
        answer = service.list_all(USAGE_PATH, "settings", choose({"unused_for_days": unused_for_days}))
    if is_json:
        tell(write_json(answer))
        return
    rows = [
        (each["name"], describe_time(each["last_used_at"]), each["last_client"] or "") for each in answer["settings"]
    ]
    _tell(("SETTING", "LAST USED (UTC)", "BY"), rows, "no such settings")
    note(f"note: {describe_since(answer)}")


@click.command(epilog=EPILOG)
@click.option("--name", metavar="NAME", help="Only the clients of the program with this name.")
@json_option
def clients(name: str | None, is_json: bool) -> None:
    """Tell which clients ask for settings.

    Of each there is when it was last seen, and the revision that it has.
    """
    with connect() as service:
        answer = service.list_all(CLIENTS_PATH, "clients", choose({"name": name}))
    if is_json:
        tell(write_json(answer))
        return
    _tell(
        ("NAME", "VERSION", "INSTANCE", "LAST SEEN (UTC)", "REVISION", "USER AGENT"),
        [_make_row(client) for client in answer["clients"]],
        "no such clients",
    )
    note(f"note: {describe_since(answer)}")


def describe_since(answer: ServiceAnswer) -> str:
    """Say since when uses are counted, without which nothing can be called unused."""
    since = answer["since"]
    if since is None:
        return "the service does not count uses, or has not begun to"
    return f"uses are counted since {describe_time(since)} UTC"


def _tell(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str) -> None:
    if rows:
        tell(draw_fitting_table(headings, rows))
    else:
        note(nothing)


def _make_row(client: dict[str, Any]) -> tuple[str, ...]:
    revision = client["revision"]
    return (
        client["name"],
        client["version"] or "",
        client["instance"] or "",
        describe_time(client["last_seen_at"]),
        "" if revision is None else str(revision),
        client["user_agent"],
    )
