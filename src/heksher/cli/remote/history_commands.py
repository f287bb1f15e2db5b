"""``heksher changes`` and ``heksher diff``: what was changed, by whom, when and why."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import (
    PART_HEADINGS,
    describe_actor,
    describe_conditions,
    describe_sides,
    describe_time,
    list_parts,
    name_rule,
    write_json,
)
from heksher.cli.remote.exit_status import EPILOG, ExitStatus, write_epilog
from heksher.cli.remote.list_option import at_most_option, choose
from heksher.cli.remote.moment import Moment
from heksher.cli.remote.service import connect
from heksher.cli.shared_option import json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.cli.whole_number import WholeNumber
from heksher.wire import CHANGES_PATH, DIFF_PATH

_DEFAULT_CHANGES: Final = 20
_HEADINGS: Final = ("REVISION", "WHEN (UTC)", "WHO", *PART_HEADINGS, "WHY")


@click.command(epilog=write_epilog("heksher changes --setting cache_ttl", "heksher changes --after 2h"))
@click.argument("revision", type=WholeNumber(0), required=False)
@click.option("--setting", metavar="NAME", help="Only this setting and its rules, under all names that it has had.")
@click.option("--rule", "rule_id", type=WholeNumber(0), metavar="N", help="Only this rule, also if it is gone.")
@click.option("--actor", metavar="NAME", help="Only what this person or token has changed.")
@click.option("--kind", metavar="KIND", help="Only objects of this kind, such as setting, rule or policy.")
@click.option("--after", type=Moment(), metavar="MOMENT", help="Only what was changed after it.")
@click.option("--before", type=Moment(), metavar="MOMENT", help="Only what was changed before it.")
@click.option("--cursor", metavar="TEXT", help="Go on behind a list: what its next_cursor is, with --json.")
@at_most_option(_DEFAULT_CHANGES)
@json_option
def changes(revision: int | None, limit: int, is_json: bool, **wanted: str | int | None) -> None:
    """Tell what was changed, by whom, when and why.

    The newest change comes first, with what was there before and after. With REVISION, that change alone, with all that
    it has changed. A MOMENT is a revision (17), a time (2026-11-28T09:30:00Z), a day (2026-11-28), or how long ago it
    was (2h, 30m, 7d).
    """
    filters = choose(wanted)
    if revision is not None and filters:
        raise click.UsageError("REVISION names one change, so there is nothing to choose: leave the options out")
    with connect() as service:
        if revision is None:
            answer = service.list_all(CHANGES_PATH, "changes", filters, limit)
        else:
            answer = service.list_all(f"{CHANGES_PATH}/{revision}", "parts", {})
    if is_json:
        tell(write_json(answer))
    else:
        _tell_changes(answer["changes"] if revision is None else [answer])
        if answer["next_cursor"] is not None:
            note(f"note: there are older ones, too; --limit shows more than {limit}")


def _tell_changes(found: list[dict[str, Any]]) -> None:
    if found:
        tell(draw_fitting_table(_HEADINGS, [row for change in found for row in _make_rows(change)]))
    else:
        note("no such changes")


def _make_rows(change: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Return a row for each part, each with all that is said of the change: so a search for a word finds whole rows."""
    for part in list_parts(change["parts"], change["size"]):
        yield (
            str(change["revision"]),
            describe_time(change["at"]),
            describe_actor(change),
            *part,
            change["reason"] or "",
        )


@click.command(epilog=EPILOG)
@click.argument("start", metavar="FROM", type=WholeNumber(0))
@click.argument("end", metavar="[TO]", type=WholeNumber(0), required=False)
@click.option("--setting", metavar="NAME", help="Only this setting and its rules.")
@json_option
def diff(start: int, end: int | None, setting: str | None, is_json: bool) -> None:
    """Tell what differs between two revisions.

    TO is the newest one if it is left out, and may be the earlier one. What was changed in between, and changed back,
    does not differ. The exit status is 3 if something differs.
    """
    wanted = choose({"from": start, "to": end, "setting": setting})
    with connect() as service:
        answer = service.list_all(DIFF_PATH, "settings", wanted)
    rows = list(_list_differences(answer))
    if is_json:
        tell(write_json(answer))
    elif rows:
        tell(draw_fitting_table(PART_HEADINGS, rows))
    else:
        note(f"nothing differs between revisions {answer['from']} and {answer['to']}")
    if rows:
        raise SystemExit(ExitStatus.FOUND)


def _list_differences(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if features := answer["context_features"]:
        yield "context features", "", describe_sides({"order": features["before"]}, {"order": features["after"]})
    for setting in answer["settings"]:
        name, before, after = setting["setting"], setting["before"], setting["after"]
        if (before, after) != ({}, {}):
            yield f"setting {name}", "", describe_sides(before, after)
        for rule in setting["rules"]:
            conditions = describe_conditions(rule["feature_values"] or ())
            yield name_rule(rule["rule_id"], name), conditions, describe_sides(rule["before"], rule["after"])
