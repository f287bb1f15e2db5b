"""Records the metrics of two real replicas on one PostgreSQL, with load: ``make alerts-record``.

Twice, and each in the time that it takes, as alerts are about minutes: of a pair in good health, one of which is
restarted as in an upgrade, and of a pair of which one falls ill, as below.
"""

import argparse
import itertools
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.alerts.series import STEP_S, STEPS_PER_SCRAPE, Recording
from tests.support.postgres import PostgresServer, private_postgres, run_sql
from tests.support.replicas import Replicas

HERE = Path(__file__).parent
_SCRAPE_TIMEOUT_S = 4.0
_WRITE_PAUSE_S = 0.2
_QUERY_PAUSE_S = 0.1
# How long the processes of a machine that has too much to do are kept waiting, and how long each may go on then.
_STARVED_S = 0.15
_GOING_S = 0.004


class Scene:
    """Two replicas with load, of which the second has a role of its own in the database.

    Args:
        postgres: the database.
        replicas: the two, running.
    """

    def __init__(self, postgres: PostgresServer, replicas: Replicas) -> None:
        self.replicas = replicas
        self._postgres = postgres
        replicas.declare("size")
        self._rule_id = replicas.add_rule("size", {"user": "u0"}, 0)
        self._is_over = threading.Event()
        for work, pause_s in ((self._write, _WRITE_PAUSE_S), (self._query, _QUERY_PAUSE_S)):
            threading.Thread(target=self._repeat, args=(work, pause_s), daemon=True).start()

    def end(self) -> None:
        """End the load, and let everything go on that is held."""
        self._is_over.set()

    def restart_second(self) -> None:
        """Replace the second replica, as an upgrade does."""
        self.replicas.services[1].stop()
        self.replicas.bring_back(1)

    def cut_off_second(self) -> None:
        """Take the database away from the second replica."""
        run_sql(self._postgres.url, "ALTER ROLE second NOLOGIN")
        run_sql(self._postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'second'")

    def kill_worker_of_second(self) -> None:
        """Kill one of its workers: without the database no other one can take its place."""
        os.kill(self._list_workers()[0], signal.SIGKILL)

    def starve_second(self) -> None:
        """Let its workers go on only a little, from now on."""
        threading.Thread(target=self._starve, args=(self._list_workers(),), daemon=True).start()

    def kill_second(self) -> None:
        """Kill it with all of its workers."""
        for pid in (self.replicas.services[1].process.pid, *self._list_workers()):
            os.kill(pid, signal.SIGKILL)

    def lose_metrics_of_first(self) -> None:
        """Remove the files of its numbers, as a cleaner of temporary files may do."""
        maps = Path(f"/proc/{self._list_workers(0)[0]}/maps").read_text()
        shutil.rmtree(re.search(r"(/\S*/heksher-metrics-[^/]+)/", maps)[1])

    def _list_workers(self, number: int = 1) -> list[int]:
        pid = self.replicas.services[number].process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _starve(self, workers: list[int]) -> None:
        # Until they are killed.
        with suppress(ProcessLookupError):
            while not self._is_over.is_set():
                for kind, span_s in ((signal.SIGSTOP, _STARVED_S), (signal.SIGCONT, _GOING_S)):
                    for worker in workers:
                        os.kill(worker, kind)
                    time.sleep(span_s)

    def _repeat(self, work: Callable[[httpx2.Client, str, int], object], pause_s: float) -> None:
        with httpx2.Client(timeout=_SCRAPE_TIMEOUT_S) as http:
            for number in itertools.count():
                if self._is_over.wait(pause_s):
                    return
                for url in self.replicas.urls:
                    # One of them may be away.
                    with suppress(httpx2.HTTPError):
                        work(http, url, number)

    def _write(self, http: httpx2.Client, url: str, number: int) -> None:
        http.put(f"{url}/api/v1/rules/{self._rule_id}/value", json={"value": number})

    def _query(self, http: httpx2.Client, url: str, number: int) -> None:
        # Each other one is new.
        http.get(f"{url}/api/v1/query", params={"context_filters": f"user:(u{number // 2})"})


@contextmanager
def staging() -> Iterator[Scene]:
    """Start everything, and stop it in the end."""
    with private_postgres() as postgres:
        run_sql(postgres.url, "CREATE ROLE second LOGIN SUPERUSER")
        urls = [postgres.url, postgres.url.replace("user=heksher", "user=second")]
        with Replicas(urls, "--context-features", "user", "--workers", "2") as replicas:
            scene = Scene(postgres, replicas)
            try:
                yield scene
            finally:
                scene.end()


# What happens when, in seconds, and how long it all takes.
Play = tuple[Mapping[int, Callable[[Scene], None]], int]
PLAYS: Mapping[str, Play] = {
    "healthy": ({300: Scene.restart_second}, 600),
    "sick": (
        {
            60: Scene.cut_off_second,
            70: Scene.kill_worker_of_second,
            90: Scene.starve_second,
            630: Scene.kill_second,
            690: Scene.lose_metrics_of_first,
        },
        870,
    ),
}


def record(play: Play) -> Recording:
    """Play it, and scrape each replica at its turns."""
    events, length_s = play
    recording = Recording()
    with staging() as scene, httpx2.Client(timeout=_SCRAPE_TIMEOUT_S) as http:
        started, started_s = time.monotonic(), time.time()
        for step in range(length_s // STEP_S):
            time.sleep(max(0.0, started + step * STEP_S - time.monotonic()))
            if event := events.get(step * STEP_S):
                event(scene)
            scrape, turn = divmod(step, STEPS_PER_SCRAPE)
            if turn < len(scene.replicas.urls):
                recording.add(f"heksher-{turn + 1}", scrape, _scrape(http, scene.replicas.urls[turn]), started_s)
    return recording


def _scrape(http: httpx2.Client, url: str) -> str | None:
    try:
        return http.get(f"{url}/metrics").raise_for_status().text
    except httpx2.HTTPError:
        return None


def main() -> None:
    """Record what is asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PLAYS, []], help="which recordings to make; default: all")
    for name in parser.parse_args().names or PLAYS:
        record(PLAYS[name]).save(HERE / f"{name}.jsonl")


if __name__ == "__main__":
    main()
