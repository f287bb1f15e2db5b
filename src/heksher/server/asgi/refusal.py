"""Answers with which a step refuses a request before it reaches the framework."""

import time

from starlette.types import Scope, Send

from heksher.server.asgi.problem import PROBLEM_TYPE, make_problem
from heksher.server.asgi.recorder import UNMATCHED, Recorder, identifying
from heksher.server.catalog.answer import NOSNIFF
from heksher.server.json_bytes import encode


async def refuse(scope: Scope, send: Send, recorder: Recorder, status: int, detail: str) -> None:
    """Refuse a request with problem details, and record the answer.

    Args:
        scope: the scope of the request.
        send: the ASGI callable of the connection.
        recorder: records the answer.
        status: the status of the answer.
        detail: what is wrong, and how to correct it.
    """
    started_s = time.perf_counter()
    body = encode(make_problem(status, detail))
    with identifying(scope) as id_field:
        headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            NOSNIFF,
            id_field,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        recorder.record(scope, UNMATCHED, status, started_s, len(body))
