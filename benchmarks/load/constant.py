"""The floor: plain ASGI on the service's server, with an answer that never changes.

``python -m benchmarks.load.constant STATUS BODY_BYTES HEADERS PORT``; the headers are pairs in JSON.
"""

import json
import sys

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


def make_app(status: int, body_bytes: int, headers: list[tuple[str, str]]) -> ASGIApp:
    """Make an application that answers everything alike."""
    body = b"x" * body_bytes
    fields = [(name.encode(), value.encode()) for name, value in headers]
    start = {"type": "http.response.start", "status": status, "headers": fields}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    application = make_app(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
    options = {"http": "httptools", "ws": "none", "lifespan": "off", "access_log": False, "server_header": False}
    uvicorn.run(application, port=int(sys.argv[4]), log_config=None, **options)
