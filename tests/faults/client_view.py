"""What these tests ask a client about itself, and what they ask of it: the one module that knows how clients tell."""

from pathlib import Path
from typing import Any, Final

from tests.support.fault_actions import TIMEOUT_S

MAX_RESPONSE_BYTES: Final = 1 << 20
# For a whole request, whatever trickles in meanwhile.
REQUEST_TIMEOUT_S: Final = 2 * TIMEOUT_S


def make_options(last_known_file: Path) -> dict[str, Any]:
    """Return the options of a client that stands up to faults within the time that these tests have."""
    return {
        "last_known_file": last_known_file,
        "max_response_bytes": MAX_RESPONSE_BYTES,
        "request_timeout": REQUEST_TIMEOUT_S,
        # Each fault is to meet an update in each interval. What can become of streams is in the conformance suite.
        "updates": "poll",
    }


def is_current(client: Any) -> bool:
    """Return whether the client says that its last update succeeded."""
    return bool(client.status.state == "current")


def describe(client: Any) -> str:
    """Say in a line how the client is, and what went wrong last."""
    status = client.status
    return f"{status.state} since {status.since:%H:%M:%S}; at {status.last_error_at}: {status.last_error}"


def find_troubled(client: Any) -> set[str]:
    """Name the settings of which the client says that they do not have what the service says of them."""
    settings = client.status.settings
    return {name for name, setting in settings.items() if setting.rejected or setting.is_stale or setting.is_missing}
