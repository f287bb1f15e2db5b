"""What the service counts and measures."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from heksher.revision_id import RevisionId
from heksher.server.errors import StartupError
from heksher.server.metrics import Metrics, sharing_metrics
from heksher.version import __version__
from tests.support.processes import ROOT, run_python


def read_metrics(text: str) -> dict[str, float]:
    """Return the value of each series, without the labels of Python's version."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {re.sub(',?python=".*?",?', "", series): float(value) for series, _, value in lines}


def render(metrics: Metrics) -> dict[str, float]:
    return read_metrics(metrics.render()[0].decode())


@pytest.mark.trap(46)
def test_requests_are_counted_and_timed():
    """By route and status; the times by route alone."""
    metrics = Metrics()
    metrics.observe_request("/a", 200, 0.0004)
    metrics.observe_request("/a", 200, 0.004)
    metrics.observe_request("/a", 404, 20)
    metrics.observe_request("/b", 200, 0)
    found = render(metrics)
    expected = {
        'heksher_requests_total{route="/a",status="200"}': 2,
        'heksher_requests_total{route="/a",status="404"}': 1,
        'heksher_requests_total{route="/b",status="200"}': 1,
        'heksher_request_seconds_count{route="/a"}': 3,
        'heksher_request_seconds_sum{route="/a"}': 20.0044,
        'heksher_request_seconds_bucket{le="0.0001",route="/a"}': 0,
        'heksher_request_seconds_bucket{le="0.0005",route="/a"}': 1,
        'heksher_request_seconds_bucket{le="10.0",route="/a"}': 2,
        'heksher_request_seconds_bucket{le="+Inf",route="/a"}': 3,
        'heksher_request_seconds_count{route="/b"}': 1,
    }
    assert expected == {name: found.get(name) for name in expected}


def test_the_state_of_the_service_is_told(monkeypatch: pytest.MonkeyPatch):
    """What was said last of streams, catalog, cached answers and database."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    metrics = Metrics()
    metrics.set_streams(7)
    metrics.set_streams(5)
    metrics.count_stream_events(3)
    metrics.count_stream_events(4)
    metrics.count_dropped_stream()
    metrics.set_catalog(RevisionId(17, "ffffffffffff"), 200, 3000)
    metrics.note_lost_histories(2)
    metrics.note_lost_histories(3)
    metrics.set_ceilings(100_000, 5_000_000)
    metrics.note_catalog_current()
    metrics.note_stored_use(25)
    metrics.set_database_up(True)
    metrics.set_writes_possible(True)
    metrics.set_cache(12, 34_567)
    metrics.set_tokens_ending(6)
    metrics.set_webhooks(3, 1)
    metrics.count_given_up_webhook()
    metrics.set_proposals(7, 1.5)
    metrics.count_ended_proposal("applied")
    metrics.set_connections(8, 192, 4096)
    metrics.count_ended_connection("room")
    metrics.set_wanted_workers(4)
    metrics.note_answering()
    metrics.count_hit()
    metrics.count_hit()
    metrics.count_miss()
    assert {
        "heksher_streams": 5,
        "heksher_stream_events_total": 7,
        "heksher_streams_dropped_total": 1,
        "heksher_catalog_revision": 17,
        "heksher_catalog_stamp": 2**48 - 1,
        "heksher_histories_lost_total": 3,
        "heksher_catalog_settings": 200,
        "heksher_catalog_rules": 3000,
        "heksher_max_settings": 100_000,
        "heksher_max_rules": 5_000_000,
        "heksher_catalog_current_timestamp_seconds": 1_700_000_000,
        "heksher_clients": 25,
        "heksher_usage_stored_timestamp_seconds": 1_700_000_000,
        "heksher_database_up": 1,
        "heksher_writes_possible": 1,
        "heksher_cache_answers": 12,
        "heksher_tokens_ending": 6,
        "heksher_webhooks": 3,
        "heksher_webhooks_failing": 1,
        "heksher_webhooks_given_up_total": 1,
        "heksher_proposals_open": 7,
        "heksher_proposals_overdue_seconds": 1.5,
        'heksher_proposals_ended_total{state="applied"}': 1,
        "heksher_connections": 8,
        "heksher_connections_limit": 192,
        "heksher_request_bytes": 4096,
        'heksher_connections_ended_total{reason="room"}': 1,
        "heksher_cache_bytes": 34_567,
        "heksher_cache_hits_total": 2,
        "heksher_cache_misses_total": 1,
        "heksher_workers": 1,
        "heksher_workers_wanted": 4,
        f'heksher_build_info{{version="{__version__}"}}': 1,
    } == {name: value for name, value in render(metrics).items() if name.startswith("heksher_")}


def test_a_database_that_is_away_is_told():
    """As 0, which is what alerts look for."""
    metrics = Metrics()
    metrics.set_database_up(True)
    metrics.set_database_up(False)
    assert 0 == render(metrics)["heksher_database_up"]


def test_two_services_in_one_process_are_kept_apart():
    """As tests have them: each counts for itself."""
    first, second = Metrics(), Metrics()
    first.observe_request("/a", 200, 0.1)
    assert 'heksher_requests_total{route="/a",status="200"}' in render(first)
    assert 'heksher_requests_total{route="/a",status="200"}' not in render(second)


def test_the_content_type_is_that_of_prometheus():
    """With its version of the text format."""
    assert "text/plain; version=0.0.4; charset=utf-8" == Metrics().render()[1]


WORKERS = """
import os, sys
from heksher.revision_id import RevisionId
from heksher.server.metrics import Metrics

for number in (1, 2):
    if os.fork() == 0:
        metrics = Metrics()
        metrics.observe_request("/a", 200, 0.1)
        metrics.set_streams(number)
        metrics.set_catalog(RevisionId(10 + number), 20 + number, 30 + number)
        metrics.set_database_up(number == 2)
        metrics.set_writes_possible(number == 1)
        metrics.set_cache(number, 100)
        metrics.set_wanted_workers(4)
        metrics.note_answering()
        os._exit(0)
    pid, status = os.wait()
    assert status == 0
metrics = Metrics()
metrics.set_catalog(RevisionId(99), 0, 0)
metrics.set_database_up(True)
if sys.argv[1:] == ["bury"]:
    from prometheus_client.multiprocess import mark_process_dead
    mark_process_dead(pid)
if sys.argv[1:] == ["half made"]:
    for name in ("counter_1.db", "histogram_1.db", "gauge_livesum_1.db"):
        open(os.path.join(os.environ["PROMETHEUS_MULTIPROC_DIR"], name), "wb").close()
body, _ = metrics.render()
print(body.decode())
"""


def test_each_worker_answers_for_all(tmp_path: Path):
    """Counters and sizes are added up, the catalog that is the furthest behind is told, and so is any trouble.

    One that has not begun to answer, here the parent, is not among the workers.
    """
    found = read_metrics("\n".join(run_python(["-"], WORKERS, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))))
    expected = {
        'heksher_requests_total{route="/a",status="200"}': 2,
        'heksher_request_seconds_count{route="/a"}': 2,
        "heksher_streams": 3,
        "heksher_catalog_revision": 11,
        "heksher_catalog_settings": 22,
        "heksher_catalog_rules": 32,
        "heksher_database_up": 0,
        "heksher_writes_possible": 0,
        "heksher_cache_bytes": 200,
        "heksher_workers": 2,
        "heksher_workers_wanted": 4,
        f'heksher_build_info{{version="{__version__}"}}': 1,
    }
    assert expected == {name: found.get(name) for name in expected}


def test_a_worker_that_has_ended_is_counted_but_not_present(tmp_path: Path):
    """Its requests stay in the sum, its streams do not."""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    found = read_metrics("\n".join(run_python(["-", "bury"], WORKERS, **environment)))
    expected = {'heksher_requests_total{route="/a",status="200"}': 2, "heksher_streams": 1, "heksher_workers": 1}
    assert expected == {name: found.get(name) for name in expected}


def test_files_that_a_worker_has_begun_to_create(tmp_path: Path):
    """A scrape has an answer while a worker starts, and after one was stopped or killed right then."""
    found = read_metrics("\n".join(run_python(["-", "half made"], WORKERS, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))))
    assert 2 == found["heksher_workers"]


def test_the_files_of_several_workers_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """And processes that are started later do not write any."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with sharing_metrics():
        assert [os.environ["PROMETHEUS_MULTIPROC_DIR"]] == list(map(str, tmp_path.iterdir()))
    assert ([], False) == (list(tmp_path.iterdir()), "PROMETHEUS_MULTIPROC_DIR" in os.environ)


def test_a_missing_place_for_files_is_told(monkeypatch: pytest.MonkeyPatch):
    """With the reason, and what to do."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(StartupError, match=r"/nowhere/heksher-metrics-.*TMPDIR"), sharing_metrics():
        pass


@pytest.fixture
def made() -> set[str]:
    """The names of all metrics."""
    metrics = Metrics()
    metrics.observe_request("/a", 200, 0.1)
    return set(re.findall(r"^# TYPE (heksher_\w+)", metrics.render()[0].decode(), re.MULTILINE))


def read_page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_each_metric_is_documented_and_no_other(made: set[str]):
    """By the page about metrics."""
    assert made == set(re.findall(r"^\| `(heksher_\w+)", read_page("reference/metrics.md"), re.MULTILINE))


def test_alerts_are_about_metrics_that_exist(made: set[str]):
    """One about another would never fire."""
    named = set(re.findall(r"\b(heksher_\w+?)(?:_bucket)?\b", read_page("how-to/run-in-production.md")))
    assert {"heksher_listen"} == named - made  # a parameter of the database's URL


def test_hits_are_noted_once():
    """However often they are noted, and whoever reads the metrics."""
    metrics = Metrics()
    for expected in (b"1.0", b"2.0"):
        metrics.count_hit()
        metrics.note_hits()
        metrics.note_hits()
        assert b"\nheksher_cache_hits_total " + expected in metrics.render()[0]
