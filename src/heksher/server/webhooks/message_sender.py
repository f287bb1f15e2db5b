"""Sends messages: one request each, bounded in time, to where their URLs say and nowhere else.

Neither redirects nor proxies of the environment are followed, as either would lead to an address that nobody has
checked. Of an answer only its status counts, and when it asks to be tried again. Nothing that is sent is ever logged,
or told in an outcome: the URL alone may be a secret.
"""

import asyncio
import math
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from heksher.server.access.message_signature import make_headers
from heksher.server.operations.webhook_address import find_host
from heksher.server.webhooks.address_rule import AddressRule
from heksher.server.webhooks.daemon_call import call_in_daemon
from heksher.server.webhooks.sending_error import SendingError
from heksher.value_type import shorten
from heksher.version import __version__

# For all that is done to send a message, in seconds.
TIMEOUT_S: Final = 10.0

_LOWEST_SUCCESS: Final = 200
_LOWEST_REDIRECT: Final = 300
_LOWEST_ERROR: Final = 400
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Message:
    """What a webhook is told at once.

    Attributes:
        message_id: the same whenever it is sent.
        body: JSON.
    """

    message_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """What became of an attempt to send a message.

    Attributes:
        status: of the answer; ``None`` if there was none.
        problem: why the message does not count as received; empty if it does.
        retry_after_s: for how long the receiver wants to be left alone; 0 if it does not say.
    """

    status: int | None
    problem: str
    retry_after_s: float = 0.0

    @property
    def is_success(self) -> bool:
        """Whether the message counts as received."""
        return not self.problem

    @property
    def is_refusal(self) -> bool:
        """Whether the receiver wants no messages any more."""
        return self.status == _GONE


class MessageSender:
    """Sends messages. May be used on any event loop.

    Args:
        rule: which addresses may be connected to.
        timeout_s: for all that is done to send a message.
    """

    def __init__(self, rule: AddressRule, timeout_s: float = TIMEOUT_S) -> None:
        self._rule = rule
        self._timeout_s = timeout_s
        # Made by the first request: to read the machine's certificates takes a tenth of a second.
        self._trust: ssl.SSLContext | None = None

    async def send(self, url: str, secret: str, message: Message) -> MessageOutcome:
        """Send a message, and return what became of it.

        Args:
            url: where to; one that ``find_url_fault`` finds no fault with.
            secret: what the message is signed with.
            message: the message.
        """
        headers = {
            **make_headers(secret, message.message_id, message.body, time.time()),
            "host": find_host(url),
            "content-type": "application/json",
            "user-agent": f"heksher/{__version__}",
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(url, headers, message.body)
        except TimeoutError:
            return MessageOutcome(None, f"it did not answer within {self._timeout_s:g} seconds")
        # Whatever it is: the loop that sends messages must go on.
        except Exception as error:  # noqa: BLE001 - see above
            return MessageOutcome(None, _describe(error))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> MessageOutcome:
        # Loading the library takes a tenth of a second, wasted where there are no webhooks.
        import httpcore2  # noqa: PLC0415 - see above

        from heksher.server.webhooks.guarded_network import GuardedNetwork  # noqa: PLC0415 - as above

        is_encrypted = url.startswith("https:")
        if is_encrypted and self._trust is None:
            self._trust = await call_in_daemon(_make_trust)
        network = GuardedNetwork(self._rule, is_encrypted=is_encrypted)
        # A connection for each message: a kept one would go on to lead to an address that is not allowed any more.
        async with (
            httpcore2.AsyncConnectionPool(self._trust, network_backend=network) as pool,
            pool.stream("POST", url, headers=[*headers.items()], content=body) as answer,
        ):
            return _judge(answer.status, dict(answer.headers))


def _make_trust() -> ssl.SSLContext:
    import httpx2  # noqa: PLC0415 - as above

    return httpx2.create_ssl_context()


def _judge(status: int, headers: Mapping[bytes, bytes]) -> MessageOutcome:
    if _LOWEST_SUCCESS <= status < _LOWEST_REDIRECT:
        return MessageOutcome(status, "")
    retry_after_s = _read_seconds(headers.get(b"retry-after", headers.get(b"Retry-After", b"")))
    if status < _LOWEST_ERROR:
        return MessageOutcome(
            status, f"it answered {status}: redirects are not followed, so give its new URL", retry_after_s
        )
    return MessageOutcome(status, f"it answered {status}", retry_after_s)


def _read_seconds(text: bytes) -> float:
    # A date, which it may also be, is nothing that a receiver of messages is known to send.
    seconds = float(text) if text.isdigit() else 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _describe(error: BaseException) -> str:
    """Say how an attempt has failed, in words that have nothing of what was sent."""
    # What has led to all else says most; the library hides that.
    reasons: list[BaseException] = [error]
    while (earlier := reasons[-1].__cause__ or reasons[-1].__context__) is not None:
        reasons.append(earlier)
    described = (_describe_reason(reason) for reason in reversed(reasons))
    return next((text for text in described if text), f"no answer was received: {type(error).__name__}")


def _describe_reason(reason: BaseException) -> str:
    if isinstance(reason, SendingError):
        return str(reason)
    if isinstance(reason, socket.gaierror):
        return "the name of its host is not known"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {shorten(reason.verify_message)}"
    if isinstance(reason, ssl.SSLError):
        return f"no encrypted connection could be made: {shorten(reason.reason or 'TLS failed')}"
    if isinstance(reason, OSError):
        return f"the connection failed: {os.strerror(reason.errno) if reason.errno else 'no address answers'}"
    return ""
