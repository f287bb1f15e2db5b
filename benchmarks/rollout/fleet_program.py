"""One program of the fleet: it keeps its setting current, and counts the updates that fail.

It reads what it is to do as a line of JSON, since a command line can be seen by everybody; prints ``ready``; and at the
end of its input prints, as a line of JSON, all that can be seen of its client. It logs all there is to be logged.
"""

import asyncio
import json
import logging
import sys
from typing import Any, Final

import heksher

SETTING: Final = "fleet.size"
FEATURE: Final = "user"
_CONTEXT: Final = {FEATURE: "guest"}


class _Counting:
    """What both clients have besides: they count their updates."""

    updates = 0
    failed: tuple[str, ...] = ()

    def on_update_ok(self) -> None:
        self.updates += 1

    def on_update_error(self, error: Exception) -> None:
        self.failed = (*self.failed, repr(error))


class _AsyncClient(_Counting, heksher.AsyncHeksherClient):
    """The one for asyncio."""


class _ThreadClient(_Counting, heksher.ThreadHeksherClient):
    """The one for threads."""


def _make_options(plan: dict[str, Any]) -> dict[str, Any]:
    options = {"updates": plan["updates"], "on_start_failure": "raise", "last_known_file": plan["last_known_file"]}
    token = plan["token"]
    if token is not None and plan["is_by_option"]:
        options["token"] = token
    elif token is not None:
        options["http_client_args"] = {"headers": {"api_token": token}}
    return options


def _describe(client: Any, setting: "heksher.Setting[int]") -> str:
    snapshot = client.snapshot()
    seen = [repr(client), repr(snapshot), repr(client.status), str(client.status.as_dict()), repr(setting)]
    facts = {
        "updates": client.updates,
        "failed": client.failed,
        "state": client.status.state,
        "value": setting.get(**_CONTEXT),
        "seen": [*seen, repr(snapshot.explain(setting, **_CONTEXT))],
    }
    return json.dumps(facts)


async def _run_async(plan: dict[str, Any], setting: "heksher.Setting[int]") -> None:
    async with _AsyncClient(plan["url"], plan["interval_s"], [FEATURE], **_make_options(plan)) as client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(_describe(client, setting), flush=True)


def _run_threads(plan: dict[str, Any], setting: "heksher.Setting[int]") -> None:
    with _ThreadClient(plan["url"], plan["interval_s"], [FEATURE], **_make_options(plan)) as client:
        print("ready", flush=True)
        sys.stdin.read()
        print(_describe(client, setting), flush=True)


def main() -> None:
    """Run until the end of the input."""
    logging.basicConfig(level=logging.DEBUG)
    plan = json.loads(sys.stdin.readline())
    setting = heksher.Setting(SETTING, int, [FEATURE], 0)
    if plan["is_async"]:
        asyncio.run(_run_async(plan, setting))
    else:
        _run_threads(plan, setting)


if __name__ == "__main__":
    main()
