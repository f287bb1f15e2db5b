"""The kinds of options about a provider of identities: how each is read from text."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from heksher.server.access.group_grants import parse_group_grant
from heksher.server.errors import StartupError
from heksher.server.option_kind import OptionKind, Text
from heksher.server.web_address import read_host
from heksher.wording import show_text

# RFC 6749, section 3.3.
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")
_OPENID: Final = "openid"


@dataclass(frozen=True, slots=True)
class Issuer(OptionKind):
    """The identifier of a provider: a URL, to be taken as it is, since it is compared with what the provider says."""

    def read(self, source: str, text: str) -> str:
        if is_provider_url(text) and not any(character in text for character in "?#@ "):
            return text
        # Not what it is, as in PublicURL.
        raise StartupError(
            f"{source}: this is no identifier of a provider, which is a URL like https://login.example.com/realm,"
            " without a user and without a query; http only for localhost"
        )


@dataclass(frozen=True, slots=True)
class Secret(Text):
    """A text that is shown nowhere."""

    def read(self, source: str, text: str) -> str:
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise StartupError(f"{source}: the secret has characters that none has, such as a line break at its end")
        return Text.read(self, source, text)


@dataclass(frozen=True, slots=True)
class GroupGrants(OptionKind):
    """Groups with what they allow, separated by semicolons."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        # Who lists one in each line may end the last one, too.
        parts = [part for part in text.split(";") if part.strip()]
        if not parts:
            raise StartupError(f"{source}: {show_text(text)} names no group; leave it out if there is none")
        return tuple(_read_group_grant(source, part) for part in parts)


@dataclass(frozen=True, slots=True)
class Scopes(OptionKind):
    """What a provider is asked to tell of people, separated by commas or spaces."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        scopes = tuple(dict.fromkeys(text.replace(",", " ").split()))
        for scope in scopes:
            if _SCOPE.fullmatch(scope) is None:
                raise StartupError(f"{source}: {show_text(scope)} is no scope")
        if _OPENID not in scopes:
            raise StartupError(f"{source}: the scopes lack {_OPENID}, without which no provider says who somebody is")
        return scopes


def is_provider_url(text: str) -> bool:
    """Return whether secrets may be sent to a URL: over TLS, or to the machine itself."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    host = read_host(parts.netloc)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host is not None and host.is_loopback)
    return host is not None and is_safe and text.isascii() and text.isprintable()


def _read_group_grant(source: str, text: str) -> str:
    try:
        group, grant = parse_group_grant(text)
    except ValueError as error:
        raise StartupError(f"{source}: {error}") from None
    return f"{group}={grant}"
