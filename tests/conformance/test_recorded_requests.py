"""Existing programs see no change of the v1 API: what was recorded is answered as it was."""

import json

import pytest

from heksher.server.storage.base import Storage
from tests.support.v1_requests import RECORD, REQUESTS, play

# What answers may have besides, as programs that do not ask for it do not notice it.
ADDITIONS = {"etag"}


@pytest.mark.trap(46)
def test_recorded_requests_are_answered_as_before(storage: Storage) -> None:
    """With the same status, the same body to the byte, and the same header fields, of which some are new."""
    recorded, answers = json.loads(RECORD.read_text(encoding="utf-8")), play(storage)
    assert len(REQUESTS) == len(recorded) == len(answers)
    for before, now in zip(recorded, answers, strict=True):
        headers = {
            name: value for name, value in now["headers"].items() if name not in ADDITIONS - before["headers"].keys()
        }
        assert before == {**now, "headers": headers}
