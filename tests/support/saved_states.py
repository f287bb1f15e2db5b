"""States to save and restore."""

from datetime import UTC, datetime, timedelta

from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.clients.conversation.saved_state import SavedState
from heksher.rule_set import Rule

SERVICE = "http://heksher.test"

# Long enough ago that times after it are still in the past; whole microseconds are what a state can have.
YESTERDAY = datetime.now(UTC) - timedelta(days=1)

_SETTINGS = 40
_RULES = 30


def make_state(number: int = 7, saved_at: datetime = YESTERDAY, settings: int = 1, rules: int = 1) -> SavedState:
    """Make a state in which every value, and the revision, is the same number."""
    setting = QueriedSetting(
        tuple(Rule(rule_id, (("user", f"u{rule_id}"),), number) for rule_id in range(rules)), True, number
    )
    named = {f"setting{position}": setting for position in range(settings)}
    return SavedState(saved_at, SERVICE, "*", ("environment", "user"), number, named)


def make_large_state(number: int) -> SavedState:
    """Make a state that takes some time to write: its file has about 70 kB."""
    return make_state(number, datetime.now(UTC), _SETTINGS, _RULES)


def is_of_one_write(state: SavedState) -> bool:
    """Return whether a state is all that ``make_large_state`` has made of one number."""
    assert state.revision is not None
    return make_large_state(state.revision)._replace(saved_at=state.saved_at) == state
