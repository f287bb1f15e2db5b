"""Looks for secrets where there must be none."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

_LOOK_S: Final = 0.05


def find_secrets(secrets: Iterable[str], places: Mapping[str, bytes]) -> dict[str, int]:
    """Return how many of the secrets stand in each of the places in which there are any."""
    wanted = [secret.encode() for secret in secrets]
    counts = {name: sum(secret in content for secret in wanted) for name, content in places.items()}
    return {name: count for name, count in counts.items() if count}


class CommandLines:
    """Notes the command lines of all processes of the machine, again and again. A context manager.

    Attributes:
        seen: all that there were.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                # A process may have ended meanwhile.
                with suppress(OSError):
                    self.seen.add(path.read_bytes())
