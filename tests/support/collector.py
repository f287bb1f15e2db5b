"""Tests without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Have nothing but reference counts: what dies now is in no cycle."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
