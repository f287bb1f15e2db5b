"""What all tests have in common: how many examples hypothesis tries, the options, and what ends with the run.

``--full`` is what CI runs besides: matters of chance are tried more often, and the API is tested on each storage.
``HYPOTHESIS_PROFILE=thorough`` tries many more examples, and other ones in each run.
"""

import gc
import os
import random
import signal
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from heksher.server.access import password
from tests.support.guardian import start_guardian
from tests.support.threads import new_threads  # noqa: F401 - a fixture
from tests.support.traps import TrapReport, trap_numbers

# The same examples in every run, so that a failure is due to the change at hand. No deadline: the machine may be busy.
settings.register_profile("default", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)


@pytest.fixture(autouse=True)
def keep_signal_handler() -> Iterator[None]:
    """No test leaves another handler for Ctrl-C: some later test would be ended by it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert after is before, f"the test has left the handler {after} for SIGINT"


@pytest.fixture(scope="session", autouse=True)
def real_password_hasher() -> Iterator[PasswordHasher]:
    """Have passwords cost nothing in this process; return what makes them cost what they cost elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        real = password._hasher
        patch.setattr(password, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield real


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the project's own options."""
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
        "--full",
        action="store_true",
        help="try as many examples, kill as often, and test the API on as many storages, as CI does",
    )
    parser.addoption("--shuffle", metavar="SEED", help="run the tests in another order, which the seed decides")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the number of examples, take Ctrl-C back, and start what belongs to the run."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full" if config.getoption("--full") else "default"))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts its background jobs so, and processes that tests start would inherit it, and never end by
        # Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Until everything is collected: nearly all that is made meanwhile stays, and to look for the rest takes a quarter
    # of the time.
    gc.disable()
    # Where it is set, each process that a test starts compiles all libraries anew: services start twice as slowly.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # The workers of pytest-xdist belong to the run of the process that starts them.
    if not hasattr(config, "workerinput"):
        start_guardian()
    if config.getoption("--trap-report"):
        config.pluginmanager.register(TrapReport())


# Optional, as no such hook is known to a run without pytest-xdist.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers ``-n auto`` is: two for each processor, as many tests wait for a process or a clock."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Let the garbage collector run from now on, and pass over the thousands of tests that were collected."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the wanted traps, in the wanted order, and note each test's traps for the report."""
    if seed := config.getoption("--shuffle"):
        # Each worker of pytest-xdist has to come to the same order.
        random.Random(seed).shuffle(items)  # noqa: S311 - an order, not a secret
    for item in items:
        item.user_properties.extend((TrapReport.PROPERTY, number) for number in trap_numbers(item))
    wanted = set(config.getoption("--trap"))
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if wanted.isdisjoint(trap_numbers(item))])
        items[:] = [item for item in items if not wanted.isdisjoint(trap_numbers(item))]
