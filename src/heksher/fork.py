"""What happens to clients when the process forks, and when it ends.

A forked child has the memory of its parent and one thread: locks may be held by threads that it does not have, its
connections are also the parent's, and nothing updates. So each client is told, and makes itself new ones. One that
cannot do so must not look as if it could: its status says that it failed, and it is asked again later.

Python reports its own forks. uWSGI forks its workers by itself, and reports that to Python only if told to
(``--py-call-uwsgi-fork-hooks``); but it calls a function of its own module in each worker, which is used as well. Any
other fork without Python is noticed by the id of the process, as soon as the program asks a client for something.
"""

import atexit
import contextlib
import logging
import os
import sys
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

logger: logging.Logger = logging.getLogger(__name__)


class ProcessMember(Protocol):
    """Something that has to act when the process forks or ends."""

    def _survive_fork(self) -> None:
        """Go on in a forked child. Called in the child, in its only thread, before ``os.fork`` returns."""

    def _note_failed_fork(self, error: Exception) -> None:
        """Note that ``_survive_fork`` failed: nothing keeps this current in the child, and its status must say so."""

    def _retry_after_fork(self) -> bool:
        """Try once more to go on in a child, after ``_survive_fork`` failed; return whether that is settled now."""

    def _leave(self) -> None:
        """Stop background work without waiting for it: the interpreter ends."""


_members: "weakref.WeakSet[ProcessMember]" = weakref.WeakSet()
# Those that could not go on in this process, which was forked.
_failed: "weakref.WeakSet[ProcessMember]" = weakref.WeakSet()
_renewals: list[Callable[[], object]] = []
# The process in which members were told last.
_pid = os.getpid()


def join(member: ProcessMember) -> None:
    """Have a member told from now on, as long as it lives."""
    if not _members:
        _ask_uwsgi()
    _members.add(member)


def renew_in_child(renew: Callable[[], object]) -> None:
    """Have a function called in forked children, for good, before any member is told."""
    _renewals.append(renew)


def notice_fork() -> None:
    """Tell the members of a fork that was not reported, if this process comes from one.

    Else have members try again that could not go on after a fork. To be called whenever a program asks one something.
    """
    if os.getpid() != _pid:
        _tell_children()
    elif _failed:
        _retry()


def _tell_children() -> None:
    global _pid  # noqa: PLW0603 - which process this is, is the process's own
    _pid = os.getpid()
    _failed.clear()
    for renew in _renewals:
        renew()
    for member in _list_members():
        try:
            member._survive_fork()
        except Exception as error:
            logger.exception("%r could not go on in the forked process", member)
            _failed.add(member)
            with contextlib.suppress(Exception):
                member._note_failed_fork(error)


def _retry() -> None:
    for member in list(_failed):
        # Why it failed stands in the log.
        with contextlib.suppress(Exception):
            if member._retry_after_fork():
                _failed.discard(member)


def _ask_uwsgi() -> None:
    """Under uWSGI, have it report forks, besides whatever else it calls then."""
    # Importing these works nowhere else than inside of uWSGI.
    uwsgi = _import("uwsgi")
    if uwsgi is None:
        return
    # The program's own, unless it uses the decorators, whose hook it is then. Importing them replaces it.
    call_others = None if "uwsgidecorators" in sys.modules else getattr(uwsgi, "post_fork_hook", None)

    def post_fork_hook() -> None:
        if call_others is not None:
            call_others()
        notice_fork()

    decorators = _import("uwsgidecorators")
    if decorators is not None:
        # Not to be replaced when the program imports them later.
        decorators.postfork(post_fork_hook)
    else:
        uwsgi.post_fork_hook = post_fork_hook


def _import(name: str) -> Any:
    # The second one raises a plain Exception where uWSGI has no master process.
    try:
        return import_module(name)
    except Exception:  # noqa: BLE001 - see above
        return None


def _tell_of_the_end() -> None:
    # Nothing is left that could handle an error, and the other members have to end, too.
    for member in _list_members():
        with contextlib.suppress(Exception):
            member._leave()


def _list_members() -> list[ProcessMember]:
    return list(_members)


# Not on Windows, where there is no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell_children)
atexit.register(_tell_of_the_end)
