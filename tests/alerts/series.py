"""Recorded metrics: read from what a service says, kept in a file, written as Prometheus' tests have them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The steps in which time passes; each replica is scraped at every third, and no two at the same one.
STEP_S = 5
STEPS_PER_SCRAPE = 3

_SAMPLE = re.compile(r"^(\w+)(\{.*\})? (\S+)$")
# By far the most numbers are those of the routes' buckets; the alerts look at those of one route.
_LEFT_OUT = re.compile(r'^heksher_request_seconds_(?:count|sum)|^heksher_request_seconds_bucket\{(?!.*"/api/v1/query")')


@dataclass
class Recording:
    """What was scraped of several replicas.

    Attributes:
        scrapes: how often each was scraped.
        samples: by replica, then by series without its replica: number of the scrape and value.
    """

    scrapes: int = 0
    samples: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    def add(self, instance: str, scrape: int, text: str | None, started_s: float) -> None:
        """Add what a replica has said.

        Args:
            instance: its name.
            scrape: the number of the scrape, from 0.
            text: what it said; ``None`` if it did not answer.
            started_s: the Unix time at which the recording began, which is 0 in Prometheus' tests.
        """
        self.scrapes = max(self.scrapes, scrape + 1)
        series = self.samples[instance]
        series["up"][scrape] = 0 if text is None else 1
        for name, value in read_samples(text or "").items():
            is_moment = name.endswith("_timestamp_seconds")
            series[name][scrape] = round(value - started_s, 3) if is_moment else value

    def save(self, path: Path) -> None:
        """Write it to a file, one series in each line."""
        lines = [
            json.dumps([instance, name, [values.get(scrape) for scrape in range(self.scrapes)]])
            for instance, series in sorted(self.samples.items())
            for name, values in sorted(series.items())
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_samples(text: str) -> dict[str, float]:
    """Return the samples of a service's own metrics that alerts can be about."""
    found = (_SAMPLE.match(line) for line in text.splitlines() if line.startswith("heksher_"))
    samples = {f"{match[1]}{match[2] or ''}": float(match[3]) for match in found if match}
    return {name: value for name, value in samples.items() if not _LEFT_OUT.match(name)}


def read_input_series(path: Path) -> list[dict[str, str]]:
    """Return a saved recording as ``input_series`` of a test of Prometheus."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    instances = sorted({instance for instance, _, _ in rows})
    return [
        {"series": _add_labels(name, instance), "values": " ".join(_spread(values, instances.index(instance)))}
        for instance, name, values in rows
    ]


def _add_labels(name: str, instance: str) -> str:
    metric, _, labels = name.partition("{")
    return f'{metric}{{job="heksher",instance="{instance}"{"," + labels if labels else "}"}'


def _spread(values: Iterable[float | None], offset: int) -> list[str]:
    """Return the values in steps of time; a series that is not there any more is marked as Prometheus marks it."""
    steps = ["_"] * offset
    is_there = False
    for value in values:
        missing = "stale" if is_there else "_"
        is_there = value is not None
        steps += [missing if value is None else repr(value), *["_"] * (STEPS_PER_SCRAPE - 1)]
    return steps


def list_metrics(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the names of the metrics that input series have."""
    return {row["series"].partition("{")[0] for row in rows}
