"""What is said of connections that were ended."""

import logging

import pytest

from heksher.server.http.ended import Ended
from tests.support.connection_metrics import ConnectionMetrics


def test_connections_that_were_ended_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture):
    """However many there are; nothing is logged where there were none."""
    metrics = ConnectionMetrics()
    ended = Ended(metrics)
    ended.report(0.0, count=1, limit=10, held_bytes=5)
    assert [] == caplog.messages
    for second in range(1, 120):
        ended.note("slow_head")
        if second == 1:
            ended.note("room")
        ended.report(float(second), count=3, limit=10, held_bytes=7)
    assert [
        "ended connections: 1 made room for others, 1 sent no complete head in time; 3 are open, at most 10 can be",
        "ended connections: 60 sent no complete head in time; 3 are open, at most 10 can be",
    ] == caplog.messages
    assert {logging.WARNING} == {record.levelno for record in caplog.records}
    assert {"slow_head": 119, "room": 1} == metrics.ended
    assert (3, 10, 7) == (metrics.connections, metrics.limit, metrics.held_bytes)


def test_without_metrics_the_log_alone_tells(caplog: pytest.LogCaptureFixture):
    """As where any application is served."""
    ended = Ended(None)
    ended.note("full")
    ended.report(0.0, count=10, limit=10, held_bytes=0)
    assert 1 == len(caplog.messages)
