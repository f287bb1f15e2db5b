"""The values that settings fall back on before the service is reached: the last known ones, then the bootstrap."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from heksher.clients.conversation.saved_state import SavedState
from heksher.clients.offline.bootstrap import Bootstrap, read_bootstrap
from heksher.clients.offline.file_path import FilePath, read_path
from heksher.clients.reporting.status import DataSource

if TYPE_CHECKING:
    from heksher.clients.offline.last_known_file import LastKnownFile


class FallbackSource(NamedTuple):
    """Values to fall back on, and where they are from."""

    source: DataSource
    state: SavedState


class Fallback:
    """The last known values of one client's settings. Reading and writing block; calls must not overlap.

    Args:
        last_known_file: the file of last known values; ``None`` for none.
        bootstrap: the values, or a file with them; ``None`` for none.
        service: the service's URL without credentials.

    Raises:
        InvalidOptionError: the bootstrap, or the path of the file, cannot be used.
        ArgumentTypeError: (a ``TypeError``) the latter is no path.
    """

    def __init__(self, last_known_file: FilePath | None, bootstrap: Bootstrap | None, service: str) -> None:
        self._service = service
        self._file = None if last_known_file is None else _open(last_known_file)
        # Read at once, so that a mistake in it does not show only when it is needed.
        self._bootstrap = None if bootstrap is None else read_bootstrap(bootstrap)
        # Read when it is needed for the first time; False before that.
        self._last_known: SavedState | bool | None = False

    @property
    def is_kept(self) -> bool:
        """Whether there is a file to be written."""
        return self._file is not None

    @property
    def has_any(self) -> bool:
        """Whether there may be something to fall back on."""
        return self._file is not None or self._bootstrap is not None

    def find(self, context_filters: str) -> list[FallbackSource]:
        """Return the usable sources, the best one first."""
        sources = []
        if self._file is not None:
            if self._last_known is False:
                self._last_known = self._file.read(self._service, context_filters)
            if isinstance(self._last_known, SavedState):
                sources.append(FallbackSource("file", self._last_known))
        if self._bootstrap is not None:
            sources.append(FallbackSource("bootstrap", self._bootstrap))
        return sources

    def save(self, make: Callable[[str, datetime], SavedState], *, is_new: bool) -> None:
        """Save what the service has just said.

        Args:
            make: returns what is to be saved, given the service and the time.
            is_new: whether there is something that was not saved yet.
        """
        if self._file is None:
            return
        now = datetime.now(UTC)
        if is_new:
            self._file.write(make(self._service, now))
        else:
            # Writes again what could not be written before.
            self._file.confirm(now)


def _open(path: FilePath) -> "LastKnownFile":
    # Not before it is needed: what makes checksums takes a while to import.
    from heksher.clients.offline.last_known_file import LastKnownFile  # noqa: PLC0415 - see above

    return LastKnownFile(read_path("last_known_file", path))
