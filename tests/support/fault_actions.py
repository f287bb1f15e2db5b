"""What a ``FaultProxy`` can do wrong, by name.

What is slow here is slow beside ``TIMEOUT_S``, the time limit that clients in these tests have for each step of a
request; what is late is later than that.
"""

import asyncio
import functools
import gzip
import itertools
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from tests.support.fault_proxy import HEAD_END, PASS, Action, Answer, Exchange, Listening, forward

Handler = Callable[[Exchange], Awaitable[None]]

TIMEOUT_S: Final = 0.3
SLOW_S: Final = 0.05
LATE_S: Final = 3 * TIMEOUT_S
DRIP_S: Final = 0.02
IDLE_S: Final = 0.01

# Larger than any client of these tests takes; the endless answer ends here, for clients that would take everything.
HUGE_BYTES: Final = 8 << 20
ENDLESS_BYTES: Final = 64 << 20
BOMB_BYTES: Final = 128 << 20
CHUNK: Final = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

HTML: Final = "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>"
NOT_THE_ANSWER: Final = (
    "", "null", "[]", '"settings"', "42", "{", "{}", '{"settings": null}', '{"settings": []}', '{"settings": 5}',
)  # fmt: skip
NOT_A_SETTING: Final[tuple[object, ...]] = (
    None, [], "s", {}, {"rules": None}, {"rules": {}}, {"rules": [1]}, {"rules": [{}]},
    {"rules": [{"rule_id": "1", "value": 1, "context_features": []}]},
    {"rules": [{"rule_id": 1, "value": 1, "context_features": [["a"]]}]},
)  # fmt: skip
NOT_A_NUMBER: Final[tuple[object, ...]] = ("text", None, True, 1.5, [1], {"a": 1})


# ---- time


async def delay_request(exchange: Exchange) -> None:
    """Take a while before asking the service."""
    await asyncio.sleep(SLOW_S)
    await forward(exchange)


async def delay_answer(exchange: Exchange) -> None:
    """Take a while before saying anything."""
    answer = await exchange.fetch()
    await asyncio.sleep(SLOW_S)
    await exchange.send(answer)


async def delay_body(exchange: Exchange) -> None:
    """Take a while after the head, and again after the first byte of the body."""
    head, body = await _fetch_parts(exchange)
    for part in (head, body[:1], body[1:]):
        await exchange.write(part)
        await asyncio.sleep(SLOW_S)


async def answer_late(exchange: Exchange) -> None:
    """Answer, but later than anybody waits."""
    answer = await exchange.fetch()
    await asyncio.sleep(LATE_S)
    await exchange.send(answer)


async def drip_head(exchange: Exchange) -> None:
    """Send everything byte by byte."""
    await _drip(exchange, (await exchange.fetch_whole()).encode())


async def drip_body(exchange: Exchange) -> None:
    """Send the head at once, then the body byte by byte."""
    head, body = await _fetch_parts(exchange)
    await exchange.write(head)
    await _drip(exchange, body)


async def _drip(exchange: Exchange, data: bytes) -> None:
    for byte in data:
        await exchange.write(bytes([byte]))
        await asyncio.sleep(DRIP_S)


async def promise_for_ever(exchange: Exchange) -> None:
    """Say that the answer is under way, again and again (status 102)."""
    while True:
        await exchange.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(DRIP_S)


# ---- connections


async def stay_silent(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.hold()


async def close_without_answer(exchange: Exchange) -> None:
    """Close the connection in place of an answer."""
    exchange.close()


async def reset_inside(exchange: Exchange) -> None:
    """Break the connection off in the middle of the answer."""
    answer = (await exchange.fetch_whole()).encode()
    await exchange.write(answer[: len(answer) * 2 // 3])
    # What is not on its way yet would be taken back by the reset.
    await asyncio.sleep(IDLE_S)
    exchange.reset()


async def cut_head(exchange: Exchange) -> None:
    """Close the connection after the first bytes of the answer."""
    await exchange.write((await exchange.fetch_whole()).encode()[:10])
    exchange.close()


async def cut_body(exchange: Exchange) -> None:
    """Close the connection in the middle of the body."""
    head, body = await _fetch_parts(exchange)
    await exchange.write(head + body[: len(body) // 2])
    exchange.close()


async def truncate_body(exchange: Exchange) -> None:
    """Promise more bytes than there are, and leave the connection open."""
    answer = await exchange.fetch_whole()
    await exchange.write(answer.encode(length=len(answer.body) + 10))
    await exchange.hold()


async def drop_when_used_again(exchange: Exchange) -> None:
    """Answer the first request of a connection; end the connection on the second."""
    if exchange.number == 1 and not exchange.is_old:
        await forward(exchange)
    else:
        exchange.close()


async def forget_old_connections(exchange: Exchange) -> None:
    """Be silent on connections from before, as after a thaw or behind a gateway that has restarted."""
    await (exchange.hold() if exchange.is_old else forward(exchange))


async def say_goodbye(exchange: Exchange) -> None:
    """Answer, then tell of a time-out (408) on the connection that lies idle, and close it, as load balancers do."""
    await forward(exchange)
    await asyncio.sleep(IDLE_S)
    await exchange.send(Answer(408, {"connection": "close"}, b""))
    exchange.close()


async def answer_once(exchange: Exchange) -> None:
    """Answer, and close the connection, as a service may at any time."""
    answer = await exchange.fetch()
    await exchange.send(answer._replace(headers={**answer.headers, "connection": "close"}))
    exchange.close()


# ---- what is sent


async def answer_twice(exchange: Exchange) -> None:
    """Send the answer twice in a row."""
    await exchange.write((await exchange.fetch()).encode() * 2)


async def add_an_answer(exchange: Exchange) -> None:
    """Send another answer, which nobody asked for, after the right one."""
    await exchange.write((await exchange.fetch()).encode() + Answer(500, {}, b"not asked for").encode())


async def corrupt_head(exchange: Exchange) -> None:
    """Flip bits in the head."""
    head, body = await _fetch_parts(exchange)
    await exchange.write(_flip(head) + body)


async def corrupt_body(exchange: Exchange) -> None:
    """Flip bits in the body."""
    head, body = await _fetch_parts(exchange)
    await exchange.write(head + _flip(body))


def _flip(data: bytes) -> bytes:
    # The highest bit: what comes out is no ASCII any longer. A change that leaves the JSON valid cannot be seen, but
    # for by TLS.
    return bytes(byte ^ 0x80 if place % 7 == 3 else byte for place, byte in enumerate(data))


async def send_garbage(exchange: Exchange) -> None:
    """Answer with something that is not HTTP."""
    await exchange.write(b"SSH-2.0-OpenSSH_9.6\r\n\x00\x01\x02" + b"\xff" * 100 + HEAD_END)
    exchange.close()


async def send_endless_head(exchange: Exchange) -> None:
    """Send headers without end."""
    await exchange.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(ENDLESS_BYTES >> 10):
        await exchange.write(b"x-filler: " + b"x" * 1012 + b"\r\n")


async def send_endless_body(exchange: Exchange) -> None:
    """Send a body without end: white space, as valid JSON may have before it begins."""
    await exchange.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked" + HEAD_END)
    for _ in range(ENDLESS_BYTES >> 16):
        await exchange.write(CHUNK)


async def send_huge_body(exchange: Exchange) -> None:
    """Send the right answer after megabytes of white space."""
    answer = await exchange.fetch_whole()
    await exchange.send(answer._replace(body=b" " * HUGE_BYTES + answer.body))


async def send_bomb(exchange: Exchange) -> None:
    """Send little that decompresses to much."""
    await exchange.send(Answer(200, {"content-encoding": "gzip", "content-type": "application/json"}, _make_bomb()))


@functools.cache
def _make_bomb() -> bytes:
    packer, block = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS), bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(BOMB_BYTES >> 20)) + packer.flush()


async def send_broken_gzip(exchange: Exchange) -> None:
    """Send a body whose compression is broken."""
    answer = await exchange.fetch_whole()
    packed = bytearray(gzip.compress(answer.body))
    packed[len(packed) // 2] ^= 0xFF
    await exchange.send(answer._replace(headers={**answer.headers, "content-encoding": "gzip"}, body=bytes(packed)))


async def send_as_html(exchange: Exchange) -> None:
    """Send the right answer, and say that it is a page."""
    answer = await exchange.fetch()
    await exchange.send(answer._replace(headers={**answer.headers, "content-type": "text/html"}))


async def say_unchanged(exchange: Exchange) -> None:
    """Say that nothing has changed (304), whether or not that was the question."""
    await exchange.send(Answer(304, {}, b""))


async def leave_etag_out(exchange: Exchange) -> None:
    """Pass everything on but the ETag, so that a client cannot ask whether anything has changed."""
    answer = await exchange.fetch_whole()
    kept = {name: value for name, value in answer.headers.items() if name != "etag"}
    await exchange.send(answer._replace(headers=kept))


async def redirect_elsewhere(exchange: Exchange) -> None:
    """Send the client to another path."""
    elsewhere = f"http://{exchange.ask.headers['host']}/elsewhere"
    await exchange.send(Answer(302, {"location": elsewhere}, b""))


def respond(status: int, body: str = "", **headers: str) -> Handler:
    """Make a handler that says always the same."""
    answer = Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())
    return lambda exchange: exchange.send(answer)


def take_turns(bodies: Iterable[str | bytes]) -> Handler:
    """Make a handler that answers with one body after the other, in place of the right one."""
    turns = itertools.cycle(body if isinstance(body, bytes) else body.encode() for body in bodies)

    async def handle(exchange: Exchange) -> None:
        await exchange.send((await exchange.fetch_whole())._replace(body=next(turns)))

    return handle


def rewrite_settings(*changes: Callable[[Any], object]) -> Handler:
    """Make a handler that changes what a query's answer says of each setting; the changes take turns."""
    turns = itertools.cycle(changes)

    async def handle(exchange: Exchange) -> None:
        answer = await exchange.fetch_whole()
        content = json.loads(answer.body) if answer.body else None
        if isinstance(content, dict) and isinstance(content.get("settings"), dict):
            change = next(turns)
            content["settings"] = {name: change(setting) for name, setting in content["settings"].items()}
        await exchange.send(answer._replace(body=json.dumps(content).encode()))

    return handle


def say_instead(something: object) -> Callable[[Any], object]:
    """Make a change that puts something in a setting's place."""
    return lambda _setting: something


def give_values(value: object) -> Callable[[Any], object]:
    """Make a change that gives the same value to the default and to all rules of a setting."""

    def change(setting: Any) -> object:
        return {"default_value": value, "rules": [{**rule, "value": value} for rule in setting["rules"]]}

    return change


def _nest(depth: int) -> object:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


async def _fetch_parts(exchange: Exchange) -> tuple[bytes, bytes]:
    head, _, body = (await exchange.fetch_whole()).encode().partition(HEAD_END)
    return head + HEAD_END, body


def _dropping(handle: Handler = forward, certificate: str | None = "right") -> Action:
    return Action(handle, certificate=certificate, drops_connections=True)


ACTIONS: Final[Mapping[str, Action]] = {
    "pass": PASS,
    "without etag": Action(leave_etag_out),
    "answer once": _dropping(answer_once),
    "slow request": Action(delay_request),
    "slow answer": Action(delay_answer),
    "slow body": Action(delay_body),
    "late answer": Action(answer_late),
    "refused": Action(listening=Listening.REFUSED, drops_connections=True),
    "unreachable": Action(listening=Listening.IGNORED, drops_connections=True),
    "silent": Action(stay_silent),
    "old connections silent": Action(forget_old_connections),
    "dropped when used again": Action(drop_when_used_again),
    "408 when idle": Action(say_goodbye),
    "closed without answer": Action(close_without_answer),
    "reset": Action(reset_inside),
    "cut head": Action(cut_head),
    "cut body": Action(cut_body),
    "truncated": Action(truncate_body),
    "duplicated": Action(answer_twice),
    "unasked answer": Action(add_an_answer),
    "corrupt head": Action(corrupt_head),
    "corrupt body": Action(corrupt_body),
    "dripping head": Action(drip_head),
    "dripping body": Action(drip_body),
    "endless 102": Action(promise_for_ever),
    "endless head": Action(send_endless_head),
    "endless body": Action(send_endless_body),
    "huge body": Action(send_huge_body),
    "gzip bomb": Action(send_bomb),
    "broken gzip": Action(send_broken_gzip),
    "garbage": Action(send_garbage),
    "page": Action(respond(200, HTML, content_type="text/html")),
    "as html": Action(send_as_html),
    "204": Action(respond(204)),
    "304": Action(say_unchanged),
    "redirect": Action(redirect_elsewhere),
    "401": Action(respond(401, "who are you?", www_authenticate="Basic")),
    "403": Action(respond(403, "no")),
    "404": Action(respond(404, HTML, content_type="text/html")),
    "429": Action(respond(429, "slow down")),
    "429 for a second": Action(respond(429, "slow down", retry_after="1")),
    "500": Action(respond(500, "oops")),
    "502": Action(respond(502, HTML, content_type="text/html")),
    "503": Action(respond(503)),
    "503 for a second": Action(respond(503, retry_after="1")),
    "503 for nonsense": Action(respond(503, retry_after="soon")),
    "other JSON": Action(take_turns(NOT_THE_ANSWER)),
    "no UTF-8": Action(take_turns([b'{"settings": "\xff\xfe"}', b"\x80\x81"])),
    "NaN": Action(rewrite_settings(give_values(float("nan")), give_values(float("inf")))),
    "deep JSON": Action(take_turns(["[" * 100_000, '{"a":' * 100_000])),
    "deep values": Action(rewrite_settings(give_values(_nest(700)))),
    "no settings": Action(take_turns(['{"settings": {}}'])),
    "other settings": Action(rewrite_settings(*map(say_instead, NOT_A_SETTING))),
    "other types": Action(rewrite_settings(*map(give_values, NOT_A_NUMBER))),
    "foreign certificate": _dropping(certificate="foreign"),
    "certificate for another host": _dropping(certificate="elsewhere"),
    "expired certificate": _dropping(certificate="expired"),
    "silent handshake": _dropping(certificate=None),
}
