"""Thousands of writes in one request: ``make bench-bulk``.

10,000 new rules, then a new value for each, then their deletions, one request each, then the way back, on SQLite and on
PostgreSQL on the same machine: seconds until the answer, of which other writes wait for most. Ends with 1 if one takes
too long, or if one that is refused at its last operation leaves anything.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.figures import Line
from benchmarks.report import render_terminal_updates
from tests.support.api import FEATURES, Api
from tests.support.storages import make_place, see_everything

KINDS: Final = ("sqlite", "postgres")
OPERATIONS: Final = 10_000
# Rules that are there already: what one bulk costs must not depend on them.
OTHERS: Final = 90_000
SETTINGS: Final = 10
MAX_S: Final = 10.0

Operation = dict[str, object]


class Taken(NamedTuple):
    """What a request took, and how it was answered."""

    wall_s: float
    processor_s: float
    status: int


def add(numbers: Iterable[int]) -> list[Operation]:
    """Make the operations that add rules."""
    return [
        _operate(
            "POST",
            "/rules",
            {"setting": f"setting_{number % SETTINGS}", "feature_values": {"user": f"user_{number}"}, "value": number},
        )
        for number in numbers
    ]


def _operate(method: str, path: str, body: object = None) -> Operation:
    return {"method": method, "path": f"/api/v1{path}", "body": body}


def send(api: Api, operations: list[Operation]) -> Taken:
    """Send one bulk."""
    return _post(api, "/bulk", {"operations": operations})


def take_back(api: Api) -> Taken:
    """Take the newest change back."""
    return _post(api, f"/changes/{api.revision()}/revert")


def _post(api: Api, path: str, body: object = None) -> Taken:
    began_s, began_processor_s = time.perf_counter(), time.process_time()
    response = api.post(f"/api/v1{path}", json=body)
    return Taken(time.perf_counter() - began_s, time.process_time() - began_processor_s, response.status_code)


def measure(kind: str, count: int, others: int) -> Iterator[Line]:
    """Measure each kind of bulk on a database of one kind."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        storage = place.connect()
        storage.open()
        try:
            api = Api(storage)
            api.add_features(*FEATURES)
            for number in range(SETTINGS):
                api.declare(f"setting_{number}")
            for first in range(0, others, OPERATIONS):
                send(api, add(range(first, min(first + OPERATIONS, others))))
            new = range(others, others + count)
            ids = [number + 1 for number in new]
            kinds: dict[str, Callable[[], list[Operation]]] = {
                "new rules": lambda: add(new),
                "new values": lambda: [_operate("PUT", f"/rules/{rule_id}/value", {"value": -1}) for rule_id in ids],
                "deletions": lambda: [_operate("DELETE", f"/rules/{rule_id}") for rule_id in ids],
            }
            for what, make in kinds.items():
                before = see_everything(storage)
                failed = send(api, [*make()[:-1], _operate("DELETE", "/rules/0")])
                is_unchanged = failed.status == HTTPStatus.NOT_FOUND and before == see_everything(storage)
                yield Line(f"{count:,} {what}, the last one refused, {kind}", _describe(failed), is_unchanged)
                yield _tell(f"{count:,} {what}, {kind}", send(api, make()))
            yield _tell(f"{count:,} deletions taken back, {kind}", take_back(api))
        finally:
            storage.close()


def _tell(what: str, done: Taken) -> Line:
    return Line(what, _describe(done), done.status == HTTPStatus.OK and done.wall_s <= MAX_S)


def _describe(taken: Taken) -> str:
    return f"{taken.wall_s:.1f} s ({taken.processor_s:.1f} s of the service's processor), {taken.status}"


def main() -> int:
    """Measure and print; return 1 if something was not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the operations, among a tenth of the rules")
    share = 10 if parser.parse_args().quick else 1
    lines = [line for kind in KINDS for line in measure(kind, OPERATIONS // share, OTHERS // share)]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
