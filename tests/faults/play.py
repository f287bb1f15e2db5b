"""One client under one fault, from its start until it is current again: what was seen."""

import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from heksher.exceptions import ServiceError
from tests.faults import client_view
from tests.faults.backstage import FEATURES, HOST, Backstage
from tests.faults.catalogue import Effect, Fault
from tests.faults.near import NearSide
from tests.faults.readers import Probe, Reader, Times, encode
from tests.support.drivers import AsyncDriver, DrivenClient, Driver, ThreadDriver
from tests.support.fake_service import DEADLINE_S, FakeService
from tests.support.fault_actions import TIMEOUT_S
from tests.support.waiting import wait_until

DRIVERS: Final[dict[str, type[Driver]]] = {"async": AsyncDriver, "thread": ThreadDriver}
INTERVAL_S: Final = 0.05
POLL_S: Final = 0.001


class Observation(NamedTuple):
    """What one run showed.

    Attributes:
        exceptions: what ``get`` raised.
        wrong: answers of ``get`` that were not right.
        shown: the generations that could be read at the end of the fault: 1 was there before, 2 is new.
        effect: what the client made of the fault, as it says itself.
        failures: how many updates failed meanwhile.
        changes: how often updates began to fail, or to succeed, until the end of the run.
        recovery_s: how long after the fault's end it took until everything was current.
        log: what the client logged, of level INFO and above.
        strays: paths that were asked for and are none of the API's.
        reads: how long calls of ``get`` took.
        noise: how long calls of a function that does nothing took meanwhile.
    """

    exceptions: tuple[str, ...]
    wrong: tuple[str, ...]
    shown: frozenset[int]
    effect: Effect
    failures: int
    changes: int
    recovery_s: float
    log: tuple[str, ...]
    strays: tuple[str, ...]
    reads: Times
    noise: Times


class Run:
    """A client that is current, and the means to make a fault.

    Attributes:
        ended: how many updates have ended since the last call of ``forget``.
        failures: how many of them failed.
        changes: how often updates began to fail, or to succeed again, since the client was current for the first time.
    """

    def __init__(self, client: DrivenClient, backstage: Backstage, fault: Fault, near: NearSide, probe: Probe) -> None:
        self.client = client
        self.backstage = backstage
        self.fault = fault
        self.near = near
        self.probe = probe
        self.ended = self.failures = self.changes = 0
        self._is_failing = False

    @contextmanager
    def faulty(self) -> Iterator[None]:
        """Have the fault for the time of a ``with`` block."""
        with self.fault.near(self.near):
            self.backstage.switch(self.fault.action)
            try:
                yield
            finally:
                self.backstage.switch(self.fault.before)

    def publish(self, generation: int) -> None:
        """Have the service say something new."""
        self.probe.newest = [generation] * len(self.probe.questions)
        self.backstage.publish(encode(generation))

    def begin(self) -> None:
        """Start the client, and wait until it has what the service says."""
        start(self.client)
        # A declaration may take too long for the client's limits on a busy machine: it fails no start, and is repeated.
        assert wait_until(lambda: self.probe.generations() == {1}, poll_s=POLL_S)
        self.forget()
        # Also if it took more than one attempt.
        self.changes, self._is_failing = 0, False

    def forget(self) -> None:
        """Forget the updates that have ended so far."""
        while not self.client.native.outcomes.empty():
            self.await_update()
        self.ended = self.failures = 0

    def await_update(self) -> None:
        """Wait for the end of the next update that was not waited for."""
        is_failing = self.client.await_outcome() is not None
        self.ended += 1
        self.failures += is_failing
        self.changes += is_failing is not self._is_failing
        self._is_failing = is_failing

    def await_effect(self) -> None:
        """Wait until as many updates as the fault asks for have ended with its effect, but not for ever."""
        deadline_s = time.perf_counter() + DEADLINE_S
        while not self._has_effect() and time.perf_counter() < deadline_s:
            self.await_update()

    def _has_effect(self) -> bool:
        if self.fault.effect is Effect.STALE:
            return self.failures >= self.fault.updates
        # The first one may have begun before the fault.
        if self.ended <= self.fault.updates:
            return False
        # On a busy machine, an update may take too long for the client's limits; that is not what is waited for.
        if self.fault.effect is Effect.REJECTED:
            return self.tell_effect() is Effect.REJECTED
        return self.probe.generations() == {2} and client_view.is_current(self.client.native)

    def is_current(self) -> bool:
        """Return whether the client has what is new, and says that all is well."""
        native = self.client.native
        is_well = client_view.is_current(native) and not client_view.find_troubled(native)
        return self.probe.generations() == {2} and is_well

    def tell_effect(self) -> Effect:
        """Return what the client itself says of the fault."""
        if not client_view.is_current(self.client.native):
            return Effect.STALE
        if client_view.find_troubled(self.client.native):
            return Effect.REJECTED
        return Effect.SOME if self.failures else Effect.NONE


def play(
    kind: str, backstage: Backstage, fault: Fault, folder: Path, readers: int = 2, rest_s: float = 0.0
) -> Observation:
    """Start a client, have readers read, make the fault, change all rules, end the fault, and wait.

    Args:
        kind: of the client, ``"async"`` or ``"thread"``.
        backstage: the far side.
        fault: what goes wrong.
        folder: for the file of last known values.
        readers: how many threads read.
        rest_s: how long they rest now and then, as for ``Reader``.
    """
    with running_client(kind, backstage, fault, folder) as run, ExitStack() as reading, recorded_log() as log:
        threads = [reading.enter_context(Reader(run.probe, rest_s)) for _ in range(readers)]
        with run.faulty():
            run.forget()
            run.publish(2)
            run.await_effect()
            shown, effect, failures = run.probe.generations(), run.tell_effect(), run.failures
        recovery_s = await_recovery(run)
        reading.close()
        return Observation(
            exceptions=tuple(found for reader in threads for found in reader.exceptions),
            wrong=tuple(found for reader in threads for found in reader.wrong),
            shown=frozenset(shown),
            effect=effect,
            failures=failures,
            changes=run.changes,
            recovery_s=recovery_s,
            log=tuple(log),
            strays=tuple(backstage.list_strays()),
            reads=sum((reader.reads for reader in threads), Times()),
            noise=sum((reader.noise for reader in threads), Times()),
        )


def await_recovery(run: Run) -> float:
    """Wait until the client is current, then for one more update; return the seconds until current, or infinity."""
    start_s = time.perf_counter()
    if not wait_until(run.is_current, poll_s=POLL_S):
        return float("inf")
    recovery_s = time.perf_counter() - start_s
    # Whatever the client has to say of its recovery is said by then.
    run.forget()
    run.await_update()
    return recovery_s


@contextmanager
def running_client(
    kind: str, backstage: Backstage, fault: Fault, folder: Path, timeout_s: float | None = TIMEOUT_S
) -> Iterator[Run]:
    """Open the far side, and start a client that is current; close both in the end.

    Args:
        kind: as in ``play``.
        backstage: the far side.
        fault: what will go wrong.
        folder: for the file of last known values.
        timeout_s: the HTTP client's time limit for each step of a request; ``None`` for its own.
    """
    with NearSide(folder) as near:
        port = backstage.open(fault.is_secure, False)
        try:
            with driving(kind) as driver:
                run = Run(_create(driver, backstage, fault, near, port, timeout_s), backstage, fault, near, Probe())
                run.publish(1)
                backstage.switch(fault.before)
                run.begin()
                yield run
        finally:
            backstage.close()


def _create(
    driver: Driver, backstage: Backstage, fault: Fault, near: NearSide, port: int, timeout_s: float | None
) -> DrivenClient:
    http_client_args: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
    if fault.is_secure:
        http_client_args["verify"] = ssl.create_default_context(cadata=backstage.authority())
    return driver.create(
        FakeService(*FEATURES),
        url=f"{'https' if fault.is_secure else 'http'}://{HOST}:{port}",
        interval_s=INTERVAL_S,
        http_client_args=http_client_args,
        on_start_failure="raise",
        **client_view.make_options(near.last_known_file),
    )


def start(client: DrivenClient) -> None:
    """Start a client, again if need be: its limits are so tight that a busy machine may exceed them."""
    deadline_s = time.perf_counter() + DEADLINE_S
    while True:
        try:
            return client.start()
        except ServiceError:
            if time.perf_counter() > deadline_s:
                raise


@contextmanager
def driving(kind: str) -> Iterator[Driver]:
    """Have a driver, and stop it in the end, which also looks for what goes on after its client is closed."""
    driver = DRIVERS[kind]()
    try:
        yield driver
    finally:
        driver.stop()


@contextmanager
def recorded_log() -> Iterator[list[str]]:
    """Collect what is logged below ``heksher``, of level INFO and above."""
    logger, lines = logging.getLogger("heksher"), []
    level = logger.level

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    recorder = Recorder(logging.INFO)
    logger.addHandler(recorder)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(level)
