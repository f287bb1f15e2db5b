"""The options of clients, read and checked where a client is created, so that mistakes show at once."""

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, NamedTuple, get_args

from heksher.clients.conversation.stream_policy import UpdateMode
from heksher.clients.transport.sender import Limits
from heksher.context import OnMissingContext
from heksher.exceptions import ArgumentTypeError, InvalidOptionError
from heksher.wording import describe_value

logger: logging.Logger = logging.getLogger(__name__)

StartFailure = Literal["raise", "continue"]


class ClientOptions(NamedTuple):
    """The options of a client that are not about its requests, as the program gave them.

    Attributes:
        update_interval: seconds from one update to the next; ``None`` for no updates but those that are asked for.
        context_features: the context features that the program knows, the most general one first. Where the service
            says another order, that one holds.
        on_start_failure: what ``set_as_main`` does when the first update fails: ``"raise"``, or log it, go on with the
            defaults and ``"continue"`` to try in the background.
        start_timeout: seconds that the start may take, anew from each answer to a declaration; ``None`` for as long as
            the HTTP client's timeouts let it.
        updates: whether changes are followed by a stream where the service has one, or by polling alone.
        on_missing_context: what a read does that lacks a context feature which rules depend on.
    """

    update_interval: float | timedelta | None
    context_features: Iterable[str]
    on_start_failure: StartFailure
    start_timeout: float | timedelta | None
    updates: UpdateMode
    on_missing_context: OnMissingContext


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise an InvalidOptionError unless an option is one of the values of a ``Literal``."""
    known = get_args(choices)
    if value not in known:
        raise InvalidOptionError(f"{name} must be {' or '.join(map(repr, known))}, not {value!r}")


def read_seconds(name: str, duration: object) -> float:
    """Read an option that is a duration, in seconds or as a ``timedelta``.

    Raises:
        InvalidOptionError: it is something else, or not above zero.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidOptionError(f"{name} must be a positive number of seconds or a timedelta, not {duration!r}")
    # More than threads can wait is as good as for ever.
    return float(min(seconds, threading.TIMEOUT_MAX))


def read_features(features: object) -> tuple[str, ...]:
    """Read the context features of a client. A text counts as its letters, as for a setting, and is warned of.

    Raises:
        ArgumentTypeError: (a ``TypeError``) they are no texts.
    """
    if not isinstance(features, Iterable):
        raise ArgumentTypeError(
            f"context_features must be names, such as ['environment', 'user'], not {describe_value(features)}"
        )
    if isinstance(features, str) and len(features) > 1:
        logger.warning(
            "context_features=%r is taken for %d features, one for each letter; for one of this name pass [%r]",
            features,
            len(features),
            features,
        )
    names = tuple(features)
    for name in names:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"context_features must be names, not {describe_value(name)}")
    return names


def read_limits(max_response_bytes: object, request_timeout: object) -> Limits:
    """Read the two options that limit requests, in bytes, and in seconds or as a ``timedelta``.

    Raises:
        InvalidOptionError: one of them is something else, or not above zero.
    """
    if isinstance(max_response_bytes, bool) or not isinstance(max_response_bytes, int) or max_response_bytes <= 0:
        raise InvalidOptionError(f"max_response_bytes must be a positive number of bytes, not {max_response_bytes!r}")
    return Limits(max_response_bytes, read_seconds("request_timeout", request_timeout))
