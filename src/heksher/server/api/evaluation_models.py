"""The bodies and answers of evaluation: which value settings have in a context, and why."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from heksher.rule_set import NO_VALUE
from heksher.server.api.models import AskedNames, Feature, RequestModel, limit, read_value_text
from heksher.server.api.responses import QueriedRuleResponse
from heksher.server.limits import MAX_CONTEXT_FEATURES


def _read_given(value: object) -> str:
    # Any text may be given: programs have contexts that no rule can ask for.
    return NO_VALUE if value is None else read_value_text(value)


_Given = Annotated[
    str,
    BeforeValidator(_read_given),
    WithJsonSchema(
        {
            "type": ["string", "number", "null"],
            "description": "a text, or a number that stands for its own; null: none, so that no rule on it matches",
        }
    ),
]
_Context = Annotated[dict[Feature, _Given], limit(MAX_CONTEXT_FEATURES, "the context features of a context")]


class EvaluationBody(RequestModel):
    """A question for the values of settings in a context."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    settings: AskedNames = Field(
        default=None, description="names; null: all that the caller may evaluate", examples=[["cache_ttl"]]
    )
    context: _Context = Field(
        default={},
        description="what is known of the context; features that are not here are open",
        examples=[{"environment": "dev"}],
    )
    compare_with: _Context | None = Field(default=None, description="another context to be told of as well")


class LosingRule(QueriedRuleResponse):
    """A rule that matches, and loses: to which rule, on which context feature, and why in words."""

    lost_on: str
    why: str


class SettingValue(BaseModel):
    """A value, and where it comes from; the rule only for those who may read rules, and null for the default."""

    value: JsonValue
    source: Literal["rule", "default"]
    rule: QueriedRuleResponse | None = None


class PossibleValue(SettingValue):
    """A value that is possible where the context leaves features open, and where it is the one.

    That is where all of `conditions` hold, and none of `except` does, each of which is several conditions.
    """

    conditions: dict[str, str]
    except_: list[dict[str, str]] = Field(alias="except")
    has_more_except: bool


class ContextValue(SettingValue):
    """The value of a setting in one context. Losing rules and possible values only for those who may read rules."""

    losing_rules: list[LosingRule] | None = None
    possible: list[PossibleValue] | None = None
    has_more_possible: bool | None = None


class EvaluatedSetting(ContextValue):
    """The value of a setting in a context, and, where two are compared, in the other one."""

    differs: bool | None = None
    compared: ContextValue | None = None


class EvaluationAnswer(BaseModel):
    """Values of settings by canonical name, and the canonical names of the aliases that were asked for."""

    revision: int
    settings: dict[str, EvaluatedSetting]
    aliases: dict[str, str]


class RuleOnContext(QueriedRuleResponse):
    """A rule, and its setting."""

    setting: str


class RulesOnContext(BaseModel):
    """Rules, sorted by setting and number."""

    rules: list[RuleOnContext]
    next_cursor: str | None


class FindingResponse(BaseModel):
    """Something to look at: in a rule, or, where that is null, in the setting itself or its default."""

    kind: Literal["rule without effect", "value outside limits", "unreadable limits"]
    setting: str
    rule_id: int | None
    message: str


class Findings(BaseModel):
    """What was found, by setting, and how much was looked at."""

    revision: int
    settings: int
    rules: int
    findings: list[FindingResponse]
