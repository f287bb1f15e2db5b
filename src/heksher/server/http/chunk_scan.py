"""Finds where a body in chunks ends, before it is parsed.

The parser decides what a chunk is, and refuses what is none; but it does not say where a request ends. Only that is
looked for here, so that the parser can be given a request and nothing after it.

Source: RFC 9112, section 7.1.
"""

from typing import Final

# The end of a head, and of a body in chunks.
END: Final = b"\r\n\r\n"
# So much of an end may have come before.
MAX_SEAM_BYTES: Final = len(END) - 1
# After the data of a chunk.
_LINE_END_BYTES: Final = 2
# So many chunks are followed at once: they take a fraction of a millisecond, however small they are.
_MAX_CHUNKS: Final = 200


def find_end(data: bytes, start: int, stop: int, last: bytes) -> int:
    """Return where an end is over that is complete between two places; the second place if none is.

    Args:
        data: what has arrived.
        start: the first place.
        stop: the second place.
        last: the last bytes before the first place, in which the end may have begun.
    """
    # An end that is cut in two is one as well.
    seam = (last + data[start : min(start + MAX_SEAM_BYTES, stop)]).find(END)
    if seam >= 0:
        return start + seam + len(END) - len(last)
    found = data.find(END, start, stop)
    return stop if found < 0 else found + len(END)


class ChunkScan:
    """Follows one body in chunks.

    Attributes:
        is_cut: whether the last place that was found is only where enough chunks had been followed at once.
    """

    __slots__ = ("_is_last", "_last_bytes", "_left_bytes", "_line", "is_cut")

    def __init__(self) -> None:
        self.is_cut: bool = False
        # What is still to come of a chunk after its line.
        self._left_bytes = 0
        # The beginning of a chunk's line that is not complete.
        self._line = b""
        # Whether the last chunk has come, and only fields can follow.
        self._is_last = False
        # The last bytes of what follows the last chunk's size.
        self._last_bytes = b""

    def find_end(self, data: bytes, start: int, stop: int) -> int:
        """Return where the body ends, cannot be followed, or has many chunks; the second place if nowhere before.

        Args:
            data: what has arrived.
            start: the first place.
            stop: the second place.
        """
        self.is_cut = False
        chunks = 0
        while not self._is_last:
            if chunks == _MAX_CHUNKS:
                self.is_cut = True
                return start
            chunks += 1
            step = min(self._left_bytes, stop - start)
            start += step
            self._left_bytes -= step
            line_end = data.find(b"\n", start, stop)
            if line_end < 0:
                self._line += data[start:stop]
                return stop
            line = self._line + data[start:line_end]
            self._line = b""
            start = line_end + 1
            size = _read_size(line)
            if size is None:
                # The parser refuses it.
                return start
            if size == 0:
                self._is_last = True
                self._last_bytes = b"\r\n"
            else:
                self._left_bytes = size + _LINE_END_BYTES
        end = find_end(data, start, stop, self._last_bytes)
        self._last_bytes = (self._last_bytes + data[max(start, end - MAX_SEAM_BYTES) : end])[-MAX_SEAM_BYTES:]
        return end


def _read_size(line: bytes) -> int | None:
    """Return the size of a chunk; ``None`` if that is none."""
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        return None
    return size if size >= 0 else None
