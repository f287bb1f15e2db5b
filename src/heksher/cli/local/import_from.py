"""``heksher import-from``: take everything from an existing Heksher service."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import click

from heksher.cli.local.database import load_config, telling_errors
from heksher.cli.local.request_header import header_option
from heksher.cli.local.service_option import database_option
from heksher.cli.output import tell
from heksher.cli.whole_number import WholeNumber

if TYPE_CHECKING:
    from heksher.server.config import Config
    from heksher.server.importing.moving import Make, Outcome
    from heksher.server.operations.imported import LeftOut
    from heksher.server.operations.update_plan import Plan
    from heksher.server.storage.base import Storage

# The exit status by what came of it, besides 0, 1 for errors and 2 for options.
_NOT_TAKEN: Final = 3
_CHANGED_HERE: Final = 4
_DIFFERING: Final = 5

# Every storage has room for it.
_MAX_RULE_ID: Final = 2**63 - 1

# "\b" keeps the lines as they are.
_EPILOG: Final = """\b
Exit status:
  0  everything was taken, but for what was to be skipped; or, with
     --dry-run, would be
  1  an error, which is said in one line
  2  options that make no sense
  3  something cannot be taken, and nothing was written
  4  something was changed here, and nothing was written
  5  everything was taken, but both were not the same at the end
"""


@click.command("import-from", epilog=_EPILOG)
@click.argument("url")
@database_option
@header_option
@click.option(
    "--next-rule-id",
    type=WholeNumber(1, _MAX_RULE_ID),
    metavar="N",
    help="The lowest id that new rules get in the database.  [default: the highest one there + 1]",
)
@click.option(
    "--dry-run", "is_dry", is_flag=True, help="Read and check everything, say what there is to do, and write nothing."
)
@click.option(
    "--skip-invalid",
    "is_skipping_invalid",
    is_flag=True,
    help="Go on without what cannot be taken; otherwise nothing is written then.",
)
@click.option(
    "--update",
    "is_updating",
    is_flag=True,
    help="Repeat an import: take over what has changed in the existing service since.",
)
@click.option(
    "--skip-conflicts",
    "is_skipping_conflicts",
    is_flag=True,
    help="With --update: leave what was changed in the database as it is, and take over the rest; otherwise nothing is"
    " written then.",
)
def import_from(url: str, database: str | None, headers: dict[str, str], **options: "bool | int | None") -> None:
    """Take everything from the existing Heksher service at URL into the database.

    URL is what the programs of that service have, such as http://old-heksher; it is only read. The database must be
    empty, or, with --update, have what was imported before. All is written or nothing, and then both are read again and
    compared. Begin with --dry-run.

    In what it says, "here" is the database, and "there" the existing service.
    """
    if options["is_skipping_conflicts"] and not options["is_updating"]:
        raise click.UsageError("--skip-conflicts is for --update: without that, nothing can have been changed here")
    with telling_errors():
        config = load_config(database)
        from heksher.server.importing.existing_service import ExistingService  # noqa: PLC0415 - see cli.local.serve
        from heksher.server.importing.moving import MovingOptions, move_in  # noqa: PLC0415
        from heksher.server.run import describe_database  # noqa: PLC0415

        given = MovingOptions(**options)  # type: ignore[arg-type]  # the options above are its attributes
        with ExistingService(url, headers) as service, _opening(config, is_dry=given.is_dry) as (storage, make):
            outcome = move_in(service, storage, given, lambda line: click.echo(line, err=True), make)
        _tell(outcome, describe_database(config.database), is_skipping_conflicts=given.is_skipping_conflicts)


@contextmanager
def _opening(config: "Config", *, is_dry: bool) -> "Iterator[tuple[Storage, Make | None]]":
    """Open the configured database, for a dry run without changing it.

    If there is none yet, it stays so until there is something to write: an empty storage stands for it, and the second
    of the two yielded makes and opens it.
    """
    from heksher.server.app import make_ceilings  # noqa: PLC0415 - see cli.local.serve
    from heksher.server.run import make_default_directory  # noqa: PLC0415 - see cli.local.serve
    from heksher.server.storage.location import storage_for  # noqa: PLC0415
    from heksher.server.storage.maintenance import check_database, is_unused, require_makeable  # noqa: PLC0415
    from heksher.server.storage.storage_errors import StorageError  # noqa: PLC0415

    if not config.is_default_database:
        require_makeable(config.database)
    is_missing = is_unused(config.database)
    if is_dry and not is_missing and check_database(config.database):
        raise StorageError("the schema of the database is not that of this version: run 'heksher migrate' first")
    with ExitStack() as stack:

        def open_storage(database: str) -> "Storage":
            storage = storage_for(database)
            storage.ceilings = make_ceilings(config)
            storage.open()
            stack.callback(storage.close)
            return storage

        def make() -> "Storage":
            make_default_directory(config)
            return open_storage(config.database)

        yield (open_storage("memory:"), make) if is_missing else (open_storage(config.database), None)


def _tell(outcome: "Outcome", place: str, *, is_skipping_conflicts: bool) -> None:
    """Say what came of it, and exit with the status for it."""
    found = outcome.found
    for refused in found.refused:
        tell(f"not taken: {_describe(refused)}: {refused.reason}")
    if outcome.plan is None and outcome.revision is None:
        _end(
            _NOT_TAKEN,
            f"nothing was written: {_count(len(found.refused))} cannot be taken; --skip-invalid goes on without that",
        )
    left = [] if outcome.plan is None else outcome.plan.left
    for each in left:
        tell(f"left as it is: {_describe(each)}: {each.reason}")
    if outcome.plan is not None:
        _tell_plan(outcome.plan)
    if outcome.revision is None:
        tell("nothing was written")
        if left and not is_skipping_conflicts:
            _end(_CHANGED_HERE, f"changed here: {_count(len(left))}; --skip-conflicts goes on without that")
        return
    tell(_describe_writing(outcome, place))
    if outcome.failure is not None:
        raise outcome.failure
    _tell_comparison(outcome, has_exceptions=bool(found.refused or left))


def _describe_writing(outcome: "Outcome", place: str) -> str:
    contents = outcome.found.contents
    if outcome.is_unchanged:
        # A database that was not there is not made then, and has no revision.
        staying = f", which stays at revision {outcome.revision}" if outcome.revision else ""
        return f"there was nothing to write into {place}{staying}"
    if outcome.plan is None:
        counts = f"{len(contents.settings)} settings and {len(contents.rules)} rules"
        return f"imported {counts} into {place}, at revision {outcome.revision}"
    return f"wrote what is new, changed or gone into {place}, at revision {outcome.revision}"


def _tell_comparison(outcome: "Outcome", *, has_exceptions: bool) -> None:
    for kind, key in outcome.differing:
        tell(f"differs: {_name(kind, key)}")
    if outcome.differing:
        _end(_DIFFERING, "both were read again, and are not the same: repeat this with --update")
    tell("both were read again, and are the same" + (", apart from what is listed above" if has_exceptions else ""))


def _count(objects: int) -> str:
    return "1 object" if objects == 1 else f"{objects} objects"


def _end(status: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(status)


def _describe(each: "LeftOut") -> str:
    return _name(each.kind, each.key) + (f" of setting {each.setting!r}" if each.setting else "")


def _name(kind: str, key: str) -> str:
    if kind == "rule":
        return f"rule {key}"
    return f"{kind.replace('_', ' ')} {key!r}" if key else f"the {kind.replace('_', ' ')}"


def _tell_plan(plan: "Plan") -> None:
    if plan.has_other_features:
        tell(f"context features: now {', '.join(plan.features) or 'none'}")
    settings = (
        f"{len(plan.added_settings)} new, {len(plan.changed_settings)} changed, {len(plan.deleted_settings)} gone,"
        f" {plan.same_settings} unchanged"
    )
    rules = (
        f"{len(plan.added_rules)} new, {len(plan.changed_rules)} changed, {len(plan.deleted_rules)} gone,"
        f" {plan.same_rules} unchanged"
    )
    tell(f"settings: {settings}; rules: {rules}")
