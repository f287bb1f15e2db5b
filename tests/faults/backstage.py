"""The far side of a run: a service behind a proxy, in a process of its own.

In a process of its own, because it must not compete for the interpreter with the client and the readers, whose pauses
are measured, and so that threads, sockets and memory of this process are the client's. ``open_backstage`` gives a
stand-in for a ``Backstage`` over there.
"""

import multiprocessing
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, NamedTuple

import trustme

from tests.support.fake_service import FakeService
from tests.support.fault_actions import ACTIONS
from tests.support.fault_proxy import FaultProxy, answer_from, forward_to

if TYPE_CHECKING:
    from tests.support.service import RunningService

# The service's name, for which no name server has an address; the near side gives it one (see near.py).
HOST = "heksher.invalid"
FEATURES = ("a", "b")


class Backstage:
    """A service behind a proxy, one pair at a time. Its methods may be called from any thread of any process."""

    def __init__(self) -> None:
        # Both None while nothing is open; a real service only if it was asked for.
        self._proxy: FaultProxy | None = None
        self._real: RunningService | None = None
        self._service = FakeService(*FEATURES)

    def open(self, is_secure: bool, is_real: bool) -> int:
        """Open a new service, and return the port of the proxy in front of it.

        Args:
            is_secure: whether the proxy speaks TLS.
            is_real: whether it is the real service, or a fake one, which ``publish`` writes to.
        """
        self._service = FakeService(*FEATURES)
        origin = answer_from(self._service.handle)
        if is_real:
            self._real = _start_real_service()
            origin = forward_to(self._real.port)
        self._proxy = FaultProxy(origin, make_certificates().contexts() if is_secure else None).start()
        return self._proxy.port

    def close(self) -> None:
        """End what is open."""
        if self._proxy is not None:
            self._proxy.stop()
        if self._real is not None:
            self._real.stop()
        self._proxy = self._real = None

    def switch(self, action: str) -> None:
        """Have the proxy do something else from now on."""
        assert self._proxy is not None
        self._proxy.switch(ACTIONS[action])

    def publish(self, settings: dict[str, object]) -> None:
        """Replace all settings of the fake service at once, in the form of a query's answer."""
        self._service.settings = settings

    def real_url(self) -> str:
        """Return the way to the real service that is not through the proxy."""
        assert self._real is not None
        return self._real.url

    def count_visits(self) -> int:
        """Count the requests that the proxy has read so far."""
        assert self._proxy is not None
        return self._proxy.visits.total()

    def count_connections(self) -> int:
        """Count the connections that the proxy has at present."""
        assert self._proxy is not None
        return self._proxy.count_connections()

    def list_strays(self) -> list[str]:
        """List the paths that were asked for and are not those of the API."""
        assert self._proxy is not None
        return [path for path in self._proxy.visits if not path.startswith("/api/")]

    def authority(self) -> str:
        """Return the certificate (PEM) of the authority that a client is to trust."""
        return make_certificates().authority


def _start_real_service() -> "RunningService":
    # Takes longer to import than everything else here, and only the soak needs it.
    from heksher.server.config import Config  # noqa: PLC0415 - see above
    from tests.support.service import RunningService  # noqa: PLC0415

    service = RunningService(config=Config(database="unused", allowed_hosts=(HOST,))).start()
    service.add_features(*FEATURES)
    return service


class Certificates(NamedTuple):
    """An authority's certificate, and keys with the certificates for them (all PEM) by name."""

    authority: str
    leaves: dict[str, trustme.LeafCert]

    def contexts(self) -> dict[str, ssl.SSLContext]:
        """Return the service's side of TLS for each certificate."""
        contexts = {}
        for name, leaf in self.leaves.items():
            contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(contexts[name])
        return contexts


@cache
def make_certificates() -> Certificates:
    """Make a certificate that is right, and some that are not."""
    ours, now = trustme.CA(), datetime.now(UTC)
    leaves = {
        "right": ours.issue_cert(HOST),
        "elsewhere": ours.issue_cert("elsewhere.invalid"),
        "expired": ours.issue_cert(HOST, not_before=now - timedelta(days=2), not_after=now - timedelta(days=1)),
        "foreign": trustme.CA().issue_cert(HOST),
    }
    return Certificates(ours.cert_pem.bytes().decode(), leaves)


class BackstageManager(BaseManager):
    """Starts the process, and passes calls on to it."""


BackstageManager.register("Backstage", Backstage)


@contextmanager
def open_backstage() -> Iterator[Backstage]:
    """Run a ``Backstage`` in a process of its own."""
    manager = BackstageManager(ctx=multiprocessing.get_context("spawn"))
    manager.start(_end_with_parent)
    try:
        yield manager.Backstage()  # type: ignore[attr-defined]  # what register() has made
    finally:
        manager.shutdown()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
