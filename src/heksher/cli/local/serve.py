"""``heksher serve``: run the service.

The service is imported only when it runs: ``heksher --help`` needs nothing of it but the table of options.
"""

import gc
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from heksher.cli.local.database import telling_errors
from heksher.cli.local.service_option import service_options
from heksher.cli.output import tell

if TYPE_CHECKING:
    from heksher.server.option_kind import OptionValue


@click.command()
@service_options
def serve(**given: "OptionValue | None") -> None:
    """Run the Heksher service until Ctrl-C or SIGTERM."""
    # The server installs its own handlers when it runs; until then these end the program just as cleanly.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    # Importing the service creates many objects that all stay alive; collecting garbage would take a tenth of the
    # start.
    gc.disable()
    from heksher.server.config_reader import load_config  # noqa: PLC0415 - see above
    from heksher.server.run import run_service  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    with telling_errors():
        run_service(load_config(os.environ, given), tell)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
