"""Many readers while others write, over real HTTP: each answer is exactly the state at the revision that it tells."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx2
import pytest

from heksher.server.storage.base import Storage
from tests.support.service import RunningService

QUESTIONS = (
    "",
    "settings=s0",
    "context_filters=user:*&include_metadata=true",
    "settings=s1,s2&context_filters=user:(u1)",
)
READERS, WRITERS, WRITES = 3, 2, 30


class Seen(NamedTuple):
    """An answer, as a reader has got it."""

    question: str
    revision: int
    tag: str
    order: str
    body: bytes


class State:
    """Everything at one revision, put together from the change log: plain, and by nothing that the service uses."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.defaults: dict[str, object] = {}
        self.rules: dict[int, dict] = {}

    def apply(self, kind: str, key: str, after: dict | None) -> None:
        if kind == "context_features":
            self.order = list(after["context_features"])
        elif kind == "setting":
            self.defaults[key] = after.get("default_value", self.defaults.get(key))
        elif after is None:
            del self.rules[int(key)]
        else:
            self.rules[int(key)] = {**self.rules.get(int(key), {}), **after}

    def answer(self, question: str) -> dict:
        """Answer one of the questions."""
        settings = question.partition("settings=")[2].partition("&")[0]
        names = settings.split(",") if settings else sorted(self.defaults)
        values = None if "context_filters" not in question else {"u1"} if "(u1)" in question else {"u0", "u1", "u2"}
        return {
            name: {
                "default_value": self.defaults[name],
                "rules": [
                    self._write(rule_id, "include_metadata" in question)
                    for rule_id, rule in sorted(self.rules.items())
                    if rule["setting"] == name and (values is None or self._is_let_through(rule, values))
                ],
            }
            for name in names
        }

    def _is_let_through(self, rule: dict, users: set[str]) -> bool:
        return all(feature == "user" and value in users for feature, value in rule["feature_values"])

    def _write(self, rule_id: int, has_metadata: bool) -> dict:
        rule = self.rules[rule_id]
        conditions = sorted(rule["feature_values"], key=lambda pair: self.order.index(pair[0]))
        metadata = {"metadata": rule["metadata"]} if has_metadata else {}
        return {"rule_id": rule_id, "value": rule["value"], "context_features": conditions, **metadata}


@pytest.fixture
def service() -> Iterator[RunningService]:
    """A service with some settings."""
    with RunningService() as service:
        service.add_features("environment", "user")
        for number in range(3):
            service.declare(f"s{number}")
        yield service


def write(service: RunningService, writer: int) -> None:
    """Make writes of all kinds that change answers."""
    with httpx2.Client(base_url=service.url, timeout=60) as http:
        for number in range(WRITES):
            conditions = {"user": f"u{number % 3}", "environment": f"e{writer}_{number}"}
            if number % 4 == 0:
                del conditions["environment" if number % 8 else "user"]
            rule = {"setting": f"s{writer}", "feature_values": conditions, "value": number, "metadata": {"by": writer}}
            added = http.post("/api/v1/rules", json=rule)
            if added.status_code == 201:
                path = f"/api/v1/rules/{added.json()['rule_id']}"
                http.put(f"{path}/value", json={"value": -number}).raise_for_status()
                http.put(f"{path}/metadata", json={"metadata": {"at": number}}).raise_for_status()
                if number % 3 == 0:
                    http.delete(path).raise_for_status()
            if number % 10 == 9:
                move = {"to_before" if number % 20 == 9 else "to_after": "environment"}
                http.patch("/api/v1/context_features/user/index", json=move).raise_for_status()
                body = {"name": f"s{writer}", "configurable_features": ["environment", "user"], "type": "int",
                        "default_value": number, "version": f"1.{number}"}  # fmt: skip
                http.post("/api/v1/settings/declare", json=body).raise_for_status()


def read(service: RunningService, is_over: threading.Event) -> list[Seen]:
    """Ask all questions, again and again, as long as there are writers, and once more afterwards."""
    seen = []
    with httpx2.Client(base_url=service.url, timeout=60) as http:
        is_last = False
        while not is_last:
            is_last = is_over.is_set()
            for question in QUESTIONS:
                answer = http.get(f"/api/v1/query?{question}").raise_for_status()
                headers = answer.headers
                revision, order = int(headers["Heksher-Revision"]), headers["Heksher-Context-Features"]
                seen.append(Seen(question, revision, headers["etag"], order, answer.content))
    return seen


def run(service: RunningService) -> list[list[Seen]]:
    """Have all read and write at once; return what each reader has seen."""
    is_over = threading.Event()
    with ThreadPoolExecutor(READERS + WRITERS) as threads:
        reading = [threads.submit(read, service, is_over) for _ in range(READERS)]
        for writing in [threads.submit(write, service, number) for number in range(WRITERS)]:
            writing.result()
        is_over.set()
        return [reader.result() for reader in reading]


def check_contents(storage: Storage, seen: Sequence[Seen]) -> None:
    """Compare each answer with the state at its revision."""
    by_revision: defaultdict[int, set[Seen]] = defaultdict(set)
    for answer in seen:
        by_revision[answer.revision].add(answer)
    state = State()
    for entry in storage.read(lambda reader: reader.log(limit=100_000)):
        state.apply(entry.change.kind, entry.change.key, entry.change.after)
        for answer in by_revision[entry.revision]:
            assert state.answer(answer.question) == json.loads(answer.body)["settings"]
            assert ",".join(state.order) == answer.order


def test_every_answer_is_the_state_at_its_revision(service: RunningService):
    """Revisions never go back for a reader, and a tag stands for one content."""
    by_reader = run(service)
    seen = [answer for answers in by_reader for answer in answers]
    assert len({answer.revision for answer in seen}) > READERS
    assert service.storage.read(lambda reader: reader.revision()) == seen[-1].revision
    for answers in by_reader:
        revisions = [answer.revision for answer in answers]
        assert sorted(revisions) == revisions
    pairs = {(answer.tag, answer.order, answer.body) for answer in seen}
    assert len({tag for tag, _, _ in pairs}) == len(pairs) == len({pair[1:] for pair in pairs})
    check_contents(service.storage, seen)
