"""Models of answers about what was changed, and of the times and revisions that requests name."""

from datetime import UTC, date, datetime, time
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from heksher.revision_id import MAX_REVISION_DIGITS, parse_revision
from heksher.server.api.models import RequestModel
from heksher.server.api.responses import SettingResponse
from heksher.server.operations.change_list import Moment
from heksher.server.storage.records import ActorKind

_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _read_moment(text: object) -> Moment:
    written = text if isinstance(text, str) else ""
    if (revision := parse_revision(written)) is not None:
        return revision
    try:
        # A date is of a time only where there is more than the date.
        if len(written) == len("2026-11-28"):
            return datetime.combine(date.fromisoformat(written), time(), UTC)
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise ValueError(
            "this is a revision (17), a time with its offset from UTC (2026-11-28T09:30:00Z), or a day (2026-11-28)"
        )
    return at


MomentInQuery = Annotated[
    Moment | None,
    BeforeValidator(_read_moment),
    WithJsonSchema(
        {
            "type": "string",
            # What follows the pattern can still be no day.
            "pattern": f"^([0-9]{{1,{MAX_REVISION_DIGITS}}}|{_DAY}(T[0-9:.]+(Z|[+-][0-9:]+))?)$",
            "examples": ["17", "2026-11-28T09:30:00Z", "2026-11-28"],
        }
    ),
]


class Part(BaseModel):
    """A change of one object: all of its fields on one side if it was added or deleted, else those that differ."""

    action: str
    kind: str
    key: str
    setting: str | None = None
    feature_values: list[tuple[str, str]] | None = None
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None


class ChangeResponse(BaseModel):
    """An entry of the change log: who changed what, when, and why."""

    revision: int
    revision_id: str
    merged: list[int]
    at: datetime
    actor: str | None
    actor_kind: ActorKind
    is_from_metadata: bool
    reason: str | None
    is_batch: bool
    size: int
    parts: list[Part]


class SettingRevert(RequestModel):
    """Which state a setting is to have again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    to: Annotated[int, Field(strict=True, ge=0, examples=[17], description="the revision of that state")]


class RevertAnswer(BaseModel):
    """The revision that has what was taken back, and how many objects were changed by that; 0 if none had to be."""

    revision: int
    size: int


class ChangePage(BaseModel):
    """A page of the change log, newest first."""

    changes: list[ChangeResponse]
    next_cursor: str | None


class ChangeWithParts(ChangeResponse):
    """An entry with a page of its parts."""

    next_cursor: str | None


class PastRule(BaseModel):
    """A rule as it was."""

    rule_id: int
    setting: str
    value: JsonValue
    feature_values: list[tuple[str, str]]
    metadata: dict[str, JsonValue]


class PastSettingResponse(BaseModel):
    """A setting and its rules as they were at a revision."""

    revision: int
    setting: SettingResponse
    rules: list[PastRule]


class Sides(BaseModel):
    """What something was in both revisions: the fields that differ, or all, if it is in one of them only."""

    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None


class RuleDifference(Sides):
    """What differs of a rule."""

    rule_id: int
    feature_values: list[tuple[str, str]] | None


class SettingDifferenceResponse(Sides):
    """What differs of a setting and its rules."""

    setting: str
    rules: list[RuleDifference]


class FeaturesDifference(BaseModel):
    """The context features in both revisions."""

    before: list[str]
    after: list[str]


class Diff(BaseModel):
    """A page of what differs between two revisions."""

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    context_features: FeaturesDifference | None
    settings: list[SettingDifferenceResponse]
    next_cursor: str | None
