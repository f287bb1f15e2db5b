"""Databases that can be read and not be written to: the service says so within seconds, and writes again by itself."""

import httpx2
import pytest

from benchmarks.sick_states import describe
from tests.hostile.sick_play import LONGEST_S, Look, play
from tests.hostile.sick_states import STATES, SickState, can_mount
from tests.support.service import START_TIMEOUT_S
from tests.support.waiting import wait_until

# Where nobody may mount a file system, a unit test of the storage shows that a full disk is found.
PLAYABLE = [state for state in STATES if can_mount() or not state.needs_mount]
WELL = Look(200, 200, "up", "possible", (1, 1))


@pytest.mark.parametrize("state", PLAYABLE, ids=lambda state: state.name)
def test_sick_state(state: SickState):
    """Readiness, metrics, health and log tell of it; reads go on, writes are refused, and nothing is a 500."""
    played = play(state)
    assert played.found_s is not None
    assert played.found_s < LONGEST_S
    gauges = (1 if state.database == "up" else 0, 0)
    assert Look(state.health, 200, state.database, state.writes, gauges) == played.sick
    assert ({state.refusal}, {200}) == (played.writes, played.reads)
    assert 1 == len([line for line in played.log if "no write is possible" in line or "cannot be reached" in line])
    assert not [line for line in played.log if "Traceback" in line]
    assert played.recovered_s is not None
    assert (WELL, state.is_lasting) == (played.well, played.is_restarted)
    assert state.name in describe(state, played)


def find(name: str) -> SickState:
    [state] = [state for state in STATES if name in state.name]
    return state


@pytest.mark.parametrize("name", ["file read-only", "rights revoked", "transactions read-only"])
def test_start_on_sick_database(name: str):
    """The service runs, and warns before it says that it is ready; no restart is needed afterwards."""
    state = find(name)
    with state.make() as scene:
        with scene.service:
            pass
        scene.service.lines.clear()
        state.fail(scene)
        with scene.service as service:
            beginning = "".join(service.lines).partition("listens on")[0]
            assert "WARNING" in beginning
            assert "no write is possible (read-only), reads go on" in beginning
            with httpx2.Client(base_url=service.url, timeout=START_TIMEOUT_S) as client:
                add = {"url": "/api/v1/context_features", "json": {"context_feature": "theme"}}
                assert (503, 200) == (client.post(**add).status_code, client.get("/api/v1/query").status_code)
                state.mend(scene)
                assert wait_until(lambda: client.post(**add).status_code == 204, LONGEST_S)
                assert wait_until(lambda: client.get("/healthz/ready").json()["writes"] == "possible", LONGEST_S)


@pytest.mark.parametrize("name", ["schema gone", "wrong search_path"])
def test_start_without_schema(name: str):
    """The service ends, and its last line says what is wrong."""
    state = find(name)
    with state.make() as scene:
        state.fail(scene)
        scene.service.launch()
        code = scene.service.wait()
        state.mend(scene)
        assert 1 == code
        assert scene.service.lines[-1].startswith("Error: ")
        assert "the schema of the search_path must exist" in scene.service.lines[-1]
        assert 2 >= len(scene.service.lines)  # that it was to make its tables there
