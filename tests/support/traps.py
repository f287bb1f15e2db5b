"""Traps: faults of the existing software (docs/reference/compatibility.md) that ours must not have.

A test that shows the absence of one carries ``@pytest.mark.trap(N)``. ``pytest --trap N`` runs the tests of one trap,
``pytest --trap-report`` ends with a table of all of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS_DIRECTORY = Path(__file__).parent.parent

# The traps that the client and the service as they stand can fall into. The others are about what is still to be built.
REQUIRED_TRAPS = frozenset(range(1, 47))
ALL_TRAPS = frozenset(range(1, 51))


def find_marked_traps(directory: Path = TESTS_DIRECTORY) -> dict[int, set[str]]:
    """Find the traps that are marked in test modules, with the modules; nothing is imported for it."""
    marked: dict[int, set[str]] = {}
    for path in sorted(directory.rglob("test_*.py")):
        for number in _find_marks(ast.parse(path.read_text(encoding="utf-8"))):
            marked.setdefault(number, set()).add(path.relative_to(directory).as_posix())
    return marked


def _find_marks(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="trap"),
                args=[ast.Constant(value=int() as number)],
            ):
                yield number


def trap_numbers(item: pytest.Item) -> list[int]:
    """List the traps that a test is marked with."""
    return [mark.args[0] for mark in item.iter_markers("trap")]


class TrapReport:
    """Prints, at the end of a test run, which traps its tests have shown to be absent."""

    # What a test's reports carry its traps under. It is a user property, because marks stay behind in a worker process.
    PROPERTY = "trap"

    def __init__(self) -> None:
        # Trap, then test function, to whether no run of it has failed.
        self._results: dict[int, dict[str, bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test whose set-up failed or was skipped has no call; one that passed its call can still fail when torn down.
        if report.when != "call" and not report.failed:
            return
        for name, number in report.user_properties:
            if name == self.PROPERTY:
                assert isinstance(number, int)
                function = report.nodeid.partition("[")[0]
                results = self._results.setdefault(number, {})
                results[function] = results.get(function, True) and report.passed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("traps")
        for number in sorted(self._results):
            terminalreporter.line(self._write_line(number))
        passed = sum(all(results.values()) for results in self._results.values())
        terminalreporter.line(f"{passed} of {len(self._results)} traps passed")

    def _write_line(self, number: int) -> str:
        results = self._results[number]
        verdict = "passed" if all(results.values()) else "failed"
        return f"trap {number}: {verdict} ({', '.join(sorted(results))})"
