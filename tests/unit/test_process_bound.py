"""What belongs to one process: it is not copied, and refuses to be pickled in words that say what to do."""

import copy
import pickle

import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient
from heksher.clients.stub import AsyncStubHeksherClient, SyncStubHeksherClient
from heksher.process_bound import ProcessBound

URL = "http://127.0.0.1:9"


@pytest.fixture(params=["setting", "async client", "thread client", "async stub", "stub", "snapshot"])
def bound(request: pytest.FixtureRequest) -> ProcessBound:
    """Make one of each kind."""
    made: dict[str, ProcessBound] = {
        "setting": Setting("size", int, ["a"], 0),
        "async client": AsyncHeksherClient(URL, None, ["a"]),
        "thread client": ThreadHeksherClient(URL, None, ["a"]),
        "async stub": AsyncStubHeksherClient(),
        "stub": SyncStubHeksherClient(),
        "snapshot": SyncStubHeksherClient().snapshot(),
    }
    return made[request.param]


def test_a_copy_is_the_same_object(bound: ProcessBound) -> None:
    """Objects that hold one can be copied, and hold the same one then, which goes on being updated."""
    assert bound is copy.copy(bound)
    assert bound is copy.deepcopy({"bound": bound})["bound"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused_in_words(bound: ProcessBound, protocol: int) -> None:
    """The error names the object, and says what to do instead."""
    with pytest.raises(TypeError) as raised:
        pickle.dumps([bound], protocol)
    assert str(raised.value) == (
        f"{bound!r} cannot be pickled: it belongs to this process; import it in the other one, or make it there, or"
        " send what it answers"
    )


class Kept(ThreadHeksherClient):
    """A program's own client, which knows how to be sent."""

    def __getstate__(self) -> dict[str, object]:
        return {}


def test_a_subclass_may_be_pickled() -> None:
    """Where a program says how, that is heeded."""
    assert type(pickle.loads(pickle.dumps(Kept(URL, None, ["a"])))) is Kept  # noqa: S301 - its own
