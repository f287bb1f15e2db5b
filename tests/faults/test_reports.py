"""``make soak`` and ``make faults-table``: that they run, and what they call a fault of ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import soak, table
from tests.faults.backstage import Backstage
from tests.faults.catalogue import FAULTS, NO_FAULT
from tests.support.fault_actions import ACTIONS
from tests.support.processes import DEADLINE_S, ROOT

GOOD = {
    "kind": "async", "exceptions": [], "wrong": [], "missed": [], "leaks": [], "late": {"duplicated": 1}, "reads": 9,
    "changes": 9, "updates": {"ok": 9, "failed": 1}, "faults": {"500": 1}, "log_lines": 2, "recovery_s": 0.1,
    "status": "stale", "threads": [1, 2, 2, 1], "sockets": [1, 2, 2, 1], "resident_mb": [50.0, 50.0, 50.0, 50.0],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_soak_is_clean(kind: str):
    """A few seconds of random faults leave nothing behind."""
    command = [sys.executable, "-m", "tests.faults.soak", "--kind", kind, "--minutes", "0.03", "--seed", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=True)
    assert [] == soak.judge(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"exceptions": ["KeyError('a')"]}, "async: exceptions: [\"KeyError('a')\"]"),
        ({"wrong": ["21 after generation 3"]}, "async: wrong: ['21 after generation 3']"),
        ({"missed": ["2, not 3"]}, "async: missed: ['2, not 3']"),
        ({"leaks": ["after close"]}, "async: leaks: ['after close']"),
        ({"recovery_s": float("inf")}, "async: current only inf s after the last fault; it was stale"),
        ({"updates": {"failed": 5}}, "async: nothing was tried"),
    ],
)
def test_soak_judges(change: dict, problem: str):
    """Whatever is not as it should be is named; a run without any of it passes."""
    assert ([], [problem]) == (soak.judge(GOOD), soak.judge({**GOOD, **change}))


def test_soak_table():
    """The table has a column for each client."""
    lines = soak.render([GOOD, {**GOOD, "kind": "thread", "reads": 1_000}]).splitlines()
    assert ["|  | async | thread |", "| --- | --- | --- |"] == lines[:2]
    assert "| reads, each of them checked | 9 | 1,000 |" in lines


def test_table(backstage: Backstage):
    """A row has the async client's figures, then the thread client's; with nothing wrong there is nothing to say."""
    rows = list(table.measure(backstage, [NO_FAULT]))
    cells = table.render(rows).splitlines()[2].split(" | ")
    assert ["| (no fault)", "current", "0", "yes"] == cells[:4]
    assert [] == [problem for row in rows for problem in row.problems()]
    assert "* 0 exceptions, and 0 runs with a wrong value, in " in table.summarize(rows)


def test_page_is_written_between_its_markers(tmp_path: Path):
    """The tables replace what was there, and nothing else."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.MARKERS[0]}\nold\n{table.MARKERS[1]}\nafter\n", encoding="utf-8")
    table.write_page("new", page)
    expected = f"before\n{table.MARKERS[0]}\n\nnew\n\n{table.MARKERS[1]}\nafter\n"
    assert expected == page.read_text(encoding="utf-8")


def test_catalogue_and_proxy_know_the_same():
    """Each fault is one that the proxy can make, and each that it can make is tried."""
    used = {action for fault in FAULTS for action in (fault.action, fault.before)}
    assert set(ACTIONS) == used


def test_every_fault_is_documented():
    """The documentation says of each fault what comes of it."""
    text = table.PAGE.read_text(encoding="utf-8")
    assert [] == [fault.name for fault in FAULTS if f"| {fault.name} |" not in text]
