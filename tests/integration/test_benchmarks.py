"""The benchmarks' own machinery, on this library and in a tiny configuration; no time is judged."""

import gc
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import contest, guard, report, run, worker
from benchmarks.contest import Contest, Effort, Entry
from benchmarks.disturbance import CheckedReaders, MixedAnswerError
from benchmarks.environments import UnavailableError
from benchmarks.peers.base import BaseAdapter, Call
from benchmarks.peers.this import Adapter
from benchmarks.process import WorkerProcess
from benchmarks.timing import ask_all, make_floor_calls, make_loop
from benchmarks.workloads import AMBIENT, LARGE, MEDIUM, NAMES, NO_RULES, SMALL, Question, Workload, make_workload
from tests.support.oracle import resolve
from tests.support.processes import ROOT

# Enough for a machine on which coverage is measured: one round of questions must not take longer.
TINY = Effort(rounds=1, repeats=1, budget_s=0.01, large_count=50)


class WrongAdapter(BaseAdapter):
    """A library that gives everybody the same value."""

    title = "wrong"
    distribution = "pytest"

    def encode(self, workload: Workload) -> bytes:
        return b""

    def load(self, wire: bytes) -> None:
        pass

    def call(self, question: Question) -> Call:
        return Call("{answer}()", {"answer": lambda: "v4"})


@pytest.fixture(autouse=True)
def _frozen_heap() -> Iterator[None]:
    """Keep what earlier tests have left out of the garbage collections that a measurement begins with."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def _this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own environment serves as the one of each library: nothing is installed."""
    monkeypatch.setattr(contest, "build_environment", lambda _adapter, _python: Path(sys.executable))


@pytest.mark.parametrize("name", NAMES)
def test_workload_answers(name: str):
    """The answers that libraries are compared with are those of the specification."""
    workload = make_workload(name, 50)
    rules = {number: rule.conditions for number, rule in enumerate(workload.rules)}
    winners = [
        resolve(rules, question.context, ("environment", "user", "theme")).winner for question in workload.questions
    ]
    expected = ["default" if winner is None else workload.rules[winner].value for winner in winners]
    assert expected == workload.expected


def test_workload_sizes():
    """The workloads have the numbers of rules that their names promise."""
    sizes = {SMALL: 5, MEDIUM: 1_000, LARGE: 100_000, NO_RULES: 0, AMBIENT: 5}
    assert sizes == {name: len(make_workload(name).rules) for name in NAMES}


def test_loop_makes_the_calls_in_rotation():
    """A loop makes each call as often as it is told to, after what stands before it; an empty one does only that."""
    made: list[str] = []
    calls = [Call("{make}('call')", {"make": made.append}, "{make}('before')")]
    make_loop(calls)(2)
    make_loop(calls, is_empty=True)(1)
    assert ["before", "call", "before", "call", "before"] == made


def test_floor_answers_nothing():
    """The floor takes the questions of the small workload, and does nothing."""
    assert [None] * len(make_workload(SMALL).questions) == ask_all(make_floor_calls())


@pytest.mark.parametrize("name", NAMES)
def test_worker_measures_this_library(name: str):
    """Our own adapter loads each workload, answers every question rightly, and gives samples."""
    measuring = worker.Worker(Adapter, floor_budget_s=0.0005)
    try:
        loaded = measuring.load(name, large_count=50)
        measuring.prepare(budget_s=0.0005)
        sample = measuring.sample()
    finally:
        measuring.unload()
    assert [] == loaded["wrong"]
    assert {"floor_ns", "ns"} == set(sample)


def test_worker_refuses_wrong_answers():
    """An adapter whose answers are wrong is found out, with the question, the right answer and the given one."""
    wrong = worker.Worker(WrongAdapter).load(SMALL, large_count=50)["wrong"]
    assert "small: {'environment': 'prod', 'user': 'guest', 'theme': 'dark'} should give 'v0', not 'v4'" == wrong[0]


def test_worker_answers_errors():
    """A command that fails is answered with its error, and the next one is served."""
    answers = io.StringIO()
    commands = io.StringIO('{"do": "sample"}\n{"do": "describe"}\n')
    worker.serve(worker.Worker(WrongAdapter), commands, answers)
    failed, described = map(json.loads, answers.getvalue().splitlines())
    assert {"error": "RuntimeError: nothing is prepared"} == failed
    assert "wrong" == described["title"]


def make_results(summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "entries": [summary],
        "large_count": 50,
        "date": "today",
        "machine": "this",
        "is_quick": True,
        "rounds": 1,
    }


@pytest.mark.usefixtures("_this_environment")
def test_contest_measures_and_reports():
    """A contest of this library with itself gives figures for every workload, and both reports show them."""
    ours = Entry("this", "3")
    with Contest(ours, TINY) as measuring:
        summary = measuring.measure(ours).summarize()
    assert summary["problem"] is None
    assert list(NAMES) == list(summary["workloads"])
    results = make_results(summary)
    assert "heksher (this one)" in report.render_terminal(results)
    assert "| heksher (this one) |" in report.render_page(results)


def test_contest_names_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    """A library whose environment cannot be built stands in the results with the reason, and so in the reports."""

    def build(_adapter: str, _python: str) -> Path:
        raise UnavailableError("no wheel for this machine")

    monkeypatch.setattr(contest, "build_environment", build)
    with Contest(Entry("this", "3"), TINY) as measuring:
        summary = measuring.measure(Entry("eppo", "3")).summarize()
    results = make_results(summary)
    assert "eppo is missing or incomplete: no wheel for this machine" in report.render_terminal(results)


def test_process_is_ended_when_it_takes_too_long(tmp_path: Path):
    """A worker that does not answer in time is ended, and that is what the error says."""
    never = tmp_path / "python"
    never.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    never.chmod(0o755)
    with (
        WorkerProcess(never, "this", command_timeout_s=0.001) as process,
        pytest.raises(UnavailableError, match=r"'describe' ended the process, or took longer than 0.001 s"),
    ):
        process.do("describe")


def test_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]):
    """A library that there is no adapter for gets the list of those that there are."""
    with pytest.raises(SystemExit):
        run.parse(["--peers", "eppo,nobody"])
    assert "unknown: nobody; there are published, eppo" in capsys.readouterr().err


@pytest.mark.parametrize("peer", ["this", *run.PEERS])
def test_peer_is_complete(peer: str):
    """Each library has an adapter and pinned requirements."""
    pins = (ROOT / "benchmarks" / "requirements" / f"{peer}.txt").read_text().splitlines()
    assert (ROOT / "benchmarks" / "peers" / f"{peer}.py").exists()
    assert [] == [pin for pin in pins if "==" not in pin]


def test_guard_judges_by_the_bounds():
    """The guard names what is above its bound, what has none, and what was not measured."""
    measured = {"small": 3.0, "medium": 2.0, "large": 1.0, "default": -3.5}
    problems = guard.judge(measured, {"small": 2.5, "medium": 2.0, "default": 1.2})
    assert [
        "small: 3.00 times the floor, which is more than 2.50",
        "large: 1.00 times the floor, and no bound; write one with --write",
        "default: -3.50 times the floor, which is less than a call that does nothing",
    ] == problems


def test_guard_writes_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bounds are written with room above what was measured; those of other versions stay."""
    monkeypatch.setattr(guard, "BOUNDS", tmp_path / "bounds.toml")
    guard.write_bounds("time", "3.11", {"small": 3.0})
    guard.write_bounds("instructions", "3.13", {"small": 2.0})
    written: dict[str, Any] = guard.tomllib.loads((tmp_path / "bounds.toml").read_text())
    assert {"time": {"3.11": {"small": 4.8}}, "instructions": {"3.13": {"small": 2.2}}} == written


@pytest.mark.parametrize("is_updated", [False, True])
def test_checked_readers_find_no_mixture(is_updated: bool):
    """Readers beside a writer get, each time, what one of the rule sets gives."""
    found = CheckedReaders(seed=1).run(2, 0.1, is_updated=is_updated)
    assert is_updated == (found["updates_per_s"] > 0)


def test_checked_readers_notice_a_mixture(monkeypatch: pytest.MonkeyPatch):
    """An answer that belongs to no rule set stops the run."""
    readers = CheckedReaders(seed=1)
    monkeypatch.setattr(readers, "_expected", [["another value"] * 8] * 6)
    with pytest.raises(MixedAnswerError, match="the rule set of that value gives 'another value'"):
        readers.run(1, 5.0)
