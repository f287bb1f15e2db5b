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
    name = "setting size" if isinstance(bound, Setting) else repr(bound)
    with pytest.raises(TypeError) as raised:
        pickle.dumps([bound], protocol)
    assert str(raised.value) == (
        f"{name} cannot be pickled: it belongs to this process; import it in the other one, or make it there, or send"
        " what it answers"
    )
