"""Reading the service's answers: what is accepted, and which error is raised for the rest.

A proxy, a login page or an older service may answer in place of the service, so no part of an answer is trusted.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn, TypeVar

from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.unexpected_status import describe_unexpected
from heksher.exceptions import InvalidResponseError, StatusError, TransportError
from heksher.revision_id import RevisionId, parse_revision, parse_revision_id
from heksher.rule_set import Rule
from heksher.value_type import JSON, is_written_same, shorten
from heksher.wire import CAPABILITIES_HEADER, FEATURE_ORDER_HEADER, REVISION_HEADER, REVISION_ID_HEADER

T = TypeVar("T")

# More digits than any useful number of seconds has.
_SECONDS_PATTERN: Final = r"[0-9]{1,12}"
# Of an error's answer, what is kept for the log.
_MAX_CONTENT_BYTES: Final = 4096
_RULE_KEYS = frozenset({"rule_id", "value", "context_features"})


class QueryAnswer(NamedTuple):
    """What a query was answered.

    Attributes:
        settings: what is said of each, by canonical name, still unread.
        aliases: the canonical names of those that were asked for by another name, as far as the service says them.
    """

    settings: Mapping[str, JSON]
    aliases: Mapping[str, str]


class QueriedSetting(NamedTuple):
    """A setting as a query answers it, its values still JSON.

    Attributes:
        has_default: whether the service said a default.
        default_value: that default; ``None`` without one.
    """

    rules: tuple[Rule[JSON], ...]
    has_default: bool
    default_value: JSON


def expect(request: Request, outcome: Outcome, *statuses: int) -> Response:
    """Return the response if it has one of the statuses (by default, any 2xx).

    Raises:
        TransportError: there is no response.
        StatusError: it has another status.
    """
    if isinstance(outcome, TransportError):
        raise outcome
    is_expected = outcome.status in statuses if statuses else 200 <= outcome.status < 300  # noqa: PLR2004 - HTTP's own
    if not is_expected:
        text = f"{request} was answered with status {outcome.status}{describe_unexpected(outcome)}"
        content = outcome.body[:_MAX_CONTENT_BYTES].decode(errors="replace")
        raise StatusError(text, outcome.native, outcome.status, read_retry_after(outcome.headers), content)
    return outcome


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read for how many seconds the service asks not to be asked again; ``None`` if it does not, or not legibly.

    Source: RFC 9110, section 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(_SECONDS_PATTERN, text):
        return float(text)
    moment = _read_date(text)
    if moment is None:
        return None
    # By the service's own clock, which this machine's need not agree with.
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return max((moment - now).total_seconds(), 0.0)


def read_object(
    request: Request, response: Response, object_hook: Callable[[dict[str, JSON]], object] | None = None
) -> Mapping[str, JSON]:
    """Read an answer that must be a JSON object.

    Args:
        request: what was asked, for error messages.
        response: the answer.
        object_hook: is given each object that was parsed, and gives what is to stand in its place; ``None`` leaves
        them.

    Raises:
        InvalidResponseError: it is something else.
    """
    try:
        answer = json.loads(response.body, object_hook=object_hook, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        text = shorten(response.body.decode(errors="replace").strip())
        raise InvalidResponseError(
            f"{request} was not answered with JSON ({error}): {text!r}", response.native
        ) from None
    if not isinstance(answer, dict):
        raise InvalidResponseError(
            f"{request} was not answered with a JSON object: {shorten(repr(answer))}", response.native
        )
    return answer


def read_answers(response: Response) -> list[Response] | None:
    """Read the answers that several declarations in one request were given, as if each had come alone.

    Returns:
        Them, in their order; ``None`` if the response is something else.
    """
    try:
        answers = json.loads(response.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answers, list) or not all(map(_is_answer, answers)):
        return None
    return [response._replace(status=answer["status"], body=_write_body(answer["body"])) for answer in answers]


def read_features(request: Request, response: Response) -> tuple[str, ...]:
    """Read the answer to a request for the context features, in their order."""
    features = read_object(request, response).get("context_features")
    try:
        return tuple(_read_names(features))
    except TypeError as error:
        raise _wrong_shape(request, response, f"context_features is no list of names ({error})") from None


def announced_features(response: Response) -> tuple[str, ...] | None:
    """Return the feature order that an answer announces in its header; ``None`` if the service does not do that."""
    announced = response.headers.get(FEATURE_ORDER_HEADER.lower())
    return None if announced is None else tuple(filter(None, announced.split(",")))


def read_revision(response: Response) -> RevisionId | None:
    """Return the service's revision that an answer belongs to; ``None`` if the service does not tell.

    A service that tells no stamps is older, or does not know the one of this revision.
    """
    told = parse_revision_id(response.headers.get(REVISION_ID_HEADER.lower(), ""))
    if told is not None:
        return told
    number = parse_revision(response.headers.get(REVISION_HEADER.lower(), ""))
    return None if number is None else RevisionId(number)


def read_capabilities(response: Response) -> frozenset[str]:
    """Return what the service announces that it can do beyond the contract; empty if it announces nothing."""
    announced = response.headers.get(CAPABILITIES_HEADER.lower(), "")
    return frozenset(filter(None, map(str.strip, announced.split(","))))


def read_query(request: Request, response: Response) -> QueryAnswer:
    """Read the answer to a query."""
    answer = read_object(request, response, _shrink_rule)
    settings, aliases = answer.get("settings"), answer.get("aliases")
    if not isinstance(settings, dict):
        raise _wrong_shape(request, response, "settings is no object")
    # What is missing here can be asked for one by one.
    names = aliases if isinstance(aliases, dict) else {}
    return QueryAnswer(settings, {alias: name for alias, name in names.items() if isinstance(name, str)})


def read_queried_setting(answer: JSON, previous: QueriedSetting | None = None) -> QueriedSetting:
    """Read what a query says of one setting.

    Args:
        answer: what is said of the setting in what ``read_query`` gave.
        previous: what was said of it before. Rules that are the same are taken from there, so that what an update
            makes, and what it leaves to the garbage collector, depends only on what has changed.

    Raises:
        InvalidResponseError: it is not what the API promises.
    """
    try:
        return _read_queried_setting(answer, previous)
    except RecursionError:
        # Parsing goes deeper than what is done with the result. The other settings have nothing to do with it.
        raise InvalidResponseError("a value is nested too deep") from None


def is_same_answer(answer: QueriedSetting, other: QueriedSetting | None) -> bool:
    """Return whether two answers for a setting say the same, also of the types of values."""
    # Python's equality is a quick first look. It finds 1, 1.0 and true equal, so it is not the last.
    return (
        other is not None
        and answer == other
        and is_written_same(answer.default_value, other.default_value)
        and all(_is_same_rule(rule, known) for rule, known in zip(answer.rules, other.rules, strict=True))
    )


def parse_settings(text: bytes | str) -> JSON:
    """Parse JSON that has settings in it as a query has them, for ``read_queried_setting``.

    Raises:
        ValueError: the text is no JSON, or is nested too deep.
    """
    try:
        parsed: JSON = json.loads(text, object_hook=_shrink_rule, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return parsed


def read_settings(request: Request, response: Response) -> dict[str, SettingData]:
    """Read the list of all settings with their additional data."""
    settings = _read_setting_list(request, response)
    try:
        return {setting.name: setting for setting in map(_read_setting_data, settings)}
    except (KeyError, TypeError) as error:
        raise _wrong_shape(request, response, f"a setting is incomplete ({error!r})") from None


def read_setting_names(request: Request, response: Response) -> frozenset[str]:
    """Read the names and aliases in the list of all settings. What is wrong with one of them is no matter of others."""
    names: set[str] = set()
    for setting in _read_setting_list(request, response):
        if isinstance(setting, Mapping):
            aliases = setting.get("aliases")
            names.update(
                name
                for name in (setting.get("name"), *(aliases if isinstance(aliases, list) else ()))
                if isinstance(name, str)
            )
    return frozenset(names)


def _read_setting_list(request: Request, response: Response) -> list[JSON]:
    settings = read_object(request, response).get("settings")
    if not isinstance(settings, list):
        raise _wrong_shape(request, response, "settings is no list")
    return settings


def _read_queried_setting(answer: JSON, previous: QueriedSetting | None) -> QueriedSetting:
    if not isinstance(answer, Mapping) or not isinstance(rules := answer.get("rules"), list):
        raise InvalidResponseError(f"a setting must be an object with a list of rules, not {shorten(repr(answer))}")
    known = {} if previous is None else {rule.rule_id: rule for rule in previous.rules}
    for position, rule in enumerate(rules):
        read = _read_rule(rule)
        rules[position] = _choose_rule(read, known.get(read.rule_id))
    return QueriedSetting(tuple(rules), "default_value" in answer, _restore(answer.get("default_value")))


def _read_setting_data(setting: JSON) -> SettingData:
    if not isinstance(setting, Mapping):
        raise TypeError(f"no object: {shorten(repr(setting))}")
    return SettingData(
        name=_typed(setting["name"], str),
        configurable_features=_read_names(setting["configurable_features"]),
        type=_typed(setting["type"], str),
        default_value=setting["default_value"],
        metadata=_typed(setting["metadata"], dict),
        aliases=_read_names(setting["aliases"]),
        version=_typed(setting["version"], str),
    )


def _is_answer(answer: object) -> bool:
    return isinstance(answer, Mapping) and type(answer.get("status")) is int and "body" in answer


def _write_body(body: JSON) -> bytes:
    """Write the body of an answer, which is a text or JSON, as it would have come."""
    return body.encode(errors="backslashreplace") if isinstance(body, str) else json.dumps(body).encode()


def _read_names(value: JSON) -> list[str]:
    return [_typed(name, str) for name in _typed(value, list)]


def _typed(value: JSON, expected: type[T]) -> T:
    if not isinstance(value, expected):
        raise TypeError(f"{shorten(repr(value))} is no {expected.__name__}")
    return value


def _shrink_rule(parsed: dict[str, JSON]) -> "dict[str, JSON] | Rule[JSON]":
    """Make a rule of an object as soon as it is parsed, if it is one.

    A large answer as a whole would be a million objects, and the garbage collector would stop all threads to look at
    each. A call for each object also lets other threads run: by itself, the parser holds the interpreter until the
    end. What only looks like a rule, inside of some value, is restored by ``_restore``.
    """
    if parsed.keys() == _RULE_KEYS:
        with suppress(InvalidResponseError):
            return _read_rule(parsed)
    return parsed


def _restore(value: JSON) -> JSON:
    if isinstance(value, Rule):
        conditions: list[JSON] = [list(condition) for condition in value.conditions]
        return {"rule_id": value.rule_id, "value": value.value, "context_features": conditions}
    if isinstance(value, dict):
        return {key: _restore(element) for key, element in value.items()}
    return [*map(_restore, value)] if isinstance(value, list) else value


def _choose_rule(rule: Rule[JSON], known: Rule[JSON] | None) -> Rule[JSON]:
    return rule if known is None or not _is_same_rule(rule, known) else known


def _is_same_rule(rule: Rule[JSON], known: Rule[JSON]) -> bool:
    return rule is known or (rule == known and is_written_same(rule.value, known.value))


def _read_rule(rule: object) -> Rule[JSON]:
    if isinstance(rule, Rule):
        return rule
    if (
        isinstance(rule, Mapping)
        and "value" in rule
        and isinstance(rule_id := rule.get("rule_id"), int)
        and isinstance(conditions := rule.get("context_features"), list)
        and all(map(_is_condition, conditions))
    ):
        return Rule(rule_id, tuple([(feature, value) for feature, value in conditions]), _restore(rule["value"]))
    raise InvalidResponseError(f"a rule must have rule_id, value and context_features: {shorten(repr(rule))}")


def _is_condition(condition: object) -> bool:
    return isinstance(condition, list) and len(condition) == 2 and all(isinstance(part, str) for part in condition)  # noqa: PLR2004 - a pair


def _wrong_shape(request: Request, response: Response, problem: str) -> InvalidResponseError:
    return InvalidResponseError(f"{request} was answered with JSON of another shape: {problem}", response.native)


def _read_date(text: str) -> datetime | None:
    # Takes longer to import than most of this package, and is hardly ever needed.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - see above

    try:
        date = parsedate_to_datetime(text)
    # What is no date fails in many ways, and in others with each version of Python.
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
