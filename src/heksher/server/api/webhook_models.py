"""Models of requests about webhooks, and of their answers."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, SecretStr, WithJsonSchema

from heksher.server.api.access_models import AccessModel, AccessName
from heksher.server.limits import MAX_NAME_CHARACTERS, MAX_PREFIXES, MAX_WEBHOOK_URL_CHARACTERS
from heksher.wire import SETTING_NAME_PATTERN

Format = Literal["standard", "slack"]

_FORMAT: Final = "`standard`: as Standard Webhooks recommends; `slack`: `text` alone, which Slack shows in a channel"
_PREFIXES: Final = "what the names of the settings begin with whose changes are told of; none: all changes"

# The operations check all of it, and say nothing of a URL, which may be a secret.
_URL: Final = {"type": "string", "format": "uri", "maxLength": MAX_WEBHOOK_URL_CHARACTERS, "writeOnly": True}
WebhookURL = Annotated[SecretStr, WithJsonSchema(_URL)]
Prefixes = Annotated[
    list[str],
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": MAX_PREFIXES,
            "items": {"type": "string", "maxLength": MAX_NAME_CHARACTERS, "pattern": f"^{SETTING_NAME_PATTERN}$"},
            "examples": [["frontend."]],
        }
    ),
]


class NewWebhook(AccessModel):
    """A webhook to create."""

    name: AccessName = Field(examples=["team-channel"])
    url: WebhookURL = Field(examples=["https://example.com/heksher"])
    prefixes: Prefixes = Field([], description=_PREFIXES)
    format: Format = Field("standard", description=_FORMAT)


class WebhookUpdate(AccessModel):
    """What is to change of a webhook; what is absent stays."""

    url: WebhookURL = SecretStr("")
    prefixes: Prefixes = Field([], description=_PREFIXES)
    format: Format = Field("standard", description=_FORMAT)


class Enabling(AccessModel):
    """From where on an enabled webhook is told."""

    skip_missed: bool = Field(False, description="only of what changes from now on, not of what it has missed")


class CreatedWebhook(BaseModel):
    """A webhook that was created: this is the only time that its secret is told."""

    name: str
    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookResponse(BaseModel):
    """A webhook, of whose URL only the origin is told. Times are in UTC."""

    name: str
    origin: str
    prefixes: list[str]
    format: Format
    creator: str
    created_at: str
    off_reason: str | None
    is_on: bool
    told_revision: int
    failures: int
    failing_since: str | None
    next_attempt_at: str | None
    attempted_at: str | None
    problem: str | None


class Webhooks(BaseModel):
    """A page of the list of webhooks, sorted by name."""

    webhooks: list[WebhookResponse]
    next_cursor: str | None


class TestedWebhook(BaseModel):
    """What became of a message that was sent for a test."""

    is_received: bool
    status: int | None = Field(description="of the answer; null if there was none")
    problem: str | None = Field(description="why the message does not count as received")
