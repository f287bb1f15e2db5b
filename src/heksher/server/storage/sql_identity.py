"""Which setting is which in an SQL database: the numbers that the log knows settings by.

They stay through renamings, and a setting that comes back after its deletion gets the one that it had.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import bindparam, literal, select

from heksher.server.storage.records import RULE as RULE_KIND
from heksher.server.storage.records import SETTING as SETTING_KIND
from heksher.server.storage.records import LoggedChange
from heksher.server.storage.sql_log import SqlLog
from heksher.server.storage.sql_statements import Statements
from heksher.server.storage.storage_errors import ContractError
from heksher.server.storage.tables import SETTING

_SETTING_ID: Final = select(SETTING.c.id).where(SETTING.c.name == bindparam("setting"))
_HAS_SETTING_ID: Final = select(literal(1)).where(SETTING.c.id == bindparam("setting_id")).select_from(SETTING)


class SqlIdentity:
    """The numbers of settings in one unit of writing work.

    Args:
        statements: of the transaction.
        log: as the transaction sees it.
        known: the numbers of settings by canonical name, as far as they are known; kept up to date.
        counters: has the highest number that a setting ever had, as ``last_setting_id``; kept up to date.
    """

    def __init__(self, statements: Statements, log: SqlLog, known: dict[str, int], counters: dict[str, int]) -> None:
        self._statements = statements
        self._log = log
        self._known = known
        self._counters = counters
        # The numbers of the settings that this unit has deleted, by name.
        self._gone: dict[str, int] = {}

    def find(self, name: str) -> int:
        """Return the number of the setting with a canonical name.

        Raises:
            ContractError: there is none.
        """
        number = self._look_up(name)
        if number is None:
            raise ContractError(f"there is no setting with the canonical name {name!r}")
        return number

    def find_subject(self, change: LoggedChange) -> int | None:
        """Return the number of the setting that a change is about; ``None`` if it is about something else."""
        if change.kind not in {SETTING_KIND, RULE_KIND}:
            return None
        name = change.key if change.kind == SETTING_KIND else change.setting
        # Whatever this unit has given the name of a setting that it deleted is in the first one.
        if (known := self._known.get(name, self._gone.get(name))) is not None:
            return known
        number = self._look_up(name)
        return self._log.find_last_id(name) if number is None else number

    def note(self, name: str, number: int) -> None:
        """Note that the setting with a number has a canonical name now."""
        self._known[name] = number

    def rename(self, name: str, new_name: str) -> None:
        """Note that a setting has another canonical name now."""
        self._known[new_name] = self._known.pop(name)

    def remove(self, name: str) -> None:
        """Note that a setting is about to be deleted."""
        self._gone[name] = self.find(name)
        del self._known[name]

    def choose(self, names: Sequence[str]) -> list[int]:
        """Return the numbers for settings that are added under these canonical names."""
        # If the database has never had a setting, none can have had a name.
        is_first = self._counters["last_setting_id"] == 0
        logged = frozenset() if is_first else self._log.find_keys(SETTING_KIND, names)
        return [self._choose(name, logged) for name in names]

    def revive(self, name: str, number: int) -> int:
        """Return a number that a deleted setting had, for one that is added under a canonical name as the same.

        Raises:
            ContractError: no setting had it, or one has it.
        """
        if not 0 < number <= self._counters["last_setting_id"] or self._is_in_use(number):
            raise ContractError(f"setting {name!r} cannot come back as number {number}")
        return number

    def _choose(self, name: str, logged: Collection[str]) -> int:
        last = self._find_gone(name) if name in logged or name in self._gone else None
        if last is None or self._is_in_use(last):
            self._counters["last_setting_id"] += 1
            return self._counters["last_setting_id"]
        return last

    def _find_gone(self, name: str) -> int | None:
        if name in self._gone:
            return self._gone[name]
        last = self._log.find_last(SETTING_KIND, name)
        if last is not None:
            return None if last[0].after is not None else last[1]
        forgotten = self._log.find_forgotten(SETTING_KIND, name)
        return None if forgotten is None else forgotten.setting_id

    def _is_in_use(self, number: int) -> bool:
        return bool(self._statements.fetch(_HAS_SETTING_ID, {"setting_id": number}))

    def _look_up(self, name: str) -> int | None:
        if name not in self._known:
            for row in self._statements.fetch(_SETTING_ID, {"setting": name}):
                self._known[name] = int(row.id)
        return self._known.get(name)
