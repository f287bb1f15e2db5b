"""``heksher serve``: run the service.

The service is imported only when it is to run: ``heksher --help`` needs nothing of it.
"""

import gc
import os
import signal
from types import FrameType
from typing import Literal, NoReturn

import click

from heksher.cli.database import database_option, telling_errors


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 lets the system choose a free one.",
)
@database_option
@click.option(
    "--context-features",
    metavar="A,B,C",
    help="Make the service's context features exactly these, by inserting what is missing."
    "  [env: HEKSHER_STARTUP_CONTEXT_FEATURES, separated by semicolons]",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="How many processes answer; they share the address and the database.  [env: HEKSHER_WORKERS; default: 1]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Log lines for people, or JSON objects.  [env: HEKSHER_LOG_FORMAT; default: text]",
)
@click.option(
    "--access-log/--no-access-log", default=None, help="Log each request.  [env: HEKSHER_ACCESS_LOG; default: no]"
)
def serve(
    host: str,
    port: int,
    database: str | None,
    context_features: str | None,
    workers: int | None,
    log_format: Literal["text", "json"] | None,
    access_log: bool | None,
) -> None:
    """Run the Heksher service until Ctrl-C or SIGTERM."""
    # The server takes over both signals when it runs; until then they end the program as cleanly.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    # The modules of the service make many objects, of which none is garbage: a tenth of the start is spent looking.
    gc.disable()
    from heksher.server.config import load_config  # noqa: PLC0415 - see above
    from heksher.server.run import run_service  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    with telling_errors():
        config = load_config(
            os.environ, database, context_features, workers=workers, log_format=log_format, access_log=access_log
        )
        run_service(config, host, port, click.echo)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
