"""What a client knows of each of its settings."""

import logging
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.clients.reporting.status import SettingStatus
from heksher.setting import Setting

logger: logging.Logger = logging.getLogger(__name__)


class Registration:
    """What a session knows of one setting, which it holds weakly.

    Args:
        forget: called when the setting is gone.

    Attributes:
        is_declared: whether the service knows the setting, as far as the session knows.
        is_missing: whether the service was found not to have the setting, and has not accepted it since.
        known_as: the name to ask for it by: its own, or its alias while the service refuses to rename it.
        reported: the problems of the setting that were logged and still hold.
        refused: why the service did not accept the declaration, the last time; empty if it did.
        rejected: why values were not accepted, the last time; empty if all were.
        is_received: whether the setting ever got an evaluation from the service.
        answer: what the service said last, if all of it was accepted; the setting's evaluation was made from it.
        last_answer: what the service said last, accepted or not, for whoever wants to keep it.
        is_restored: whether the setting answers from what was kept, as the service has not been heard since.
    """

    def __init__(self, setting: Setting[Any], forget: Callable[[object], object]) -> None:
        self.name: str = setting.name
        self.setting: Callable[[], Setting[Any] | None] = weakref.ref(setting, forget)
        self.is_declared = False
        self.is_missing = False
        self.known_as: str = setting.name
        self.is_received: bool = False
        self.answer: QueriedSetting | None = None
        self.last_answer: QueriedSetting | None = None
        self.is_restored: bool = False
        self.reported: frozenset[str] = frozenset()
        self.refused: tuple[str, ...] = ()
        self.rejected: tuple[str, ...] = ()

    def report(self, remarks: Iterable[Remark]) -> None:
        """Log the remarks that were not among the last ones."""
        remarks = tuple(remarks)
        for remark in remarks:
            if remark.text not in self.reported:
                logger.log(remark.level, "%s", remark.text, extra={"setting": self.name})
        self.reported = frozenset(remark.text for remark in remarks)
        self.rejected = tuple(remark.text for remark in remarks if remark.level >= logging.ERROR)

    def report_declaration(self, remarks: Iterable[Remark]) -> None:
        """Do the same for remarks on the declaration, which hold until it is repeated."""
        self.report(remarks)
        self.refused = self.rejected

    def receive(self, answer: QueriedSetting, *, is_accepted: bool) -> None:
        """Note what the service said, now that the setting answers from it."""
        self.is_received = True
        self.is_restored = False
        self.answer = answer if is_accepted else None
        self.last_answer = answer

    @property
    def status(self) -> SettingStatus:
        """What a program may know of the setting."""
        return SettingStatus(
            is_declared=self.is_declared,
            is_missing=self.is_missing,
            rejected=tuple(dict.fromkeys(self.refused + self.rejected)),
            is_stale=self.answer is None,
        )
