"""Which client is the process's main client, and which settings there are for it.

Settings are usually created when modules are imported, long before there is a client, so they are kept here, weakly,
until a client becomes main. From then on each new setting goes to the main client at once.
"""

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

from heksher import fork
from heksher.exceptions import ClientStateError

if TYPE_CHECKING:
    from heksher.context import ClientContext

logger: logging.Logger = logging.getLogger(__name__)


class MainClient(Protocol):
    """What a client must be able to do to be the main one."""

    # A stub client stands in for a service: it may replace any client, and any client may replace it.
    _is_stub: bool
    _context: "ClientContext"

    def _adopt(self, settings: list[Any]) -> None:
        """Take over settings, of which it may have some. Called with the lock held, so it must not block."""

    def _release(self) -> None:
        """Give up all settings: another client is main now."""

    def _follow_default(self, setting: Any) -> None:
        """Have a setting follow a default that the program has set."""

    def _has_undeclared_settings(self) -> bool:
        """Return whether settings are still to be declared."""

    def _is_over(self) -> bool:
        """Return whether the client has ended, so that it must not become main again."""


_STUB_DISPLACED: Final = (
    "a client becomes main while a stub client is: settings do not answer the stub's rules from now on. In a test, have"
    " the program use the stub in place of its own client, for instance by patching the name of the client's class"
)

# Guards _main, and that a setting created while the main client changes goes to exactly one of the two.
_lock = threading.RLock()
_main: MainClient | None = None
_settings: dict[weakref.ref[Any], None] = {}


def register(setting: object) -> None:
    """Register a new setting, weakly, and hand it to the main client, if there is one."""
    with _lock:
        _settings[weakref.ref(setting, _forget)] = None
        if _main is not None:
            _main._adopt([setting])


def get() -> MainClient | None:
    """Return the main client; ``None`` when there is none."""
    return _main


def reset() -> None:
    """Have no main client from now on, as when the process began: for tests, between one case and the next.

    Settings that are alive stay registered, for the next main client, and keep what they answer. The client until now
    goes on without settings; to close it is the program's business.
    """
    global _main
    with _lock:
        previous, _main = _main, None
        if previous is not None:
            previous._release()


def follow_default(setting: Any) -> None:
    """Have a setting follow a default that the program has set, under the lock of the client that it belongs to."""
    client = _main
    if client is None:
        setting._recompile()
    else:
        client._follow_default(setting)


def must_wait(client: MainClient) -> bool:
    """Return whether a client cannot become main yet, because the main client is just declaring settings."""
    main = _main
    if main is None or main is client or not _are_both_real(main, client):
        return False
    return _have_same_features(main, client) and main._has_undeclared_settings()


def make_main(client: MainClient) -> MainClient | None:
    """Make a client the main one, and hand it all settings.

    Returns:
        The client that was main before, for ``restore_main``.

    Raises:
        ClientStateError: the main client until now has other context features, or settings that are not declared yet.
    """
    global _main  # noqa: PLW0603 - as above
    with _lock:
        previous = _main
        if previous is client:
            return None
        is_second = previous is not None and _are_both_real(previous, client)
        if previous is not None and is_second:
            _check_change(previous, client)
        _main = client
    # From here on without the lock: each of these may wait for a lock of its client, whose holder may wait for ours, as
    # the handler of a signal may create a setting at any moment.
    if previous is not None:
        if is_second:
            _warn_of_change(previous, client)
        elif previous._is_stub and not client._is_stub:
            logger.warning(_STUB_DISPLACED)
        previous._release()
    _hand_over(client)
    return previous


def restore_main(client: MainClient, previous: MainClient | None) -> None:
    """Undo ``make_main``, unless yet another client has become main meanwhile.

    A previous client that has ended meanwhile is not restored (known fault 29): there is none then.
    """
    global _main  # noqa: PLW0603 - as above
    with _lock:
        is_undone = _main is client
        if is_undone:
            _main = None if previous is None or previous._is_over() else previous
        restored = _main
    client._release()
    if is_undone and restored is not None:
        _hand_over(restored)


def _hand_over(client: MainClient) -> None:
    client._adopt(_live_settings())
    # Another thread may have made another client the main one meanwhile.
    if _main is not client:
        client._release()


def _are_both_real(one: MainClient, other: MainClient) -> bool:
    return not (one._is_stub or other._is_stub)


def _have_same_features(one: MainClient, other: MainClient) -> bool:
    return set(one._context.features) == set(other._context.features)


def _check_change(previous: MainClient, client: MainClient) -> None:
    if not _have_same_features(previous, client):
        raise ClientStateError(
            f"a client with the context features {list(client._context.features)} cannot become main:"
            f" the main client has {list(previous._context.features)}; close that one first"
            " (heksher.main_client.get() returns it)"
        )
    if previous._has_undeclared_settings():
        raise ClientStateError(
            "a client cannot become main while the main client has settings that are still to be declared;"
            " reload() that one, or close it, first"
        )


def _warn_of_change(previous: MainClient, client: MainClient) -> None:
    logger.warning(
        "the main client changes while another one is open: using multiple clients in a process is NOT recommended!"
        " All settings belong to the new one from now on"
    )
    if previous._context.tracked != client._context.tracked:
        logger.warning(
            "the new main client tracks different context values than the one before: %s instead of %s",
            client._context.tracked,
            previous._context.tracked,
        )


def _live_settings() -> list[Any]:
    return [setting for reference in list(_settings) if (setting := reference()) is not None]


def _forget(reference: "weakref.ref[Any]") -> None:
    # Runs whenever the collector does, in any thread, perhaps one that holds the lock: a single pop needs none.
    _settings.pop(reference, None)


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - held, perhaps, by a thread that the forked process does not have
    _lock = threading.RLock()


fork.renew_in_child(_renew_lock)
