"""Asking a web server's workers what they read: over and over, as nobody can choose the worker that answers."""

import http.client
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.process_models.programs import CURRENT_WITHIN_S, START_WITHIN_S, Program

WORKERS = 2
# Asked at the same time, so that a server has to use all of its workers.
_REQUESTS_AT_ONCE = 8
_PAUSE_S = 0.02


def await_workers(program: Program, port: str, value: int) -> set[int]:
    """Wait until all workers are there and read a value; return their process ids."""
    return _await_answers(program, port, value, frozenset(), START_WITHIN_S)


def await_answers(program: Program, port: str, value: int, workers: Iterable[int]) -> None:
    """Wait until each of the workers answers a value."""
    _await_answers(program, port, value, frozenset(workers), CURRENT_WITHIN_S)


def _await_answers(program: Program, port: str, value: int, workers: frozenset[int], within_s: float) -> set[int]:
    """Ask until so many workers as there should be, and these among them, have answered a value."""
    deadline_s = time.monotonic() + within_s
    answers: dict[int, set[int]] = {}
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        while time.monotonic() < deadline_s:
            for pid, read in pool.map(_ask, [port] * _REQUESTS_AT_ONCE, [within_s] * _REQUESTS_AT_ONCE):
                answers.setdefault(pid, set()).add(read)
            current = {pid for pid, values in answers.items() if value in values}
            if len(current) >= WORKERS and workers <= current:
                return current
            time.sleep(_PAUSE_S)
    program.fail(f"{WORKERS} workers, {sorted(workers)} among them, do not all answer {value}, but {answers}")
    return set()


def _ask(port: str, within_s: float) -> tuple[int, int]:
    """Ask a worker, whichever it is, for its process id and what it reads; it may still be starting."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=within_s)
    try:
        connection.request("GET", "/")
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer["pid"], answer["value"]
