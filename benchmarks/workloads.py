"""The rules and the questions that every library gets: one source, as plain data.

A workload is a set of rules and eight questions. Each question has one expected answer, found by comparing every rule
with every other one. Values are few (``v0`` to ``v7``), because several libraries want each possible value declared.

Nothing here is imported from heksher: the file is read by the environments of the other libraries, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

# In the service's order: a condition on a later feature weighs more than any on earlier ones.
FEATURES = ("environment", "user", "theme")
DEFAULT = "default"
VALUES = tuple(f"v{number}" for number in range(8))

Conditions = Mapping[str, str]


class Rule(NamedTuple):
    """A value and the conditions under which it holds; a feature without one is a wildcard."""

    conditions: Conditions
    value: str

    def matches(self, context: Conditions) -> bool:
        """Return whether every condition holds."""
        return self.conditions.items() <= context.items()

    @property
    def priority(self) -> int:
        """A number that is higher for the rule that wins over another one."""
        return sum(1 << FEATURES.index(feature) for feature in self.conditions)


class Question(NamedTuple):
    """A call: what is given in it, and what holds around it without being given."""

    given: Conditions
    ambient: Conditions = MappingProxyType({})

    @property
    def context(self) -> dict[str, str]:
        """All features, in their order."""
        known = {**self.ambient, **self.given}
        return {feature: known[feature] for feature in FEATURES}


class Workload:
    """Rules and questions under a name.

    Attributes:
        name: as it stands in the table.
        rules: in priority order, the first that matches wins; libraries that try rules in turn need no more.
        questions: asked in rotation.
        is_ambient: whether questions leave features to a constant default (environment) and a ContextVar (theme).
    """

    def __init__(self, name: str, rules: Iterable[Rule], questions: Sequence[Question]) -> None:
        self.name = name
        self.rules = sorted(rules, key=lambda rule: rule.priority, reverse=True)
        self.questions = questions
        self.is_ambient = any(question.ambient for question in questions)

    @cached_property
    def expected(self) -> list[str]:
        """The right answer to each question."""
        return [answer(self.rules, question.context) for question in self.questions]


def answer(rules: Iterable[Rule], context: Conditions) -> str:
    """Return the value of the rule that wins, by looking at every rule."""
    matching = [rule for rule in rules if rule.matches(context)]
    return max(matching, key=lambda rule: rule.priority).value if matching else DEFAULT


def ask(environment: str, user: str, theme: str) -> Question:
    """Make a question that gives all three features."""
    return Question({"environment": environment, "user": user, "theme": theme})


# Rules whose priority is decided by the second-latest condition (v0 against v1), and a wildcard at each feature.
_FIVE_RULES = (
    Rule({"user": "guest", "theme": "dark"}, "v0"),
    Rule({"environment": "prod", "theme": "dark"}, "v1"),
    Rule({"theme": "dark"}, "v2"),
    Rule({"environment": "prod", "user": "guest"}, "v3"),
    Rule({"environment": "prod"}, "v4"),
)
_FIVE_RULES_QUESTIONS = (
    ask("prod", "guest", "dark"),
    ask("dev", "guest", "dark"),
    ask("prod", "alice", "dark"),
    ask("dev", "alice", "dark"),
    ask("prod", "guest", "light"),
    ask("prod", "alice", "light"),
    ask("dev", "guest", "light"),
    ask("dev", "alice", "light"),
)
# Environment and theme change outside of the call, or do not change at all: only the user is given.
_AMBIENT_QUESTIONS = tuple(
    Question({"user": user}, {"environment": "prod", "theme": theme})
    for theme in ("dark", "light")
    for user in ("guest", "alice", "bob", "carol")
)


def _rules_by_user(count: int) -> list[Rule]:
    wildcards = [Rule({"environment": "prod"}, "v6"), Rule({"environment": "test"}, "v7")]
    users = [Rule({"user": f"user_{number}"}, VALUES[number % 6]) for number in range(count - len(wildcards))]
    return users + wildcards


def _questions_by_user(count: int) -> tuple[Question, ...]:
    # Users from the whole range, so that a library that tries rules in turn gets its average; two users without a rule
    # of their own, whose environment decides; and one for whom no rule is left.
    users = [count * eighth // 8 for eighth in (0, 2, 4, 6, 7)]
    found = [ask("prod", f"user_{number}", "dark") for number in users]
    return (*found, ask("prod", "nobody", "dark"), ask("test", "nobody", "light"), ask("dev", "nobody", "dark"))


SMALL, MEDIUM, LARGE, NO_RULES, AMBIENT = "small", "medium", "large", "default", "ambient"
NAMES = (SMALL, MEDIUM, LARGE, NO_RULES, AMBIENT)


def make_workload(name: str, large_count: int = 100_000) -> Workload:
    """Make the workload of a name; ``large_count`` is the number of rules of the large one."""
    if name in {MEDIUM, LARGE}:
        count = 1_000 if name == MEDIUM else large_count
        return Workload(name, _rules_by_user(count), _questions_by_user(count))
    if name == AMBIENT:
        return Workload(name, _FIVE_RULES, _AMBIENT_QUESTIONS)
    return Workload(name, () if name == NO_RULES else _FIVE_RULES, _FIVE_RULES_QUESTIONS)
