"""Who is told of a fork, and of the end of the process."""

import gc
import logging
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from heksher.clients import process


class Member:
    """Notes what it was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[str] = []
        self._error = error

    def survive_fork(self) -> None:
        self._note("fork")

    def leave(self) -> None:
        self._note("end")

    def _note(self, what: str) -> None:
        self.told.append(what)
        if self._error:
            raise self._error


def test_members_are_told_in_the_child():
    """After a fork the members of the child know, before the fork returns; those of the parent do not."""
    member = Member()
    process.join(member)
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
        process.join(member)
    with caplog.at_level(logging.ERROR):
        process._tell_children()
    assert [["fork"]] * 3 == [member.told for member in members]
    assert 2 == len(caplog.records)


@pytest.mark.usefixtures("_alone")
def test_a_fork_that_nobody_told_of(monkeypatch: pytest.MonkeyPatch):
    """Another process number than the last time means a fork; it is told of once."""
    member = Member()
    process.join(member)
    process.notice_fork()
    assert [] == member.told
    monkeypatch.setattr(process, "_pid", os.getpid() + 1)
    process.notice_fork()
    process.notice_fork()
    assert ["fork"] == member.told


@pytest.mark.usefixtures("_alone")
def test_uwsgi(monkeypatch: pytest.MonkeyPatch):
    """Inside of uWSGI its own hook tells of forks, after what the program has hooked up before."""
    called: list[str] = []
    uwsgi = SimpleNamespace(post_fork_hook=lambda: called.append("other"))
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    monkeypatch.setitem(sys.modules, "uwsgidecorators", None)
    member = Member()
    process.join(member)
    monkeypatch.setattr(process, "_pid", os.getpid() + 1)
    uwsgi.post_fork_hook()
    assert (["other"], ["fork"]) == (called, member.told)


@pytest.mark.usefixtures("_alone")
def test_uwsgi_with_its_decorators(monkeypatch: pytest.MonkeyPatch):
    """Where uWSGI's decorators can be had, the hook is theirs, whenever the program imports them."""
    hooked: list[Callable[[], None]] = []
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "uwsgidecorators", SimpleNamespace(postfork=hooked.append))
    process.join(Member())
    assert [process.notice_fork] == hooked


@pytest.mark.usefixtures("_alone")
def test_the_end_of_the_process():
    """At the end of the process every member is told, whatever others do."""
    members = [Member(ValueError("broken")), Member()]
    for member in members:
        process.join(member)
    process._tell_of_the_end()
    assert [["end"]] * 2 == [member.told for member in members]


@pytest.mark.usefixtures("_alone")
def test_members_are_not_kept_alive():
    """A member that is gone is not told any more."""
    process.join(Member())
    gc.collect()
    assert [] == process._list_members()


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the clients that other tests have left."""
    monkeypatch.setattr(process, "_members", type(process._members)())
