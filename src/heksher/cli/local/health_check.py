"""``heksher health``: the health check of a service on this machine, for whatever runs it there."""

import http.client
import ipaddress
import json
import os
import time
from typing import TYPE_CHECKING, Final

import click

from heksher.cli.local.database import telling_errors
from heksher.cli.local.service_option import address_options
from heksher.cli.output import tell
from heksher.cli.whole_number import WholeNumber
from heksher.exceptions import HeksherError

if TYPE_CHECKING:
    from heksher.server.option_kind import OptionValue

# Docker and systemd give a check a few seconds, and a service that answers takes a millisecond.
_TIMEOUT_S: Final = 4.0
_PAUSE_S: Final = 0.2


class UnreadyError(HeksherError):
    """The service is not ready; the message says why."""


@click.command()
@address_options
@click.option(
    "--wait",
    "wait_s",
    type=WholeNumber(0, 3600),
    default=0,
    metavar="N",
    help="Keep asking for so many seconds until it is ready.  [default: 0]",
)
def health(wait_s: int, **given: "OptionValue | None") -> None:
    """Ask the service on this machine whether it is ready; exit with 1 if it is not."""
    from heksher.server.config_reader import load_address  # noqa: PLC0415 - see cli.local.serve

    with telling_errors():
        host, port = load_address(os.environ, given)
        tell(_wait_for_ready(find_reachable(host), port, wait_s))


def find_reachable(host: str) -> str:
    """Return the address at which a service that listens on a host is reached: for all addresses the loopback one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IPv4


def _wait_for_ready(host: str, port: int, wait_s: float) -> str:
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            return ask(host, port)
        except UnreadyError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(_PAUSE_S)


def ask(host: str, port: int) -> str:
    """Return in words that the service is ready, and what it says besides.

    Raises:
        UnreadyError: it is not, or nothing answers there as a service does.
    """
    place = f"the service on {host} port {port}"
    connection = None
    try:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        # By a name that a service always goes by, whichever it listens on.
        connection.request("GET", "/healthz/ready", headers={"Host": f"localhost:{port}"})
        picture = json.loads(connection.getresponse().read())
        words = f"revision {picture['revision']}, database {picture['database']}"
        is_ready = picture["ready"] is True
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise UnreadyError(f"{place} does not answer: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise UnreadyError(f"what answers on {host} port {port} is no Heksher service") from None
    finally:
        if connection is not None:
            connection.close()
    if not is_ready:
        raise UnreadyError(f"{place} is not ready: {words}")
    return f"ready: {words}"
