"""What can go wrong on the near side, in the client's own process: name resolution, the clocks, the disk.

Each fault is a context manager that is given the ``NearSide`` of a run.
"""

import errno
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self
from unittest import mock

from tests.faults.backstage import HOST

DAY_S = 86_400.0
# Resolvers give up after seconds; these do a little sooner.
LOOK_UP_S = 0.7


class Resolver:
    """Stands in for ``socket.getaddrinfo``: knows where the service is, unless told otherwise.

    Attributes:
        look_up_s: how long it takes to say that the service is not known; ``None`` while it is known.
    """

    def __init__(self) -> None:
        self.look_up_s: float | None = None
        self._getaddrinfo = socket.getaddrinfo

    def look_up(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        """Look a name up as ``socket.getaddrinfo`` does."""
        if host not in {HOST, HOST.encode()}:
            return self._getaddrinfo(host, *args, **kwargs)
        if self.look_up_s is None:
            return self._getaddrinfo("127.0.0.1", *args, **kwargs)
        # A name server that does not answer blocks its caller, and nothing can wake that.
        time.sleep(self.look_up_s)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class NearSide:
    """This process, during one run. A context manager: inside, the service's name has an address.

    Args:
        folder: where the file of last known values is.

    Attributes:
        afterwards: what is to be undone only when the client is closed.
        bystanders: the threads that are there before, such as those of a service that other tests have left running.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bystanders = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self.resolver = Resolver()
        self.afterwards = ExitStack()

    @property
    def last_known_file(self) -> Path:
        """The file of last known values."""
        return self.folder / "last-known"

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self.afterwards.enter_context(mock.patch.object(socket, "getaddrinfo", self.resolver.look_up))
        return self

    def __exit__(self, *_: object) -> None:
        self.afterwards.close()


NearFault = Callable[[NearSide], AbstractContextManager[object]]


def nothing(_near: NearSide) -> AbstractContextManager[object]:
    """Leave the near side alone."""
    return nullcontext()


def lose_name(look_up_s: float) -> NearFault:
    """Make a fault: the service's name cannot be resolved, and to say so takes a time."""

    @contextmanager
    def fault(near: NearSide) -> Iterator[None]:
        near.resolver.look_up_s = look_up_s
        try:
            yield
        finally:
            near.resolver.look_up_s = None

    return fault


def move_wall_clock(offset_s: float) -> NearFault:
    """Make a fault: ``time.time`` is off. The monotonic clock is right."""
    true_time = time.time

    def read() -> float:
        return true_time() + offset_s

    return lambda _near: mock.patch.object(time, "time", read)


def thaw(near: NearSide) -> AbstractContextManager[object]:
    """Have the monotonic clock jump ahead by a day, as in a process that was frozen; it stays ahead for the run.

    Not for bystanders: after the run it goes back, which no such clock does, and which they need not be ready for.
    """
    true_time = time.monotonic

    def read() -> float:
        return true_time() + (0.0 if threading.get_ident() in near.bystanders else DAY_S)

    near.afterwards.enter_context(mock.patch.object(time, "monotonic", read))
    return nullcontext()


@contextmanager
def fill_disk(_near: NearSide) -> Iterator[None]:
    """Have every write to a file fail as on a full disk: at once, or when it is to reach the disk."""
    true_write = os.write

    def refuse(descriptor: int, *_: object) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(descriptor: int, data: bytes) -> int:
        refuse(descriptor)
        return true_write(descriptor, data)

    with mock.patch.object(os, "fsync", refuse), mock.patch.object(os, "write", write):
        yield


@contextmanager
def remove_folder(near: NearSide) -> Iterator[None]:
    """Have the folder of the file of last known values gone, and a file in its place."""
    # The client may be writing a file in it: one that is gone, or there again, in the middle of it is no error.
    while near.folder.exists():
        shutil.rmtree(near.folder, ignore_errors=True)
    near.folder.touch()
    try:
        yield
    finally:
        near.folder.unlink()
        near.folder.mkdir()
