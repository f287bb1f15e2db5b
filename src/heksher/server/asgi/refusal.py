"""Answers with which a step refuses a request before it reaches the framework."""

import time

from starlette.types import Scope, Send

from heksher.server.asgi.recorder import UNMATCHED, Recorder, identifying
from heksher.server.catalog.answer import NOSNIFF
from heksher.server.json_bytes import encode


async def refuse(scope: Scope, send: Send, recorder: Recorder, status: int, detail: str) -> None:
    """Refuse a request in the API's format, and record the answer.

    Args:
        scope: the scope of the request.
        send: the ASGI callable of the connection.
        recorder: records the answer.
        status: the status of the answer.
        detail: what is wrong, and how to correct it.
    """
    started_s = time.perf_counter()
    body = encode({"detail": detail})
    with identifying(scope) as id_field:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            NOSNIFF,
            id_field,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        recorder.record(scope, UNMATCHED, status, started_s, len(body))
