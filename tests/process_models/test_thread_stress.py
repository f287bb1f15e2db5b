"""A short run of the thread stress."""

import pytest

from tests.process_models.thread_stress import ACTIVITIES, Stress
from tests.support.drivers import own_process  # noqa: F401 - a fixture


@pytest.mark.usefixtures("own_process")
def test_threads_that_do_everything_at_once():
    """Whatever threads do at the same time, each is answered as if it were alone."""
    stress = Stress()
    stress.run(seconds=2)
    assert [] == stress.faults
    assert {activity.__name__ for activity in ACTIVITIES} == {name for name, count in stress.counts.items() if count}
