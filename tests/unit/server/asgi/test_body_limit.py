"""How large bodies may be."""

import asyncio

import pytest

from heksher.server.asgi.body_limit import BodyLimit, BodyTooLargeError

LIMIT = 10


def read(chunks: list[bytes], *, declared: bytes | None = None) -> tuple[bytes, list[bytes]]:
    """Read a body through the limit; return it, and the parts that were not asked for."""
    left = list(chunks)
    body = b""

    async def app(scope, receive, send) -> None:
        nonlocal body
        del scope, send
        is_complete = False
        while not is_complete:
            message = await receive()
            body += message["body"]
            is_complete = not message["more_body"]

    async def receive() -> dict:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    headers = [(b"host", b"a")] + ([] if declared is None else [(b"content-length", declared)])

    async def call() -> None:
        await BodyLimit(app, LIMIT)({"type": "http", "method": "POST", "headers": headers}, receive, None)

    asyncio.run(call())
    return body, left


@pytest.mark.parametrize("chunks", [[b""], [b"x" * 10], [b"x"] * 10])
def test_a_body_up_to_the_limit_is_read(chunks: list[bytes]):
    """However it comes."""
    assert (b"".join(chunks), []) == read(chunks)


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x"] * 11, [b"x" * 10, b"", b"x"]])
def test_a_larger_body_is_refused(chunks: list[bytes]):
    """However it comes; the message says how large it may be."""
    with pytest.raises(BodyTooLargeError) as raised:
        read(chunks)
    assert (413, True) == (raised.value.status_code, "larger than 10 bytes" in raised.value.detail)


def test_a_body_that_says_that_it_is_too_large_is_not_read():
    """Nothing of it is received."""
    for declared in (b"11", b"9" * 5000):
        with pytest.raises(BodyTooLargeError):
            read([], declared=declared)
    assert (b"x" * 10, []) == read([b"x" * 10], declared=b"10")


def test_it_is_too_large_however_often_it_is_read():
    """So whoever reads next meets the same error."""
    errors = []

    async def app(scope, receive, send) -> None:
        del scope, send
        for _ in range(2):
            try:
                await receive()
            except BodyTooLargeError as error:
                errors.append(error.status_code)

    async def receive() -> dict:
        return {"type": "http.request", "body": b"x" * 11}

    async def call() -> None:
        await BodyLimit(app, LIMIT)({"type": "http", "method": "PUT", "headers": []}, receive, None)

    asyncio.run(call())
    assert [413, 413] == errors


def test_what_comes_after_the_body_passes():
    """A request waits for the end of its connection, if its answer is a stream."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    coming = iter(messages)
    received = []

    async def app(scope, receive, send) -> None:
        del scope, send
        received.extend([await receive(), await receive()])

    async def receive() -> dict:
        return next(coming)

    async def call() -> None:
        await BodyLimit(app, LIMIT)({"type": "http", "method": "POST", "headers": []}, receive, None)

    asyncio.run(call())
    assert messages == received
