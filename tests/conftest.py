"""What all tests have in common: how many examples hypothesis tries, and the options for traps.

``HYPOTHESIS_PROFILE=thorough`` tries many more examples, and other ones in each run.
"""

import os
import signal

import pytest
from hypothesis import settings

from tests.support.guardian import start_guardian
from tests.support.traps import TrapReport, trap_numbers

# The same examples in every run, so that a failure is due to the change at hand. No deadline: the machine may be busy.
settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options ``--trap``, ``--trap-report`` and ``--all-storages``."""
    group = parser.getgroup("traps", "faults of the existing software that must be absent here")
    group.addoption(
        "--trap",
        action="append",
        type=int,
        default=[],
        metavar="NUMBER",
        help="run only the tests that show the absence of this trap; may be given more than once",
    )
    group.addoption("--trap-report", action="store_true", help="end with a table of the traps that were tested")
    parser.addoption(
        "--all-storages", action="store_true", help="run the tests of the API on every storage, not a marked sample"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C back, start what ends with this run, and the report of traps, if it is wanted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts its background jobs so, and processes that tests start would inherit it, and never end by
        # Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The workers of pytest-xdist belong to the run of the process that starts them.
    if not hasattr(config, "workerinput"):
        start_guardian()
    if config.getoption("--trap-report"):
        config.pluginmanager.register(TrapReport())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the wanted traps, and note each test's traps for the report."""
    for item in items:
        item.user_properties.extend((TrapReport.PROPERTY, number) for number in trap_numbers(item))
    wanted = set(config.getoption("--trap"))
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if wanted.isdisjoint(trap_numbers(item))])
        items[:] = [item for item in items if not wanted.isdisjoint(trap_numbers(item))]
