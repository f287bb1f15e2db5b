"""Reads everything from an existing Heksher service, over the HTTP API that all versions of it have.

Rules are queried for some settings at a time: the existing service cannot answer a query for more than 32,767 rules,
and servers in between refuse long URLs (known faults 42 and 43).
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Self

import httpx2

from heksher.exceptions import HeksherError
from heksher.value_type import shorten
from heksher.wire import CONTEXT_FEATURES_PATH, QUERY_PATH, SETTINGS_PATH

# With the rest of the URL, this many characters of names are below the 8,000 that servers take by default.
_MAX_NAMES_CHARACTERS: Final = 4_000
_MAX_NAMES: Final = 200
_TIMEOUT_S: Final = 120.0

_PROXY_VARIABLES: Final = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY"
_URL_FORM: Final = (
    "write http://host:port/path, with '/', '?', '#' and '@' in a user or a password as %2F, %3F, %23 and %40, and send"
    " a token as a header field"
)

# What separates the parts of a header field, and of Basic credentials; shorter parts are no secrets.
_SEPARATORS: Final = re.compile(r"[\s,;:=\"']+")
_MIN_SECRET_CHARACTERS: Final = 4

# JSON of another service: of any shape until it is checked.
AnyJSON = Any


class ExistingServiceError(HeksherError):
    """The existing service cannot be read; the message says what it answered."""


class ExistingService:
    """An existing service. A context manager, which closes the connections.

    Args:
        url: its URL; credentials in it are sent, and stand in no message.
        headers: header fields to send with each request.

    Attributes:
        name: the URL without credentials.

    Raises:
        ExistingServiceError: the URL cannot be one.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parsed = _parse_url(url)
        self.name: str = str(parsed.copy_with(userinfo=b"")).rstrip("/")
        auth = (parsed.username, parsed.password) if parsed.userinfo else None
        # Some services answer with the credentials that they refuse.
        self._secrets = _list_secrets([*headers.values(), f"{parsed.username}:{parsed.password}"])
        try:
            self._client = httpx2.Client(base_url=self.name, headers=headers, auth=auth, timeout=_TIMEOUT_S)
        except (ValueError, ImportError, httpx2.InvalidURL):
            # The error has the proxy's password.
            raise ExistingServiceError(
                f"{_PROXY_VARIABLES} in the environment name a proxy that cannot be used: write http://host:port"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def read_features(self) -> list[str]:
        """Return the context features in their order.

        Raises:
            ExistingServiceError: they cannot be read.
        """
        features = self._get(CONTEXT_FEATURES_PATH, {}, "context_features")
        if not isinstance(features, list) or not all(isinstance(feature, str) for feature in features):
            raise self._fail(CONTEXT_FEATURES_PATH, "answers with context features that are no texts")
        return features

    def read_settings(self) -> list[dict[str, AnyJSON]]:
        """Return all settings with all attributes.

        Raises:
            ExistingServiceError: they cannot be read.
        """
        settings = self._get(SETTINGS_PATH, {"include_additional_data": "true"}, "settings")
        if not isinstance(settings, list) or not all(
            isinstance(setting, dict) and isinstance(setting.get("name"), str) for setting in settings
        ):
            raise self._fail(SETTINGS_PATH, "answers with settings that have no name")
        return settings

    def read_rules(self, names: Sequence[str]) -> Iterator[dict[str, list[dict[str, AnyJSON]]]]:
        """Yield the rules of the settings with these names, by setting, for some settings at a time.

        Raises:
            ExistingServiceError: they cannot be read.
        """
        for portion in _divide(names):
            yield from self._read_portion(portion)

    def _read_portion(self, names: Sequence[str]) -> Iterator[dict[str, list[dict[str, AnyJSON]]]]:
        parameters = {"settings": ",".join(names), "include_metadata": "true"}
        response = self._send(QUERY_PATH, parameters)
        if len(names) > 1 and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # Too many rules for one answer, perhaps.
            middle = len(names) // 2
            yield from self._read_portion(names[:middle])
            yield from self._read_portion(names[middle:])
            return
        settings = self._read(response, QUERY_PATH, "settings")
        if not isinstance(settings, dict) or settings.keys() != set(names):
            raise self._fail(QUERY_PATH, "answers with other settings than it lists: somebody changes them now")
        yield {name: self._list_rules(setting) for name, setting in settings.items()}

    def _list_rules(self, setting: AnyJSON) -> list[dict[str, AnyJSON]]:
        rules = setting.get("rules") if isinstance(setting, dict) else None
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise self._fail(QUERY_PATH, "answers with a setting without a list of rules")
        return rules

    def _get(self, path: str, parameters: Mapping[str, str], key: str) -> AnyJSON:
        return self._read(self._send(path, parameters), path, key)

    def _send(self, path: str, parameters: Mapping[str, str]) -> httpx2.Response:
        try:
            return self._client.get(path, params=dict(parameters))
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise self._fail(path, f"gave no answer: {type(error).__name__} {error}") from error

    def _read(self, response: httpx2.Response, path: str, key: str) -> AnyJSON:
        if response.status_code != HTTPStatus.OK:
            raise self._fail(path, f"answered {response.status_code}: {shorten(self._hide_secrets(response.text))}")
        try:
            content = json.loads(response.content)
        except (ValueError, RecursionError):
            raise self._fail(path, "answered with something that is no JSON") from None
        if not isinstance(content, dict) or key not in content:
            raise self._fail(path, f"answered without {key!r}: it is no Heksher service")
        return content[key]

    def _hide_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _fail(self, path: str, what: str) -> ExistingServiceError:
        return ExistingServiceError(f"the existing service {self.name} {what} (GET {path})")


def _parse_url(url: str) -> httpx2.URL:
    """Return a URL that can be shown without its user and password. No message has anything of one that cannot."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ExistingServiceError(f"the URL of the existing service cannot be read: {_URL_FORM}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ExistingServiceError("the URL of the existing service must begin with http:// or https:// and a host")
    if parsed.query or parsed.fragment or b"@" in parsed.raw_path:
        # Behind a host there are credentials at most: a token, or the rest of a password that has a slash in it.
        raise ExistingServiceError(f"the URL of the existing service has more than a host and a path: {_URL_FORM}")
    return parsed


def _list_secrets(texts: Sequence[str]) -> list[str]:
    """Return what may be secret in credentials as they are sent: all of them and each of their parts, longest first."""
    basic = [base64.b64encode(text.encode()).decode() for text in texts]
    words = [word for text in texts for word in text.split()]
    parts = [part for text in (*texts, *map(_decode, words)) for part in _SEPARATORS.split(text)]
    found = {secret for secret in (*texts, *words, *basic, *parts) if len(secret) >= _MIN_SECRET_CHARACTERS}
    return sorted(found, key=len, reverse=True)


def _decode(word: str) -> str:
    try:
        return base64.b64decode(word, validate=True).decode()
    except ValueError:
        return ""


def _divide(names: Sequence[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    characters = 0
    for name in names:
        characters += len(name) + 1
        if portion and (characters > _MAX_NAMES_CHARACTERS or len(portion) == _MAX_NAMES):
            yield portion
            portion, characters = [], len(name) + 1
        portion.append(name)
    if portion:
        yield portion
