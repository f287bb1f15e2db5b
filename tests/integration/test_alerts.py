"""The alerts in ``deploy/prometheus``, without the program of Prometheus, with which ``make alerts`` tries them."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.alerts.check import EXPECTED, MADE, make_tests, read_rules
from tests.alerts.series import Recording, list_metrics, read_input_series, read_samples
from tests.support.processes import ROOT
from tests.support.service import RunningService

RULES = read_rules()


def list_named_metrics(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:heksher_\w+|up)\b(?!\")", expression))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict):
    """And how bad it is."""
    assert {"summary", "remedy"} == rule["annotations"].keys()
    assert rule["labels"]["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_alert_looks_at_metrics_that_there_are(rule: dict):
    """In a running service, in the reference, and in what it is tried on; else it would never fire."""
    with RunningService() as service:
        httpx2.get(f"{service.url}/api/v1/query").raise_for_status()
        told = {re.split(r"[{ ]", line)[0] for line in httpx2.get(f"{service.url}/metrics").text.splitlines()}
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    tried = {metric for part in make_tests()["tests"] for metric in list_metrics(part["input_series"])}
    named = list_named_metrics(rule["expr"])
    assert named
    for metric in named - {"up"}:
        assert metric in told
        assert metric.removesuffix("_bucket") in reference
    assert named <= tried


def test_every_alert_is_seen_to_fire_and_not_to():
    """On the recordings, or on numbers that are made for it."""
    tests = make_tests()["tests"]
    fires = {test["alertname"] for part in tests for test in part["alert_rule_test"] if test["exp_alerts"]}
    quiet = {test["alertname"] for test in tests[0]["alert_rule_test"] if not test["exp_alerts"]}
    assert set(RULES) == fires == quiet
    assert set() == set(EXPECTED) & set(MADE)


def test_a_recording_is_read_as_prometheus_reads_it(tmp_path: Path):
    """In steps of a third of a scrape, each replica at its own; what is gone is marked, and moments begin at 0."""
    recording = Recording()
    text = "# HELP x y\nheksher_streams 5.0\nheksher_catalog_current_timestamp_seconds 1.0005e+03\nprocess_open_fds 7\n"
    recording.add("a", 0, text, 1000.0)
    recording.add("b", 0, None, 1000.0)
    recording.add("a", 1, None, 1000.0)
    recording.add("b", 1, 'heksher_requests_total{route="/a",status="200"} 3.0\n', 1000.0)
    recording.save(tmp_path / "file")
    assert [
        {
            "series": 'heksher_catalog_current_timestamp_seconds{job="heksher",instance="a"}',
            "values": "0.5 _ _ stale _ _",
        },
        {"series": 'heksher_streams{job="heksher",instance="a"}', "values": "5.0 _ _ stale _ _"},
        {"series": 'up{job="heksher",instance="a"}', "values": "1 _ _ 0 _ _"},
        {
            "series": 'heksher_requests_total{job="heksher",instance="b",route="/a",status="200"}',
            "values": "_ _ _ _ 3.0 _ _",
        },
        {"series": 'up{job="heksher",instance="b"}', "values": "_ 0 _ _ 1 _ _"},
    ] == read_input_series(tmp_path / "file")


def test_what_no_alert_needs_is_not_recorded():
    """By far the most numbers are those of the buckets of other routes."""
    kept = ['heksher_request_seconds_bucket{le="0.1",route="/api/v1/query"}', 'heksher_requests_total{route="/a"}']
    left = [
        'heksher_request_seconds_bucket{le="0.1",route="/a"}',
        'heksher_request_seconds_sum{route="/api/v1/query"}',
        "process_open_fds",
    ]
    assert dict.fromkeys(kept, 1.0) == read_samples("\n".join(f"{name} 1.0" for name in kept + left))
