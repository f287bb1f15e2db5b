"""Models of requests that make several writes at once, and of their answers."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from heksher.server.api.models import AnyJSON, RequestModel
from heksher.server.api.write_call import NamedWrite, WriteMethod
from heksher.server.asgi.caller import MAX_REASON_CHARACTERS, require_reason
from heksher.server.limits import MAX_BULK_OPERATIONS

ReasonField = Annotated[
    str,
    AfterValidator(require_reason),
    Field(
        description="why, for the change log, in the place of the header",
        examples=["incident 4711"],
        json_schema_extra={"maxLength": MAX_REASON_CHARACTERS},
    ),
]


class BulkOperation(RequestModel):
    """A write of v1 as it would be requested alone."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "method": "POST",
                    "path": "/api/v1/rules",
                    "body": {"setting": "cache_ttl", "feature_values": {"environment": "dev"}, "value": 10},
                }
            ]
        },
    )

    method: WriteMethod
    path: str
    body: AnyJSON = None
    if_match: str | None = Field(None, description="as the header `If-Match`", examples=['"17-0123456789ab"'])

    def to_write(self) -> NamedWrite:
        """Return what is to be read."""
        return NamedWrite(self.method, self.path, self.body, self.if_match)


class BulkRequest(RequestModel):
    """Writes that are made together."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    operations: Annotated[list[BulkOperation], Field(min_length=1, max_length=MAX_BULK_OPERATIONS)]
    reason: ReasonField = ""


class BulkResult(BaseModel):
    """What one of the writes would be answered alone."""

    status: int
    body: JsonValue
    etag: str | None


class BulkAnswer(BaseModel):
    """The revision that has all of the writes, and what each would be answered alone."""

    revision: int
    results: list[BulkResult]
