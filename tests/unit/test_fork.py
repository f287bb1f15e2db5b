"""Who is told of a fork, and of the end of the process."""

import gc
import logging
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from heksher import fork


class Member:
    """Notes what it was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[str] = []
        self.failures: list[Exception] = []
        self._error = error

    def _note_failed_fork(self, error: Exception) -> None:
        self.failures.append(error)

    def _retry_after_fork(self) -> bool:
        self._note("retry")
        return len(self.told) > 3

    def _survive_fork(self) -> None:
        self._note("fork")

    def _leave(self) -> None:
        self._note("end")

    def _note(self, what: str) -> None:
        self.told.append(what)
        if self._error:
            raise self._error


def test_members_are_told_in_the_child():
    """After a fork the members of the child know, before the fork returns; those of the parent do not."""
    member = Member()
    fork.join(member)
    child = os.fork()
    if child == 0:
        os._exit(0 if member.told == ["fork"] else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert [] == member.told


@pytest.mark.usefixtures("_alone")
def test_one_that_fails_does_not_keep_others_from_hearing(caplog: pytest.LogCaptureFixture):
    """What a member raises is logged, and the next one is told."""
    members = [Member(ValueError("broken")), Member(ValueError("broken")), Member()]
    for member in members:
        fork.join(member)
    with caplog.at_level(logging.ERROR):
        fork._tell_children()
    assert [["fork"]] * 3 == [member.told for member in members]
    assert 2 == len(caplog.records)


@pytest.mark.usefixtures("_alone")
def test_one_that_fails_is_told_why_and_tries_again():
    """What a member raised is handed to it, and whenever somebody asks it tries again, until it has succeeded."""
    error = ValueError("broken")
    failing, other = Member(error), Member()
    for member in (failing, other):
        fork.join(member)
    fork._tell_children()
    failing._error = None
    assert ([error], []) == (failing.failures, other.failures)
    for _ in range(5):
        fork.notice_fork()
    assert ["fork", "retry", "retry", "retry"] == failing.told
    assert ["fork"] == other.told


@pytest.mark.usefixtures("_alone")
def test_another_try_that_fails():
    """What a member raises when it tries again is not raised to the program, and it goes on trying."""
    member = Member(ValueError("broken"))
    fork.join(member)
    fork._tell_children()
    for _ in range(2):
        fork.notice_fork()
    assert ["fork", "retry", "retry"] == member.told


@pytest.mark.usefixtures("_alone")
def test_a_fork_that_nobody_told_of(monkeypatch: pytest.MonkeyPatch):
    """Another process number than the last time means a fork; it is told of once."""
    member = Member()
    fork.join(member)
    fork.notice_fork()
    assert [] == member.told
    monkeypatch.setattr(fork, "_pid", os.getpid() + 1)
    fork.notice_fork()
    fork.notice_fork()
    assert ["fork"] == member.told


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("decorators", [None, "imported later", "imported before"])
def test_uwsgi(monkeypatch: pytest.MonkeyPatch, decorators: str | None):
    """Inside of uWSGI its own hook, or its decorators', tells of forks, besides what the program had hooked up."""
    called: list[str] = []
    hooked: list[Callable[[], None]] = []
    uwsgi = SimpleNamespace(post_fork_hook=lambda: called.append("other"))
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    monkeypatch.delitem(sys.modules, "uwsgidecorators", raising=False)
    module = None if decorators is None else SimpleNamespace(postfork=hooked.append)
    if decorators == "imported before":
        # The hook is theirs, then.
        uwsgi.post_fork_hook = lambda: [hook() for hook in hooked]
        monkeypatch.setitem(sys.modules, "uwsgidecorators", module)
    monkeypatch.setattr(fork, "import_module", {"uwsgi": uwsgi, "uwsgidecorators": module}.get)
    member = Member()
    fork.join(member)
    monkeypatch.setattr(fork, "_pid", os.getpid() + 1)
    for hook in hooked or [uwsgi.post_fork_hook]:
        hook()
    assert ["fork"] == member.told
    assert ([] if decorators == "imported before" else ["other"]) == called


@pytest.mark.usefixtures("_alone")
def test_locks_of_modules_are_renewed_first(monkeypatch: pytest.MonkeyPatch):
    """What belongs to a module, and not to a member, is renewed before any member is told."""
    member = Member()
    fork.join(member)
    monkeypatch.setattr(fork, "_renewals", [lambda: member.told.append("renewal")])
    fork._tell_children()
    assert ["renewal", "fork"] == member.told


@pytest.mark.usefixtures("_alone")
def test_the_end_of_the_process():
    """At the end of the process every member is told, whatever others do."""
    members = [Member(ValueError("broken")), Member()]
    for member in members:
        fork.join(member)
    fork._tell_of_the_end()
    assert [["end"]] * 2 == [member.told for member in members]


@pytest.mark.usefixtures("_alone")
def test_members_are_not_kept_alive():
    """A member that is gone is not told any more."""
    fork.join(Member())
    gc.collect()
    assert [] == fork._list_members()


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clients that other tests have left."""
    monkeypatch.setattr(fork, "_members", type(fork._members)())
    monkeypatch.setattr(fork, "_failed", type(fork._failed)())
