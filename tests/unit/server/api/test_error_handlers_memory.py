"""A request that is refused leaves nothing behind that only the garbage collector finds: its body would wait for it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tests.support.api import Api


@contextmanager
def collecting() -> Iterator[list[object]]:
    """Keep all that the collector would free of what is made in the block; yield it, filled at the end."""
    gc.collect()
    gc.disable()
    found: list[object] = []
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("path", ["/api/v1/query", "/api/v1/rules", "/api/v1/rules/search", "/api/v1/settings/declare"])
@pytest.mark.parametrize("start", [b"x", b"[1]", b'{"settings": ["a"], "name": 7, "more": "'])
def test_no_call_is_left_of_a_refused_request(path: str, start: bytes, size: int):
    """Whether its body is parsed in the event loop or in a thread, and is no JSON or another one than is asked for."""
    api = Api()
    body = start + b"x" * size
    if start.startswith(b"{"):
        body += b'"}'
    api.post(path, content=body)  # what is made once, at the first request
    with collecting() as found:
        assert 400 <= api.post(path, content=body).status_code < 500
    assert [] == [frame.f_code.co_qualname for frame in found if isinstance(frame, FrameType)]
