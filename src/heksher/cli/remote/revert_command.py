"""``heksher revert``: take a change back, or make a setting what it was."""

import click

from heksher.cli.remote.description import count
from heksher.cli.remote.exit_status import write_epilog
from heksher.cli.remote.service import ServiceAnswer, connect
from heksher.cli.remote.write import WriteOptions, write, write_options
from heksher.cli.whole_number import WholeNumber
from heksher.wire import CHANGES_PATH, setting_path


@click.command(
    epilog=write_epilog(
        "heksher revert 17 --dry-run",
        "heksher revert 17 --reason 'incident 4711'",
        "heksher revert --setting cache_ttl --to 12",
    )
)
@click.argument("revision", type=WholeNumber(0), required=False)
@click.option("--setting", metavar="NAME", help="Make this setting, with its rules, what it was.")
@click.option("--to", "target", type=WholeNumber(0), metavar="REVISION", help="With --setting: at which revision.")
@write_options
def revert(revision: int | None, setting: str | None, target: int | None, options: WriteOptions) -> None:
    """Take a change back, or make a setting what it was.

    The change is REVISION; a setting becomes, with its rules, what it was at the revision that --to names.

    What is as the change left it becomes what it was before; anything else is refused, with what came between (exit
    status 4). A revert is a change of its own, and can be taken back in turn.
    """
    if revision is not None and setting is None and target is None:
        path, body, what = f"{CHANGES_PATH}/{revision}/revert", None, f"change {revision} is taken back"
    elif revision is None and setting is not None and target is not None:
        path, body = f"{setting_path(setting)}/revert", {"to": target}
        what = f"{setting} is what it was at revision {target}"
    else:
        raise click.UsageError("say what is to be taken back: REVISION, or --setting NAME --to REVISION")

    def describe(answer: ServiceAnswer) -> str:
        size = answer["size"]
        return f"{what}: {count(size, 'object')} changed" if size else f"{what} already: nothing had to be changed"

    with connect() as service:
        write(service, path, body, options, describe)
