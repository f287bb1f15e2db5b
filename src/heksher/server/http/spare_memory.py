"""Gives memory back to the system that requests had taken.

What a program frees, the allocator of glibc keeps for later, wherever something still lies behind it. After many large
bodies that is more than a hundred megabytes, which nobody may need again for days.
"""

import ctypes
import sys
from collections.abc import Callable


def _find_trim() -> Callable[[int], int] | None:
    """Return what gives memory back, with this system's C library; ``None`` if it has nothing such."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


_trim = _find_trim()


def give_back() -> None:
    """Give back what is free; takes milliseconds."""
    if _trim is not None:
        _trim(0)
