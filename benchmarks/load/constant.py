"""The floor: plain ASGI on the service's server, with an answer that never changes.

``python -m benchmarks.load.constant STATUS SIZE PORT``.
"""

import sys

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


def make_app(status: int, size_bytes: int) -> ASGIApp:
    """Make an application that answers everything alike."""
    body = b"x" * size_bytes
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size_bytes).encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers if size_bytes else []}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    status_code, length, port_number = map(int, sys.argv[1:])
    uvicorn.run(
        make_app(status_code, length),
        port=port_number,
        http="httptools",
        loop="auto",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
