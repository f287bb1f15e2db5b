"""The program whose start is measured: processes that each start a client on their own, all at one moment.

``python program.py PLAN``, with a ``Plan`` in JSON. It prints ``ready`` once nothing is left to do but to start, starts
at the end of its standard input, and prints an ``Outcome`` in JSON for each process. Importing and declaring is done
before, once for all: processes are forked, so that what is measured is the start.

It imports nothing of this folder, so it runs on any version of the library that ``PYTHONPATH`` names.
"""

import asyncio
import gc
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Generator
from typing import Any, NamedTuple

import heksher
from heksher import wire

FEATURE = "user"
# The service does not know it.
UNKNOWN_FEATURE = "zone"
WATCHED = "watched"
INTERVAL_S = 0.5

# How often a program looks at its setting, and at whether all are declared.
_LOOK_S = 0.01
_DECLARED_LOOK_S = 0.25
# How long it waits for declarations that were to be tried again.
_PATIENCE_S = 60.0
_SERVER_ERRORS = 500


class Plan(NamedTuple):
    """What is to be started.

    Attributes:
        client: ``"async"`` or ``"thread"``.
        settings: how many each process declares, the same ones in each.
        updates: the client's option of that name.
        has_refused: whether each process declares another one, whose feature the service does not know.
        watched_s: for how many seconds after the start the updates are watched; 0 for none.
        declares_apart: whether each setting is declared by a request of its own, as the existing client does.
    """

    url: str
    client: str
    processes: int
    settings: int
    updates: str = "poll"
    has_refused: bool = False
    watched_s: float = 0.0
    declares_apart: bool = False


class Outcome(NamedTuple):
    """How it went for one process.

    Attributes:
        started_s: seconds until the client had started, or until that had failed.
        declared_s: seconds until all settings were declared; ``None`` if that was not waited for, or in vain.
        error: why the start failed; empty if it did not.
        requests: how many were sent in all until then.
        declarations: how many of them declared settings.
        failures: how many got a 5xx, or no answer.
        gaps_s: between each two changes of the setting that is watched, with those to the beginning and to the end.
    """

    started_s: float
    declared_s: float | None
    error: str
    requests: int
    declarations: int
    failures: int
    gaps_s: list[float]


class Tally:
    """Counts what a client sends.

    Attributes:
        requests: how many were sent.
        declarations: how many of them declare settings.
        answers: how many got an answer other than a 5xx.
    """

    def __init__(self) -> None:
        self.requests = self.declarations = self.answers = 0

    def make_hooks(self, client: str) -> dict[str, list[Any]]:
        """Make the hooks of the HTTP client that count."""
        if client == "thread":
            return {"request": [self._note_request], "response": [self._note_response]}

        async def note_request(request: Any) -> None:
            self._note_request(request)

        async def note_response(response: Any) -> None:
            self._note_response(response)

        return {"request": [note_request], "response": [note_response]}

    def _note_request(self, request: Any) -> None:
        self.requests += 1
        self.declarations += "/settings/declare" in request.url.path

    def _note_response(self, response: Any) -> None:
        self.answers += response.status_code < _SERVER_ERRORS


# Yields the seconds to sleep, so that both clients run the same code.
Steps = Generator[float, None, None]


class Start:
    """The start of one client, and what comes after it.

    Args:
        began_s: by the monotonic clock.
    """

    def __init__(self, plan: Plan, settings: list[Any], tally: Tally, began_s: float) -> None:
        self._plan = plan
        self._settings = settings
        self._tally = tally
        self._began_s = began_s
        self._started_s = 0.0
        self._declared_s: float | None = None
        self._error = ""
        self._counts = (0, 0, 0)
        self._moments_s: list[float] = []

    def end(self, error: Exception | None) -> None:
        """Note how the start has ended."""
        self._started_s = time.monotonic() - self._began_s
        self._error = "" if error is None else repr(error)
        self._count()

    def observe(self, client: Any) -> Steps:
        """Wait for the declarations of a client that has started, or watch updates, as the plan says."""
        if self._plan.watched_s:
            yield from self._watch()
        elif not self._error:
            yield from self._await_declarations(client)

    def report(self) -> Outcome:
        """Return how it went."""
        gaps_s = [
            round(later - earlier, 3) for earlier, later in zip(self._moments_s, self._moments_s[1:], strict=False)
        ]
        return Outcome(self._started_s, self._declared_s, self._error, *self._counts, gaps_s)

    def _await_declarations(self, client: Any) -> Steps:
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            if all(setting.is_declared for setting in client.status.settings.values()):
                self._declared_s = time.monotonic() - self._began_s
                break
            yield _DECLARED_LOOK_S
        self._count()

    def _watch(self) -> Steps:
        watched = self._settings[0]
        end_s = time.monotonic() + self._plan.watched_s
        self._moments_s.append(time.monotonic())
        value = watched.get(user="x")
        while (now_s := time.monotonic()) < end_s:
            if watched.get(user="x") != value:
                value = watched.get(user="x")
                self._moments_s.append(now_s)
            yield _LOOK_S
        self._moments_s.append(end_s)

    def _count(self) -> None:
        tally = self._tally
        self._counts = (tally.requests, tally.declarations, tally.requests - tally.answers)


def make_settings(plan: Plan) -> list[Any]:
    """Declare the settings; the first is the one that is watched."""
    names = [WATCHED, *(f"start.setting_{number}" for number in range(1, plan.settings))]
    settings: list[Any] = [heksher.Setting(name, int, [FEATURE], 0) for name in names]
    if plan.has_refused:
        settings.append(heksher.Setting("refused", int, [UNKNOWN_FEATURE], 0))
    return settings


def make_client(plan: Plan, tally: Tally, on_start_failure: str) -> Any:
    """Make a client that counts what it sends."""
    make = heksher.AsyncHeksherClient if plan.client == "async" else heksher.ThreadHeksherClient
    options: dict[str, Any] = {
        "http_client_args": {"event_hooks": tally.make_hooks(plan.client)},
        "on_start_failure": on_start_failure,
        "updates": plan.updates,
    }
    return make(plan.url, INTERVAL_S, [FEATURE], **options)


def run_process(plan: Plan, settings: list[Any], gate: int) -> Outcome:
    """Start a client when there is a byte to read from the gate, a pipe; return how it went."""
    return asyncio.run(_run_async(plan, settings, gate)) if plan.client == "async" else _run(plan, settings, gate)


def _run(plan: Plan, settings: list[Any], gate: int) -> Outcome:
    tally = Tally()
    client = make_client(plan, tally, "raise")
    os.read(gate, 1)
    start = Start(plan, settings, tally, time.monotonic())
    try:
        client.set_as_main()
        start.end(None)
    # Whatever it is, it is what is to be reported.
    except Exception as error:  # noqa: BLE001 - see above
        start.end(error)
        client.close()
        client = make_client(plan, tally, "continue")
        if plan.watched_s:
            client.set_as_main()
    for pause_s in start.observe(client):
        time.sleep(pause_s)
    client.close()
    return start.report()


async def _run_async(plan: Plan, settings: list[Any], gate: int) -> Outcome:
    tally = Tally()
    client = make_client(plan, tally, "raise")
    os.read(gate, 1)
    start = Start(plan, settings, tally, time.monotonic())
    try:
        await client.set_as_main()
        start.end(None)
    # Whatever it is, it is what is to be reported.
    except Exception as error:  # noqa: BLE001 - see above
        start.end(error)
        await client.aclose()
        client = make_client(plan, tally, "continue")
        if plan.watched_s:
            await client.set_as_main()
    for pause_s in start.observe(client):
        await asyncio.sleep(pause_s)
    await client.aclose()
    return start.report()


def fork_all(plan: Plan, settings: list[Any], gate: int, results: int) -> None:
    """Fork the processes, which write their outcomes to a pipe, a line each."""
    # What the collector would touch in each child would be copied there.
    gc.freeze()
    for _ in range(plan.processes):
        if os.fork() == 0:
            try:
                line = json.dumps(run_process(plan, settings, gate)) + "\n"
                os.write(results, line.encode())
            # There is nobody above to print it.
            except Exception:  # noqa: BLE001 - see above
                traceback.print_exc()
            finally:
                os._exit(0)


def main() -> None:
    """Run the plan that the command line says."""
    plan = Plan(*json.loads(sys.argv[1]))
    # Each of many processes would write of the same faults, which are counted.
    logging.disable()
    settings = make_settings(plan)
    if plan.declares_apart:
        # A capability that no service has.
        wire.DECLARE_MANY_CAPABILITY = "none"  # type: ignore[misc]  # a constant, as long as the program is not this one
    gate, gate_end = os.pipe()
    results, results_end = os.pipe()
    fork_all(plan, settings, gate, results_end)
    os.close(results_end)
    print("ready", flush=True)
    sys.stdin.read()
    os.write(gate_end, b"x" * plan.processes)
    with os.fdopen(results, encoding="utf-8") as lines:
        print(lines.read(), end="")


if __name__ == "__main__":
    main()
