"""How answers are made, and how they are documented."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, TypeVar

from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, JsonValue

from heksher.server.api.if_match import write_tag
from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject
from heksher.server.problem import PROBLEM_MEDIA_TYPE, make_problem
from heksher.server.storage.base import Written
from heksher.value_type import JSON
from heksher.wire import REVISION_HEADER, REVISION_ID_HEADER

T = TypeVar("T")

# FastAPI's own annotation of this argument; the inner dictionaries are OpenAPI's "Response Object".
Responses: TypeAlias = dict[int | str, dict[str, object]]


class JSONAnswer(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content)


class ProblemAnswer(JSONAnswer):
    """An answer that says what went wrong, as problem details. For the arguments see ``make_problem``."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: JSON) -> None:
        super().__init__(make_problem(status, detail, **more), status, headers)


def answer_list(key: str, items: Iterable[object]) -> Response:
    """Return an answer in JSON: an object with one list, which can be long.

    Each item is written on its own: while one piece of JSON is written, no other thread runs.
    """
    return Response(encode({key: []})[:-2] + b",".join(map(encode, items)) + b"]}", media_type=JSONAnswer.media_type)


def answer_text(text: str, status_code: int) -> Response:
    """Return an answer of plain text."""
    return PlainTextResponse(text.encode("utf-8", "backslashreplace"), status_code)


def answer_written(written: Written[None]) -> Response:
    """Return an answer without a body for a write."""
    return Response(status_code=204, headers=tell_revision(written))


def show_answer(answer: Response) -> JSONObject:
    """Return status and body of an answer, to be told as one of several; ``None`` for no body."""
    body = bytes(answer.body)
    content = None if not body else json.loads(body) if isinstance(answer, JSONAnswer) else body.decode()
    return {"status": answer.status_code, "body": content}


def answer_changed(written: Written[None]) -> Response:
    """Return an answer without a body for a write of an object that has a tag: with the new one, if there is one."""
    return Response(status_code=204, headers={**tell_revision(written), **tell_new_tag(written)})


def tell_new_tag(written: Written[T]) -> dict[str, str]:
    """Return the header with the tag that a write has given its object; nothing if the write has changed nothing."""
    return {"ETag": write_tag(written.revision_id)} if written.is_change else {}


def tell_revision(written: Written[T]) -> dict[str, str]:
    """Return the headers for the revision that a write is visible at."""
    number = {REVISION_HEADER: str(written.revision)}
    return {**number, REVISION_ID_HEADER: str(written.revision_id)} if written.stamp else number


def strip_keys(content: JSONObject, *keys: str) -> JSONObject:
    """Return an object without some keys."""
    return {key: content[key] for key in keys}


class Problem(BaseModel):
    """What went wrong, in words."""

    detail: str


# A model would stand under a name of its own in the document, but only as an answer of the type application/json.
_TEXT: Final = {"type": "string"}
_PART: Final = {
    "type": "object",
    "properties": {"loc": {"type": "array", "items": {"type": ["string", "integer"]}}, "msg": _TEXT, "type": _TEXT},
    "required": ["loc", "msg", "type"],
}
_PROBLEM_DETAILS: Final = {
    PROBLEM_MEDIA_TYPE: {
        "schema": {
            "type": "object",
            "title": "ProblemDetails",
            "description": "What went wrong (RFC 9457).",
            "properties": {
                "type": {**_TEXT, "description": "`about:blank`: there is no more to say than the status does"},
                "title": {**_TEXT, "description": "what the status means"},
                "status": {"type": "integer"},
                "detail": {**_TEXT, "description": "what is wrong, and how to correct it"},
                "errors": {"type": "array", "description": "the parts that break the rules", "items": _PART},
            },
            "required": ["type", "title", "status", "detail"],
        }
    }
}


class InvalidPart(BaseModel):
    """A part of a request that breaks the rules."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(BaseModel):
    """What is wrong with a request."""

    detail: list[InvalidPart]


class Conflicts(BaseModel):
    """Why a change contradicts what is stored."""

    conflicts: list[str]


class ContextFeatures(BaseModel):
    """The context features in their order."""

    context_features: list[str]


class Index(BaseModel):
    """The place of a context feature in the order, counted from 0."""

    index: int


class SettingSummary(BaseModel):
    """The main attributes of a setting."""

    name: str
    type: str
    default_value: JsonValue
    version: str


class SettingResponse(SettingSummary):
    """A setting."""

    configurable_features: list[str]
    metadata: dict[str, JsonValue]
    aliases: list[str]


class Settings(BaseModel):
    """Settings, sorted by name; with the cursor of the next page where the request has asked for pages."""

    settings: list[SettingResponse | SettingSummary]
    next_cursor: str | None = None


class AttributeDifference(BaseModel):
    """An attribute that differs, with the value that the service holds."""

    level: str
    attribute: str
    latest_value: JsonValue


class MessageDifference(BaseModel):
    """A difference that is described in words."""

    level: str
    message: str


class OutcomeResponse(BaseModel):
    """The outcome of a declaration."""

    outcome: str
    latest_version: str | None = None
    previous_version: str | None = None
    differences: list[AttributeDifference | MessageDifference] | None = None


class DeclarationAnswer(BaseModel):
    """What one of many declarations would be answered if it were the only one."""

    status: int
    body: JsonValue


class MetadataResponse(BaseModel):
    """The metadata of a setting or a rule."""

    metadata: dict[str, JsonValue]


class RuleId(BaseModel):
    """The id of a rule."""

    rule_id: int


class RuleResponse(BaseModel):
    """A rule; its conditions are pairs of context feature and value, in feature order."""

    setting: str
    value: JsonValue
    feature_values: list[tuple[str, str]]
    metadata: dict[str, JsonValue]


class QueriedRuleResponse(BaseModel):
    """A rule in a query's answer."""

    rule_id: int
    value: JsonValue
    context_features: list[tuple[str, str]]
    metadata: dict[str, JsonValue] | None = None


class QueriedSettingResponse(BaseModel):
    """A setting in a query's answer."""

    default_value: JsonValue
    rules: list[QueriedRuleResponse]


class QueryResponse(BaseModel):
    """Settings by name, with their rules by ascending id, and, if requested, the canonical names of aliases."""

    settings: dict[str, QueriedSettingResponse]
    aliases: dict[str, str] | None = None


class HealthResponse(BaseModel):
    """The version of a service that is healthy."""

    version: str


class Live(BaseModel):
    """The answer of a process that is alive."""

    live: bool


class Ready(BaseModel):
    """Whether a process can serve requests; the age of its data is in seconds."""

    ready: bool
    revision: int | None
    revision_id: str | None
    history_lost_at: str | None
    age_s: float | None
    database: Literal["up", "down"]
    writes: str


def document(*descriptions: Responses) -> Responses:
    """Merge descriptions of answers."""
    return {status: description for part in descriptions for status, description in part.items()}


def model(status: int, model_class: object, description: str) -> Responses:
    """Describe an answer in JSON."""
    return {status: {"model": model_class, "description": description}}


def empty(status: int, description: str) -> Responses:
    """Describe an answer without a body."""
    return {status: {"description": description}}


def text(status: int, description: str, example: str) -> Responses:
    """Describe an answer in plain text."""
    return {status: {"description": description, "content": {"text/plain": _text_schema(example)}}}


def text_or_problem(status: int, description: str, example: str) -> Responses:
    """Describe an answer that is plain text in one case and JSON in another."""
    return {status: {"model": Problem, "description": description, "content": {"text/plain": _text_schema(example)}}}


def problem(status: int, description: str) -> Responses:
    """Describe an answer that says in words what went wrong."""
    return model(status, Problem, description)


def problem_details(status: int, description: str) -> Responses:
    """Describe an answer that says in words what went wrong, as problem details."""
    return {status: {"description": description, "content": _PROBLEM_DETAILS}}


def add_problem_details(responses: Responses, status: int, description: str) -> Responses:
    """Describe an answer with problem details, where a route may have another form of answers with this status."""
    described = responses.get(status)
    if described is None:
        return document(responses, problem_details(status, description))
    content = described.get("content")
    both = {**content, **_PROBLEM_DETAILS} if isinstance(content, Mapping) else _PROBLEM_DETAILS
    return document(responses, {status: {**described, "content": both}})


def _text_schema(example: str) -> dict[str, object]:
    return {"schema": {"type": "string"}, "example": example}


INVALID: Responses = model(422, Invalid, "The request breaks the rules.")
UNAVAILABLE: Responses = problem(503, "The database cannot be reached, or not be written to; try again later.")
NO_ROOM: Responses = problem_details(
    507, "The database's disk is full, or there are as many as the service keeps; the answer says which."
)
UNREADABLE: Responses = document(
    problem(413, "The body is too large."), problem(415, "The body is compressed: send it as it is.")
)
BAD_ACTOR: Responses = problem_details(400, "The header `Heksher-Actor`, `Heksher-Reason` or `If-Match` is malformed.")
NO_CREDENTIAL: Responses = problem_details(401, "The request has no credential that the service knows.")
NOT_PERMITTED: Responses = problem_details(
    403, "The caller may not do this, or a web page that is not the service's own has sent the request."
)
FOREIGN_HOST: Responses = problem_details(421, "The request is for a name that is not the service's own.")
OUTDATED: Responses = problem_details(
    412,
    "The object is not what `If-Match` expects: `current` is what it is, `last_change` who has made it so.",
)
# What every route with a body can answer.
READ_FAILURES: Responses = document(INVALID, UNAVAILABLE)
WRITE_FAILURES: Responses = document(INVALID, UNREADABLE, UNAVAILABLE, NO_ROOM)
NO_SETTING: Responses = text(404, "There is no such setting.", "there is no setting named 'cache_ttl'")
NO_RULE: Responses = empty(404, "There is no such rule.")
NO_FEATURE: Responses = empty(404, "There is no such context feature.")
# The same of routes with problem details; of writes without a body, and with one.
DETAILED_READ_FAILURES: Responses = document(
    problem_details(422, "The request breaks the rules."),
    problem_details(503, "The database cannot be reached; try again later."),
)
DETAILED_CALL_FAILURES: Responses = document(BAD_ACTOR, DETAILED_READ_FAILURES, NO_ROOM)
DETAILED_WRITE_FAILURES: Responses = document(
    DETAILED_CALL_FAILURES,
    problem_details(413, "The body is too large."),
    problem_details(415, "The body is compressed: send it as it is."),
)
