"""Somebody who changes a rule all the time, so that there is something to be updated."""

import json
import threading
import urllib.error
import urllib.request
from typing import Final, Self

from benchmarks.rollout.fleet_program import FEATURE, SETTING

_PAUSE_S: Final = 0.2
_TIMEOUT_S: Final = 10.0


class RuleWriter:
    """Writes until the end of the block.

    Args:
        url: of the service, which has the setting.

    Attributes:
        token: what it sends; ``None`` for none.
        value: the last one that was acknowledged.
        writes: how many there were.
        failed: what was wrong with those that failed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.token: str | None = None
        self.value = 0
        self.writes = 0
        self.failed: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        rule = {"setting": SETTING, "feature_values": {FEATURE: "guest"}, "value": 0}
        self._path = f"/api/v1/rules/{self._send('POST', '/api/v1/rules', rule)['rule_id']}/value"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(_PAUSE_S):
            self.writes += 1
            try:
                self._send("PUT", self._path, {"value": self.writes})
                self.value = self.writes
            except OSError as error:
                self.failed.append(repr(error))

    def _send(self, method: str, path: str, body: object) -> dict[str, int]:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - ours
            content = answer.read()
        answered: dict[str, int] = json.loads(content) if content else {}
        return answered
