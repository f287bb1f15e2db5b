"""Answers with which a step refuses a request before it reaches the framework."""

import time

from starlette.types import Scope, Send

from heksher.server.asgi.recorder import UNMATCHED, Recorder, identifying
from heksher.server.catalog.answer import NOSNIFF, HeaderField
from heksher.server.json_bytes import encode
from heksher.server.problem import PROBLEM_MEDIA_TYPE, make_problem


async def refuse(scope: Scope, send: Send, recorder: Recorder, status: int, detail: str, *fields: HeaderField) -> None:
    """Refuse a request with problem details, and record the answer.

    Args:
        scope: the scope of the request.
        send: the ASGI callable of the connection.
        recorder: records the answer.
        status: the status of the answer.
        detail: what is wrong, and how to correct it.
        fields: further header fields of the answer.
    """
    started_s = time.perf_counter()
    body = encode(make_problem(status, detail))
    with identifying(scope) as id_field:
        headers = [
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            NOSNIFF,
            id_field,
            *fields,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        recorder.record(scope, UNMATCHED, status, started_s, len(body))
