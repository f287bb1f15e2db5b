"""People who propose and approve, on a service that knows who asks."""

from datetime import UTC, datetime, timedelta

import httpx2

from tests.support.access import give_token, make_guarded
from tests.support.api import Api

PROPOSALS = "/api/v1/proposals"


def op(method: str, path: str, body: object = None) -> dict[str, object]:
    """Write one of several writes."""
    return {"method": method, "path": f"/api/v1{path}", "body": body}


def set_value(rule_id: int, value: object) -> dict[str, object]:
    return op("PUT", f"/rules/{rule_id}/value", {"value": value})


def write_time(at: datetime) -> str:
    return at.isoformat()


def soon(seconds: float = 3600) -> str:
    """Return a time that is so far away."""
    return write_time(datetime.now(UTC) + timedelta(seconds=seconds))


class Proposers:
    """A service on the storage of another one, with people who have tokens: who they are is what they may do.

    Args:
        api: the other one.
        grants: of each person, by name.

    Attributes:
        api: the service that knows who asks.
    """

    def __init__(self, api: Api, **grants: str) -> None:
        everybody = {"ada": "edit declare", "bob": "edit declare", "eve": "read", "root": "admin", **grants}
        for name, texts in everybody.items():
            give_token(api.storage, *texts.split(), name=name)
        self.api: Api = make_guarded(api)

    def ask(self, who: str, method: str, path: str, body: object = None, **arguments: object) -> httpx2.Response:
        headers = {"Authorization": f"Bearer hks_{who}", **arguments.pop("headers", {})}  # type: ignore[dict-item]
        return self.api.request(method, path, json=body, headers=headers, **arguments)

    def propose(self, who: str, *operations: object, **more: object) -> httpx2.Response:
        return self.ask(who, "POST", PROPOSALS, {"operations": operations, **more})

    def make(self, who: str, *operations: object, **more: object) -> int:
        """Make a proposal that stays open, and return its id."""
        response = self.propose(who, *operations, **more)
        assert (201, "open") == (response.status_code, response.json().get("state")), response.text
        return response.json()["id"]

    def decide(self, who: str, proposal_id: int, how: str, **body: object) -> httpx2.Response:
        path = f"{PROPOSALS}/{proposal_id}/{how}"
        return self.ask(who, "POST", path, body if body or not how.startswith("approve") else None)

    def get(self, proposal_id: int, who: str = "eve") -> dict:
        response = self.ask(who, "GET", f"{PROPOSALS}/{proposal_id}")
        assert 200 == response.status_code, response.text
        return response.json()

    def list_ids(self, query: str = "") -> list[int]:
        response = self.ask("eve", "GET", f"{PROPOSALS}{query}")
        assert 200 == response.status_code, response.text
        return [proposal["id"] for proposal in response.json()["proposals"]]
