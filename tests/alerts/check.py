"""Tries the alerts on the recordings, with Prometheus' own program: ``make alerts``.

Of the pair in good health none may fire at any minute; of the sick one each that is about its troubles, for the
replica that has them and for no other.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.alerts.series import read_input_series
from tests.support.processes import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
HERE = Path(__file__).parent
_SICK = {"job": "heksher", "instance": "heksher-2"}
_JOB = {"job": "heksher"}
# Of the sick pair: when an alert does not fire yet, when it fires, and for whom. What happens when is in ``recording``.
EXPECTED: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "HeksherCannotReachItsDatabase": ("1m", "3m", _SICK),
    "HeksherDoesNotLearnOfChanges": ("1m30s", "4m", _SICK),
    "HeksherLacksWorkers": ("1m", "4m", _SICK),
    "HeksherReplicasDisagree": ("2m", "5m", _SICK),
    "HeksherFails": ("3m", "8m", _JOB),
    "HeksherIsSlow": ("3m", "10m", _SICK),
    "HeksherIsDown": ("10m", "12m45s", _SICK),
    "HeksherTellsNoMetrics": ("12m", "14m15s", {"job": "heksher", "instance": "heksher-1"}),
}


class Made(NamedTuple):
    """Numbers that are made for an alert, where no recording has them.

    Attributes:
        series: for the first replica, for which it is not to fire, and the second, for which it is: names and values,
            one each 15 seconds.
        at: when it fires.
        labels: for whom it fires.
    """

    series: Sequence[tuple[str, str]]
    at: str
    labels: Mapping[str, str] = _SICK


MADE: Mapping[str, Made] = {
    # What the kernel keeps for a client that does not read holds the events of hours. Thirty clients in an hour are
    # nothing, one that is ended each half minute is something.
    "HeksherClientsDoNotRead": Made(
        [
            ('heksher_streams_dropped_total{job="heksher",instance="heksher-1"}', "0+0.125x120"),
            ('heksher_streams_dropped_total{job="heksher",instance="heksher-2"}', "0+0.5x120"),
        ],
        "20m",
    ),
    "HeksherCannotWrite": Made(
        [
            ('heksher_writes_possible{job="heksher",instance="heksher-1"}', "1x120"),
            ('heksher_writes_possible{job="heksher",instance="heksher-2"}', "1x40 0x80"),
        ],
        "20m",
    ),
    "HeksherLostChanges": Made(
        [
            ('heksher_histories_lost_total{job="heksher",instance="heksher-1"}', "0x120"),
            ('heksher_histories_lost_total{job="heksher",instance="heksher-2"}', "0x40 1x80"),
        ],
        "20m",
    ),
    "HeksherReplicasHaveTwoHistories": Made(
        [
            ('heksher_catalog_revision{job="heksher",instance="heksher-1"}', "17x120"),
            ('heksher_catalog_revision{job="heksher",instance="heksher-2"}', "17x120"),
            ('heksher_catalog_stamp{job="heksher",instance="heksher-1"}', "5x120"),
            ('heksher_catalog_stamp{job="heksher",instance="heksher-2"}', "5x40 7x80"),
        ],
        "20m",
        _JOB,
    ),
    "HeksherTokensEnd": Made(
        [
            ('heksher_tokens_ending{job="heksher",instance="heksher-1"}', "0x40 2x80"),
            ('heksher_tokens_ending{job="heksher",instance="heksher-2"}', "0x41 2x79"),
        ],
        "20m",
        _JOB,
    ),
    "HeksherWebhookFails": Made(
        [
            ('heksher_webhooks_failing{job="heksher",instance="heksher-1"}', "0x10 2x290"),
            ('heksher_webhooks_failing{job="heksher",instance="heksher-2"}', "0x11 2x289"),
        ],
        "70m",
        _JOB,
    ),
    "HeksherProposalIsOverdue": Made(
        [
            ('heksher_proposals_overdue_seconds{job="heksher",instance="heksher-1"}', "0x10 15+15x100"),
            ('heksher_proposals_overdue_seconds{job="heksher",instance="heksher-2"}', "0x10 15+15x100"),
        ],
        "10m",
        _JOB,
    ),
    "HeksherGaveUpAWebhook": Made(
        [
            ('heksher_webhooks_given_up_total{job="heksher",instance="heksher-1"}', "0x120"),
            ('heksher_webhooks_given_up_total{job="heksher",instance="heksher-2"}', "0x40 1x80"),
        ],
        "20m",
    ),
}

Test = dict[str, Any]


def read_rules() -> dict[str, Test]:
    """Return the alerts by name."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def make_tests() -> Test:
    """Return a file of tests, as Prometheus' program reads it."""
    rules = read_rules()
    quiet = [_expect(rules[name], f"{minute}m") for name in rules for minute in range(1, 10)]
    sick = [
        test
        for name, (quiet_at, firing_at, labels) in EXPECTED.items()
        for test in (_expect(rules[name], quiet_at), _expect(rules[name], firing_at, [labels]))
    ]
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": "15s",
        "tests": [
            {"interval": "5s", "input_series": read_input_series(HERE / "healthy.jsonl"), "alert_rule_test": quiet},
            {"interval": "5s", "input_series": read_input_series(HERE / "sick.jsonl"), "alert_rule_test": sick},
            *(_try_made(rules[name], made) for name, made in MADE.items()),
        ],
    }


def _try_made(rule: Test, made: Made) -> Test:
    series = [{"series": name, "values": values} for name, values in made.series]
    return {"interval": "15s", "input_series": series, "alert_rule_test": [_expect(rule, made.at, [made.labels])]}


def _expect(rule: Test, at: str, instances: Iterable[Mapping[str, str]] = ()) -> Test:
    alerts = [
        {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": rule["annotations"]} for labels in instances
    ]
    return {"eval_time": at, "alertname": rule["alert"], "exp_alerts": alerts}


def main() -> int:
    """Check the rules, then try them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promtool", default=shutil.which("promtool"), help="the program; default: that on PATH")
    promtool = parser.parse_args().promtool
    if promtool is None:
        sys.stderr.write("alerts: there is no promtool; Debian and Ubuntu have it in the package prometheus\n")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        tests = Path(directory) / "tests.yaml"
        # JSON is YAML, too.
        tests.write_text(json.dumps(make_tests()), encoding="utf-8")
        commands = [[promtool, "check", "rules", str(RULES)], [promtool, "test", "rules", str(tests)]]
        return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main())
