"""Models of requests about tokens and people, and of their answers."""

from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from heksher.server.access.grants import Grants, parse_grants
from heksher.server.api.models import RequestModel
from heksher.server.limits import (
    MAX_ACCESS_NAME_CHARACTERS,
    MAX_GRANTS,
    MAX_NAME_CHARACTERS,
    MAX_PASSWORD_CHARACTERS,
    MIN_PASSWORD_CHARACTERS,
)

# The longest role, a colon, and a prefix.
_MAX_GRANT_CHARACTERS: Final = MAX_NAME_CHARACTERS + 10


def _read_grants(texts: object) -> Grants:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError('grants are a list of texts, such as ["read", "edit:frontend."]')
    if len(texts) > MAX_GRANTS or any(len(text) > _MAX_GRANT_CHARACTERS for text in texts):
        raise ValueError(f"grants are at most {MAX_GRANTS}, and each has at most {_MAX_GRANT_CHARACTERS} characters")
    return parse_grants(texts)


def read_time(text: object) -> object:
    """Return the time that a text of a body stands for; ``None`` for null.

    Raises:
        ValueError: it stands for none; the message says why.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.utcoffset() is None:
        raise ValueError("a time is a text with its offset from UTC, such as 2027-06-30T12:00:00Z, or null for none")
    return time


GrantsField = Annotated[
    Grants,
    BeforeValidator(_read_grants),
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": MAX_GRANTS,
            "items": {
                "type": "string",
                "maxLength": _MAX_GRANT_CHARACTERS,
                "pattern": r"^(admin|read|((evaluate|declare|edit)(:[A-Za-z0-9_.]*\.)?))$",
            },
            "examples": [["declare", "edit:frontend."]],
        }
    ),
]
Expiry = Annotated[
    datetime | None,
    BeforeValidator(read_time),
    WithJsonSchema({"type": ["string", "null"], "format": "date-time", "examples": ["2027-06-30T12:00:00Z"]}),
]
# The operations check both, as those of the command line do.
AccessName = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_ACCESS_NAME_CHARACTERS})]
Password = Annotated[
    SecretStr,
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": MIN_PASSWORD_CHARACTERS,
            "maxLength": MAX_PASSWORD_CHARACTERS,
            "writeOnly": True,
        }
    ),
]


class AccessModel(RequestModel):
    """A request of which every field means something: a mistyped one must not look as if it was heeded."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class NewToken(AccessModel):
    """A token to create."""

    name: AccessName = Field(examples=["checkout"])
    grants: GrantsField
    expires_at: Expiry = Field(None, description="when it ends; null: never; absent: in a year")


class TokenUpdate(AccessModel):
    """What is to change of a token; what is absent stays."""

    grants: GrantsField = Grants()
    expires_at: Expiry = Field(None, description="when it ends; null: never")


class NewPerson(AccessModel):
    """A person to add."""

    name: AccessName = Field(examples=["Ada Lovelace"])
    grants: GrantsField
    password: Password | None = Field(None, description="absent for a person who signs in elsewhere")


class PersonGrants(AccessModel):
    """All that a person may do."""

    grants: GrantsField


class NewPassword(AccessModel):
    """The new password of a person."""

    password: Password


class CreatedToken(BaseModel):
    """A token that was created: this is the only time that it is told."""

    name: str
    token: str


class TokenResponse(BaseModel):
    """A token, without what it is. Times are in UTC; the last use is told to the hour."""

    name: str
    grants: list[str]
    creator: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class Tokens(BaseModel):
    """A page of the list of tokens, sorted by name."""

    tokens: list[TokenResponse]
    next_cursor: str | None


class PersonResponse(BaseModel):
    """A person; with issuer and subject one who signs in with a provider."""

    name: str
    grants: list[str]
    has_password: bool
    issuer: str | None
    subject: str | None


class AddedPerson(BaseModel):
    """A person who was added."""

    name: str


class People(BaseModel):
    """A page of the list of people, sorted by name."""

    people: list[PersonResponse]
    next_cursor: str | None


class Me(BaseModel):
    """Who asks, and what they may do: ``nobody`` may do everything where access is not controlled."""

    kind: str
    name: str
    grants: list[str]
