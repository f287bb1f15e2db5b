"""Clients that are called by the handler of a signal, which may have interrupted any of their methods; and by hooks."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient, main_client
from heksher.clients.base_client import BaseHeksherClient
from heksher.clients.conversation.session import Session
from heksher.exceptions import ClientStateError, HeksherError
from tests.support.drivers import AsyncDriver, Driver
from tests.support.fake_service import DEADLINE_S, DECLARE, QUERY, FakeService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals on this system")

WITHIN = "would wait for itself"


class Handler:
    """The handler of a signal: makes a call, once, and keeps what became of it."""

    def __init__(self) -> None:
        # None when it is made.
        self.action: Callable[[], object] | None = None
        self.results: list[object] = []

    def __call__(self, *_: object) -> None:
        action, self.action = self.action, None
        try:
            if action is not None:
                self.results.append(action())
        except ClientStateError as error:
            self.results.append(error)


@pytest.fixture
def handler() -> Iterator[Handler]:
    """What handles SIGUSR1."""
    handler = Handler()
    before = signal.signal(signal.SIGUSR1, handler)
    yield handler
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture(params=[AsyncHeksherClient, ThreadHeksherClient], ids=["async", "thread"])
def new_client(request: pytest.FixtureRequest, service: FakeService, own_process: None) -> BaseHeksherClient:
    """A client of each kind, with a setting, that is not started."""
    return make_client(request.param, service)


@pytest.fixture
def thread_client(service: FakeService, own_process: None) -> Iterator[ThreadHeksherClient]:
    """A thread client that is not started."""
    client = make_client(ThreadHeksherClient, service)
    yield client
    client.close()


def make_client(kind: type[BaseHeksherClient], service: FakeService) -> BaseHeksherClient:
    return kind(service.url, 3600, service.features, http_client_args=service.client_args)


def interrupt(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Have the signal come whenever a function has just begun."""
    function = getattr(owner, name)

    def begin(*args: object, **keywords: object) -> object:
        signal.raise_signal(signal.SIGUSR1)
        return function(*args, **keywords)

    monkeypatch.setattr(owner, name, begin)


CALLS: dict[str, Callable[[BaseHeksherClient], object]] = {
    "set_defaults": lambda client: client.set_defaults(b="y"),
    "track_contexts": lambda client: client.track_contexts(b="y"),
    "snapshot": lambda client: len(client.snapshot()),
    "status": lambda client: client.status.state,
    "Setting": lambda _: Setting("made", int, ["a"], 0).get(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("interrupted", ["set_defaults", "track_contexts", "snapshot"])
def test_calls_within_one_another(
    new_client: BaseHeksherClient,
    handler: Handler,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: str,
    call: Callable[[BaseHeksherClient], object],
):
    """A handler may make any call within any other that changes settings or looks at them together."""
    main_client.make_main(new_client)
    setting = Setting("s", int, ["a"], 0)
    handler.action = lambda: call(new_client)
    interrupt(monkeypatch, Session, "settings" if interrupted == "snapshot" else "recompile")
    arguments = {} if interrupted == "snapshot" else {"a": "x"}
    getattr(new_client, interrupted)(**arguments)
    assert (1, 0) == (len(handler.results), setting.get(a="x"))
    assert not isinstance(handler.results[0], Exception)


def test_defaults_within_defaults(new_client: BaseHeksherClient, handler: Handler, monkeypatch: pytest.MonkeyPatch):
    """What a handler sets holds, and so does what it has interrupted, whichever of the two comes last."""
    main_client.make_main(new_client)
    for name in ("_check_defaults", "_merge_all"):
        interrupt(monkeypatch, __import__("heksher.context", fromlist=["context"]), name)
    handler.action = lambda: new_client.set_defaults(b="y")
    new_client.set_defaults(a="x")
    handler.action = lambda: new_client.track_contexts(b="y")
    new_client.track_contexts(a="x")
    assert {"a": "x", "b": "y"} == new_client.context_namespace({})
    assert {"a": {"x"}, "b": {"y"}} == new_client._context.tracked


@pytest.mark.parametrize("call", [CALLS["set_defaults"], CALLS["snapshot"]], ids=["set_defaults", "snapshot"])
def test_calls_within_an_update(
    service: FakeService,
    thread_client: ThreadHeksherClient,
    handler: Handler,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[BaseHeksherClient], object],
):
    """In the midst of an update that shows, new defaults are applied to it, and a snapshot sees what was before."""
    settings = [Setting(name, int, ["a", "b"], 0) for name in ("one", "two")]
    thread_client.set_as_main()
    for setting in settings:
        service.add_rule(setting.name, hash(setting.name) % 1000, 5, b="y")
        service.set_default(setting.name, 1)
    seen: list[set[int]] = []

    def look_and_call() -> None:
        snapshot = thread_client.snapshot()
        seen.append({snapshot.get(setting, a="x", b="n") for setting in settings})
        call(thread_client)

    handler.action = look_and_call
    interrupt(monkeypatch, Setting, "_switch_to")
    thread_client.reload()
    assert ([{0}], [None]) == (seen, handler.results)
    expected = 5 if "b" in thread_client.context_namespace({}) else 1
    contexts = {} if expected == 5 else {"b": "n"}
    assert {expected} == {setting.get(a="x", **contexts) for setting in settings}


WAITING = {
    "set_as_main": lambda client: client.set_as_main(),
    "reload": lambda client: client.reload(),
}


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING.keys())
@pytest.mark.parametrize("interrupted", ["set_defaults", "snapshot"])
def test_what_would_wait_for_what_it_has_interrupted(
    thread_client: ThreadHeksherClient,
    handler: Handler,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: str,
    call: Callable[[ThreadHeksherClient], None],
):
    """An update waits for who changes settings; a handler that has interrupted that cannot have one."""
    thread_client.set_as_main()
    handler.action = lambda: call(thread_client)
    interrupt(monkeypatch, Session, "settings" if interrupted == "snapshot" else "recompile")
    getattr(thread_client, interrupted)()
    assert WITHIN in str(handler.results[0])
    thread_client.reload()


def send_signal_when(is_due: Callable[[], object], handler: Handler) -> threading.Thread:
    """Send the signal to this process's main thread when something has come about."""

    def send() -> None:
        is_due()
        # Again and again: one that comes right before the thread waits is handled after that.
        wait_until(lambda: handler.action is None or signal.pthread_kill(main_thread, signal.SIGUSR1))

    main_thread = threading.main_thread().ident

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING.keys())
@pytest.mark.parametrize("interrupted", ["set_as_main", "reload"])
def test_waiting_within_a_call_that_waits(
    service: FakeService,
    thread_client: ThreadHeksherClient,
    handler: Handler,
    interrupted: str,
    call: Callable[[ThreadHeksherClient], None],
):
    """Within a start or a reload, a handler that asks for one gets an error at once; what it interrupted goes on."""
    if interrupted == "reload":
        thread_client.set_as_main()

    def call_and_go_on() -> None:
        try:
            call(thread_client)
        finally:
            gate.open()

    handler.action = call_and_go_on
    with service.holding(QUERY) as gate:
        sender = send_signal_when(gate.await_requests, handler)
        getattr(thread_client, interrupted)()
    sender.join(DEADLINE_S)
    is_refused = [WITHIN in str(result) for result in handler.results]
    # A client that runs has no start to wait for.
    assert [not (interrupted == "reload" and call is WAITING["set_as_main"])] == is_refused
    assert "current" == thread_client.status.state


@pytest.mark.parametrize("interrupted", ["set_as_main", "reload", "ping", "get_settings"])
def test_closing_within_a_call_that_waits(
    service: FakeService, thread_client: ThreadHeksherClient, handler: Handler, interrupted: str
):
    """A handler closes the client whatever it has interrupted, which ends with an error."""
    if interrupted == "reload":
        thread_client.set_as_main()
    handler.action = thread_client.close
    service.settings["s"] = {"default_value": 0, "rules": []}
    routes = {"ping": "GET /api/health", "get_settings": "GET /api/v1/settings"}
    with service.holding(routes.get(interrupted, QUERY)) as gate:
        sender = send_signal_when(gate.await_requests, handler)
        # A request of the fake service cannot be broken off.
        opener = send_when_closed(thread_client, gate.open)
        with pytest.raises(HeksherError):
            getattr(thread_client, interrupted)()
    for thread in (sender, opener):
        thread.join(DEADLINE_S)
    assert ([None], "closed") == (handler.results, thread_client.status.state)


def send_when_closed(client: ThreadHeksherClient, action: Callable[[], object]) -> threading.Thread:
    """Do something when a client has been closed."""
    is_closed = threading.Event()
    client.on_status_change(lambda _: is_closed.set() if client._is_over() else None)

    def wait() -> None:
        is_closed.wait(DEADLINE_S)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_closing_within_closing(thread_client: ThreadHeksherClient, handler: Handler, monkeypatch: pytest.MonkeyPatch):
    """A handler that closes the client while it is being closed returns at once."""
    thread_client.set_as_main()
    handler.action = thread_client.close
    interrupt(monkeypatch, main_client, "restore_main")
    thread_client.close()
    assert ([None], "closed") == (handler.results, thread_client.status.state)


def test_closing_in_the_first_moment_of_a_start(
    thread_client: ThreadHeksherClient, handler: Handler, monkeypatch: pytest.MonkeyPatch
):
    """A client that a handler closes before its start has come far stays closed."""
    handler.action = thread_client.close
    interrupt(monkeypatch, thread_client, "_begin_run")
    with pytest.raises(ClientStateError, match="closed"):
        thread_client.set_as_main()
    assert ("closed", None) == (thread_client.status.state, main_client.get())


# ---- without signals: what else is within an update


def test_the_main_thread_runs_nothing_of_the_library(service: FakeService, own_process: None):
    """Requests are sent by other threads, in the context of the call: no handler meets the locks of the library."""
    user: ContextVar[str] = ContextVar("user", default="")
    seen: list[tuple[bool, str]] = []

    def hook(_: object) -> None:
        seen.append((threading.current_thread() is threading.main_thread(), user.get()))

    args = {**service.client_args, "event_hooks": {"request": [hook]}}
    client = ThreadHeksherClient(service.url, 60, service.features, http_client_args=args)
    user.set("guest")
    client.ping()
    client.close()
    assert [(False, "guest")] == seen


def test_a_validator_cannot_wait_for_an_update(driver: Driver, service: FakeService):
    """A validator runs within an update; to wait for another one there is an error at once, in both clients."""
    errors: list[ClientStateError] = []
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service)

    @setting.add_validator
    def wait(value: int, _rule: object, _setting: object) -> int:
        for method in (client.native.reload, client.native.set_as_main):
            call = method if driver.kind == "thread" else lambda method=method: method().send(None)
            with pytest.raises(ClientStateError, match="within") as caught:
                call()
            errors.append(caught.value)
        return value

    service.set_default("s", 1)
    client.start()
    assert (1, 2) == (setting.get(), len(errors))


def test_a_hook_cannot_wait_for_an_update(driver: Driver, service: FakeService):
    """Nor can a hook, which runs within a request of an update."""
    errors: list[ClientStateError] = []

    def hook(_: object) -> None:
        if errors or not client.native._is_started:
            return
        with pytest.raises(ClientStateError, match="within") as caught:
            client.native.reload()
        errors.append(caught.value)

    async def async_hook(_: object) -> None:
        if errors or not client.native._is_started:
            return
        with pytest.raises(ClientStateError, match="within") as caught:
            await client.native.reload()
        errors.append(caught.value)

    hooks = {"request": [async_hook if isinstance(driver, AsyncDriver) else hook]}
    client = driver.create(service, http_client_args={**service.client_args, "event_hooks": hooks})
    client.start()
    assert 1 == len(errors)


def test_a_callback_cannot_wait_for_the_start_that_calls_it(service: FakeService, own_process: None):
    """``on_update_ok`` runs within the thread client's start, and cannot wait for it."""
    errors: list[ClientStateError] = []

    class Starts(ThreadHeksherClient):
        def on_update_ok(self) -> None:
            if not errors:
                with pytest.raises(ClientStateError, match="within a start") as caught:
                    self.set_as_main()
                errors.append(caught.value)

    with Starts(service.url, 3600, service.features, http_client_args=service.client_args) as client:
        # One that runs has nothing to wait for.
        client.set_as_main()
    assert (1, []) == (len(errors), service.asked(DECLARE))
