"""One client in one process for a long time, under random faults at a high rate. ``soak`` runs one for each client.

The client talks TLS, so that there are certificates to go wrong. Rules change all the time, and readers read without
pause. What they may see is known exactly: each change of a rule has the next number as its value, and the writer notes
the number before and after it tells the service, which it reaches past the proxy. So *wrong* is a value beyond what was
written, one for another context, or one below what the same reader saw before. *Late* is a change that was complete
when an update began, and is not there when the client calls that update a success. If it was complete when the update
before that one began, it is *missed*.
"""

import gc
import os
import random
import ssl
import statistics
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.faults import client_view
from tests.faults.backstage import FEATURES, HOST, Backstage
from tests.faults.catalogue import FAULTS
from tests.faults.near import NearSide
from tests.faults.play import POLL_S, driving, recorded_log, start
from tests.faults.readers import Probe, Question, Reader
from tests.support.drivers import DrivenClient, Driver
from tests.support.fake_service import FakeService
from tests.support.fault_actions import TIMEOUT_S
from tests.support.waiting import wait_until

INTERVAL_S: Final = 0.1
READERS: Final = 2
WRITE_PAUSE_S: Final = 0.02
MAX_FAULT_S: Final = 0.6
MAX_CALM_S: Final = 0.3
RECOVERY_S: Final = 10.0
# What a plateau of the resident memory may still rise by.
SLACK_BYTES: Final = 4 << 20
SLACK_SHARE: Final = 0.05
MIN_SAMPLES: Final = 100
# Without those that need a service of their own.
CHOICE: Final = tuple(fault for fault in FAULTS if fault.before == "pass")


class Resources:
    """What this process has at one moment.

    Attributes:
        threads: the names of its threads, without those of the event loop's executor, of which there are at most a few,
            as many as were ever needed at once.
        sockets: how many sockets it has.
        resident_bytes: its memory in RAM.
    """

    def __init__(self) -> None:
        names = (thread.name for thread in threading.enumerate())
        self.threads = sorted(name for name in names if not name.startswith("asyncio_"))
        self.sockets = sum(map(_is_socket, Path("/proc/self/fd").iterdir()))
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.resident_bytes = pages * os.sysconf("SC_PAGE_SIZE")

    def has_no_more_than(self, other: "Resources") -> bool:
        """Compare threads and sockets."""
        return len(self.threads) <= len(other.threads) and self.sockets <= other.sockets


def _is_socket(descriptor: Path) -> bool:
    # One that was closed meanwhile is none any more.
    with suppress(OSError):
        return str(descriptor.readlink()).startswith("socket:")
    return False


class Writer:
    """Changes one rule after the other, each time to the next number.

    Args:
        url: the service, past the proxy.
        probe: what is read. Its ``newest`` is written here.

    Attributes:
        committed: for each digit, the last number that the service has accepted.
        changes: how many changes it has accepted.
    """

    def __init__(self, url: str, probe: Probe) -> None:
        self.committed = [0] * len(probe.questions)
        self.changes = 0
        self._probe = probe
        self._http = httpx2.Client(base_url=url, timeout=RECOVERY_S)
        self._rules: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def create_rules(self) -> None:
        """Make the rules that are changed; the settings must be declared."""
        conditions = {1: ("s", {"a": "x"}), 2: ("s", {"b": "y"}), 3: ("s", {"a": "x", "b": "y"}), 4: ("t", {"a": "x"})}
        for digit, (setting, values) in conditions.items():
            body = {"setting": setting, "feature_values": values, "value": digit}
            answer = self._http.post("/api/v1/rules", json=body).raise_for_status()
            self._rules[digit] = answer.json()["rule_id"]

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; afterwards nothing is under way."""
        self._stop.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        while True:
            for digit, rule in self._rules.items():
                if self._stop.wait(WRITE_PAUSE_S):
                    return
                number = self._probe.newest[digit] = self.committed[digit] + 1
                body = {"value": number * 10 + digit}
                self._http.put(f"/api/v1/rules/{rule}/value", json=body).raise_for_status()
                self.committed[digit] = number
                self.changes += 1


class Auditor:
    """Compares what can be read after each update with what was written before it.

    Attributes:
        late: how many values were not those that an update should have brought, by what the proxy did.
        missed: changes that two updates should have brought and did not, described.
        updates: how many updates succeeded, and how many failed, by ``"ok"`` and ``"failed"``.
        action: what the proxy does at present, for the description.
    """

    def __init__(self, writer: Writer, questions: tuple[Question, ...]) -> None:
        self.late: Counter[str] = Counter()
        self.missed: list[str] = []
        self.updates: Counter[str] = Counter()
        self.action = "pass"
        self._writer = writer
        self._questions = questions
        # What was written when the last update ended, that is, before the next one began; and one update earlier.
        self._floor = self._earlier_floor = list(writer.committed)

    def end_update(self, client: object, error: Exception | None) -> None:
        """Note that an update has ended; called by the client, before its next one begins."""
        # Where the client says itself that it refused what was said of a setting, it has kept what it had.
        if error is None and not client_view.find_troubled(client):
            for question in self._questions:
                self._compare(question, question.read() // 10)
        self.updates["ok" if error is None else "failed"] += 1
        self._earlier_floor, self._floor = self._floor, list(self._writer.committed)

    def _compare(self, question: Question, generation: int) -> None:
        earlier, floor = self._earlier_floor[question.digit], self._floor[question.digit]
        if generation < earlier:
            self.missed.append(f"{question.contexts}: {generation}, not {earlier}; the proxy did: {self.action}")
        elif generation < floor:
            self.late[self.action] += 1


def _audit(kind: type[Any], auditor: Auditor) -> type[Any]:
    """Make a class of clients that tell the auditor of each update."""

    def on_update_ok(self: object) -> None:
        auditor.end_update(self, None)

    def on_update_error(self: object, exc: Exception) -> None:
        auditor.end_update(self, exc)

    return type(f"Audited{kind.__name__}", (kind,), {"on_update_ok": on_update_ok, "on_update_error": on_update_error})


class Endurance:
    """The whole run.

    Args:
        kind: of the client, ``"async"`` or ``"thread"``.
        backstage: the far side.
        seed: of the choice of faults.
        folder: for the file of last known values.
    """

    def __init__(self, kind: str, backstage: Backstage, seed: int, folder: Path) -> None:
        self._kind = kind
        self._backstage = backstage
        self._random = random.Random(seed)  # noqa: S311 - chooses faults, guards nothing
        self._folder = folder
        self._faults: Counter[str] = Counter()
        self._resident: list[int] = []

    def run(self, duration_s: float) -> dict[str, Any]:
        """Run for a time, and return the report; see ``soak`` for what must be in it."""
        port = self._backstage.open(True, True)
        before = Resources()
        probe = Probe()
        with ExitStack() as stack:
            stack.callback(self._backstage.close)
            near = stack.enter_context(NearSide(self._folder))
            log = stack.enter_context(recorded_log())
            writer = Writer(self._backstage.real_url(), probe)
            auditor = Auditor(writer, probe.questions)
            driver = stack.enter_context(driving(self._kind))
            client = self._start(driver, near, port, auditor)
            writer.create_rules()
            client.reload()
            writer.start()
            begin = Resources()
            readers = [Reader(probe) for _ in range(READERS)]
            with ExitStack() as reading:
                for reader in readers:
                    reading.enter_context(reader)
                self._make_trouble(near, auditor, duration_s)
                recovery_s = _await_current(client, writer, probe)
                status = client_view.describe(client.native)
            end = await_resources(begin)
            client.close()
        after = await_resources(before)
        return {
            "kind": self._kind,
            "exceptions": [found for reader in readers for found in reader.exceptions][:10],
            "wrong": [found for reader in readers for found in reader.wrong][:10],
            "missed": auditor.missed[:10],
            "late": dict(auditor.late),
            "reads": sum(reader.reads.count for reader in readers),
            "changes": writer.changes,
            "updates": dict(auditor.updates),
            "faults": dict(sorted(self._faults.items())),
            "log_lines": len(log),
            "recovery_s": recovery_s,
            "status": status,
            "threads": [len(before.threads), len(begin.threads), len(end.threads), len(after.threads)],
            "sockets": [before.sockets, begin.sockets, end.sockets, after.sockets],
            "resident_mb": [round(size / 1e6, 1) for size in self._quarters()],
            "leaks": self._list_leaks(before, begin, end, after),
        }

    def _start(self, driver: Driver, near: NearSide, port: int, auditor: Auditor) -> DrivenClient:
        client = driver.create(
            FakeService(*FEATURES),
            url=f"https://{HOST}:{port}",
            interval_s=INTERVAL_S,
            http_client_args={"timeout": TIMEOUT_S, "verify": self._make_trust()},
            client_class=_audit(driver.client_class, auditor),
            on_start_failure="raise",
            **client_view.make_options(near.last_known_file),
        )
        start(client)
        return client

    def _make_trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._backstage.authority())

    def _make_trouble(self, near: NearSide, auditor: Auditor, duration_s: float) -> None:
        end_s = time.perf_counter() + duration_s
        while time.perf_counter() < end_s:
            fault = self._random.choice(CHOICE)
            self._faults[fault.name] += 1
            auditor.action = fault.action
            with fault.near(near):
                self._backstage.switch(fault.action)
                # How long a fault lasts, and how long nothing is wrong, is what the run is made of.
                time.sleep(self._random.uniform(0, MAX_FAULT_S))
                self._backstage.switch("pass")
            time.sleep(self._random.uniform(0, MAX_CALM_S))
            self._resident.append(Resources().resident_bytes)

    def _quarters(self) -> list[float]:
        """Return the median of the resident memory in each quarter of the run."""
        borders = [len(self._resident) * number // 4 for number in range(5)]
        return [statistics.median(self._resident[begin : max(end, begin + 1)]) for begin, end in pairwise(borders)]

    def _list_leaks(self, before: Resources, begin: Resources, end: Resources, after: Resources) -> list[str]:
        leaks = []
        if not end.has_no_more_than(begin):
            leaks.append(f"while running: {begin.threads} became {end.threads}, {begin.sockets} sockets {end.sockets}")
        if not after.has_no_more_than(before):
            leaks.append(f"after close: {after.threads}, not {before.threads}; {after.sockets} sockets")
        _, early, *_, late = self._quarters()
        # A short run is still warming up.
        if len(self._resident) >= MIN_SAMPLES and late > early * (1 + SLACK_SHARE) + SLACK_BYTES:
            leaks.append(f"resident memory: {early / 1e6:.1f} MB became {late / 1e6:.1f} MB")
        return leaks


def _await_current(client: DrivenClient, writer: Writer, probe: Probe) -> float:
    """Stop writing; return the seconds until all that was written can be read, or infinity."""
    start_s = time.perf_counter()
    writer.stop()

    def is_current() -> bool:
        found = [question.read() // 10 for question in probe.questions]
        return found == writer.committed and client_view.is_current(client.native)

    return time.perf_counter() - start_s if wait_until(is_current, RECOVERY_S, POLL_S) else float("inf")


def await_resources(wanted: Resources) -> Resources:
    """Wait until there is no more than is wanted, but not for ever; return what there is."""

    def is_little_enough() -> bool:
        gc.collect()
        return Resources().has_no_more_than(wanted)

    wait_until(is_little_enough, RECOVERY_S, POLL_S)
    return Resources()
