"""Streams of changes in every process model: each process has one of its own, and leaves those of the others alone."""

from collections.abc import Iterator

import pytest

from tests.process_models.apps.reporting import END
from tests.process_models.programs import FIRST_VALUE, run_module
from tests.process_models.test_gunicorn import WSGI, run_gunicorn
from tests.process_models.test_uwsgi import run_uwsgi
from tests.process_models.workers import WORKERS, await_answers, await_workers
from tests.support.event_streams import StreamingService
from tests.support.fake_service import FakeService
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.usefixtures("can_fork"), pytest.mark.trap(9)]

# So long that nobody gets to know of a change by asking.
NEVER_S = "3600"
OPEN_WITHIN_S = 20.0


class Teller:
    """A service that tells of its changes, and what the programs under test are to read of it.

    Attributes:
        streams: those of the programs.
        url: where it is.
    """

    def __init__(self, service: FakeService, streams: StreamingService) -> None:
        self._service = service
        self.streams = streams
        self.url = streams.url

    def change_to(self, value: int) -> None:
        """Change what everybody is to read, and tell of it."""
        self._service.add_rule("cache_ttl", 1, value, user="guest")
        self.streams.tell()

    def end(self) -> None:
        """Have the programs that report what they read come to their end."""
        self.change_to(END)

    def await_open(self, count: int) -> None:
        """Wait until exactly so many streams are open."""
        is_met = wait_until(lambda: self.streams.count_open() == count, OPEN_WITHIN_S)
        assert is_met, f"{self.streams.count_open()} streams are open, not {count}"


@pytest.fixture
def teller() -> Iterator[Teller]:
    """A service on a real socket, with the one rule."""
    service = FakeService("environment", "user", "theme")
    service.set_default("cache_ttl", 60)
    service.add_rule("cache_ttl", 1, FIRST_VALUE, user="guest")
    with StreamingService(service) as streams:
        yield Teller(service, streams)


@pytest.mark.parametrize(
    ("way", "count"),
    [("in_the_main_thread", 2), ("in_another_thread", 2), ("of_a_fork", 2), ("before_the_start", 2)],
)
def test_fork(teller: Teller, way: str, count: int):
    """However the program forked, each of its processes is told of changes."""
    arguments = {"HEKSHER_URL": teller.url, "UPDATE_INTERVAL_S": NEVER_S}
    with run_module("tests.process_models.apps.forks", way, **arguments) as program:
        processes = program.await_first_reads(count)
        # Of three processes that one forks from the other, the first only waits.
        teller.await_open(3 if way == "of_a_fork" else 2)
        teller.change_to(2)
        program.await_reads(2, by=processes)
        teller.end()
        program.await_end()
    teller.await_open(0)


def test_gevent(teller: Teller):
    """On gevent a stream is a greenlet, before a fork and after it."""
    arguments = {"HEKSHER_URL": teller.url, "UPDATE_INTERVAL_S": NEVER_S}
    with run_module("tests.process_models.apps.greenlets", "fork", **arguments) as program:
        program.await_line("ready to fork")
        teller.await_open(1)
        program.tell("fork")
        processes = program.await_first_reads(2)
        teller.await_open(2)
        teller.change_to(2)
        program.await_reads(2, by=processes)
        teller.end()
        program.await_end()
    teller.await_open(0)


def test_gunicorn(teller: Teller):
    """Each worker has its own stream beside that of the process that it was forked from."""
    with run_gunicorn(teller, "--worker-class", "gthread", "--preload", WSGI) as program:
        port = program.await_line(r"Listening at: http://127\.0\.0\.1:(\d+)")
        workers = await_workers(program, port, FIRST_VALUE)
        teller.await_open(1 + WORKERS)
        teller.change_to(2)
        await_answers(program, port, 2, workers)
        program.stop()
    teller.await_open(0)


def test_gevent_that_is_patched_late(teller: Teller):
    """A worker whose threads gevent has taken over polls, also if it had a stream already; its parent follows."""
    with run_gunicorn(teller, "--config", "python:tests.process_models.apps.late_gevent_conf", WSGI) as program:
        port = program.await_line(r"Listening at: http://127\.0\.0\.1:(\d+)")
        workers = await_workers(program, port, FIRST_VALUE)
        teller.streams.await_streams(2)
        teller.change_to(2)
        await_answers(program, port, 2, workers)
        teller.await_open(1)
        teller.change_to(3)
        await_answers(program, port, 3, workers)
        program.stop()
    teller.await_open(0)


@pytest.mark.parametrize("options", [("--py-call-uwsgi-fork-hooks",), ()], ids=["told", "not told"])
def test_uwsgi(teller: Teller, options: tuple[str, ...]):
    """So it is with uWSGI, whether or not it tells Python of its forks."""
    with run_uwsgi(teller, "wsgi", "--enable-threads", *options) as program:
        port = program.await_line(r"bound to TCP address 127\.0\.0\.1:(\d+)")
        workers = await_workers(program, port, FIRST_VALUE)
        teller.streams.await_streams(1 + WORKERS)
        teller.change_to(2)
        await_answers(program, port, 2, workers)
        program.stop()
    teller.await_open(0)
