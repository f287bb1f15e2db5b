"""The kinds of options that name hosts, networks and origins of web pages: how each is read from text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from heksher.server.errors import StartupError
from heksher.server.option_kind import OptionKind, Text
from heksher.server.web_address import make_web_origin, read_host, read_network, read_web_origin
from heksher.wording import show_text

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class ListenHost(Text):
    """The name or the address of this machine that a service listens on."""

    def read(self, source: str, text: str) -> str:
        # Not what it is, as in PublicURL.
        if "@" in text or "/" in text:
            raise StartupError(f"{source}: this is no name or address of a host, such as 0.0.0.0 or ::1")
        return Text.read(self, source, text)


@dataclass(frozen=True, slots=True)
class PublicURL(OptionKind):
    """The URL at which browsers reach the service."""

    def read(self, source: str, text: str) -> str:
        if _is_public_url(text):
            return text.rstrip("/")
        # Not what it is: someone may have written a password into it.
        raise StartupError(
            f"{source}: this is no URL of a service, which is like https://heksher.example.com or"
            " http://10.0.0.1:8000/heksher, without a user and without a query"
        )


@dataclass(frozen=True, slots=True)
class Hosts(OptionKind):
    """Names of hosts, separated by commas."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        return _read_list(source, text, _read_host_name, "name of a host without a port, such as heksher.internal")


@dataclass(frozen=True, slots=True)
class HeaderName(Text):
    """The name of a header."""

    def read(self, source: str, text: str) -> str:
        if not _HEADER_NAME.fullmatch(text):
            raise StartupError(f"{source}: {show_text(text)} is no name of a header, such as X-Forwarded-User")
        return text


@dataclass(frozen=True, slots=True)
class WebOrigins(OptionKind):
    """Origins of web pages, separated by commas."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        return _read_list(source, text, read_web_origin, "origin of web pages, such as https://app.example.com")


@dataclass(frozen=True, slots=True)
class Networks(OptionKind):
    """IP addresses and networks, separated by commas."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        return _read_list(source, text, _read_network, "address or network, such as 10.0.0.5 or 10.0.0.0/24")


def _read_list(source: str, text: str, read: Callable[[str], str | None], what: str) -> tuple[str, ...]:
    return tuple(_read_part(source, part.strip(), read, what) for part in text.split(","))


def _read_part(source: str, part: str, read: Callable[[str], str | None], what: str) -> str:
    value = read(part)
    if value is None:
        raise StartupError(f"{source}: {show_text(part)} is no {what}")
    return value


def _is_public_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return make_web_origin(parts.scheme, parts.netloc) is not None and not (parts.query or parts.fragment)


def _read_host_name(text: str) -> str | None:
    # An IPv6 address may have its brackets, which it has in the header.
    host = read_host(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    return host.name if host is not None and host.port is None else None


def _read_network(text: str) -> str | None:
    network = read_network(text)
    return None if network is None else str(network)
