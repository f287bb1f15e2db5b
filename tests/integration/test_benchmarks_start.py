"""The measurement of starts on PostgreSQL: few processes, few settings."""

import pytest

from benchmarks.environments import ROOT
from benchmarks.start_postgres import measure_site
from benchmarks.starting.program import Plan


@pytest.mark.parametrize("declares_apart", [False, True])
def test_all_start(declares_apart: bool):
    """Also while the database is away, which is not asked then."""
    plan = Plan("", "async", processes=2, settings=3, declares_apart=declares_apart)
    lines = list(measure_site(0.002, plan, ROOT))
    assert [True] * 3 == [line.is_met for line in lines], lines
    assert "0 transactions, 0 statements" in lines[-1].figure
