"""What a client knows of each of its settings."""

import logging
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.declaration_retry import DeclarationRetry
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.clients.reporting.status import SettingStatus
from heksher.exceptions import InvalidResponseError
from heksher.setting import Setting
from heksher.value_type import JSON

logger: logging.Logger = logging.getLogger(__name__)


class Registration:
    """What a session knows of one setting, which it holds weakly.

    Args:
        forget: called when the setting is gone.

    Attributes:
        is_declared: whether the service accepted the declaration.
        is_followed: whether the service has the setting, as far as the session knows: then it is asked for its values.
        is_missing: whether the service was found not to have the setting, and has not accepted it since.
        retry: when the declaration is due, as long as it is not accepted.
        known_as: the name to ask for it by: its own, or its alias while the service refuses to rename it.
        refused: why the service did not accept the declaration, the last time; empty if it did.
        rejected: why values were not accepted, the last time; empty if all were.
        is_received: whether the setting ever got an evaluation from the service.
        accepted_answer: what the service said last, if all of it was accepted; the setting's evaluation is made of it.
        last_answer: what the service said last, accepted or not, to be saved.
        told: the default that the service has by its answer to the declaration, until the setting answers it, or
            anything newer; ``None`` if that says none.
        is_restored: whether the setting answers from what was saved, because the service has said nothing since.
    """

    def __init__(self, setting: Setting[Any], forget: Callable[[object], object]) -> None:
        self.name: str = setting.name
        self.setting: Callable[[], Setting[Any] | None] = weakref.ref(setting, forget)
        self.is_declared: bool = False
        self.is_followed: bool = False
        self.is_missing: bool = False
        self.retry: DeclarationRetry = DeclarationRetry()
        self.known_as: str = setting.name
        self.is_received: bool = False
        self.accepted_answer: QueriedSetting | None = None
        self.last_answer: QueriedSetting | None = None
        self.told: QueriedSetting | None = None
        self.is_restored: bool = False
        # What was logged of the values, and of the declaration, and still holds.
        self._known_of_values: frozenset[str] = frozenset()
        self._known_of_declaration: frozenset[str] = frozenset()
        self.refused: tuple[str, ...] = ()
        self.rejected: tuple[str, ...] = ()

    def log_values(self, remarks: Iterable[Remark]) -> None:
        """Log remarks on the setting's values, but for those that were logged the last time."""
        remarks = tuple(remarks)
        self._known_of_values = self._log_new(remarks, self._known_of_values)
        self.rejected = _list_rejections(remarks)

    def log_unreceived(self, answer: JSON, error: InvalidResponseError) -> None:
        """Log that the service's answer has nothing for the setting, or nothing that makes sense."""
        if answer is None and not self.is_received:
            text = f"the value of setting was never retrieved from service: {self.name} uses its default"
            self.log_values([Remark(logging.INFO, text)])
        else:
            text = f"setting {self.name} keeps what it has: {error}"
            self.log_values([Remark(logging.ERROR, text, is_rejection=True)])
        self.accepted_answer = None

    def accept(self, remarks: Iterable[Remark] = ()) -> None:
        """Note that the service accepted the declaration; log what it said of it."""
        self.is_declared = self.is_followed = True
        self.is_missing = False
        self.known_as = self.name
        self.retry.end()
        self._log_declaration(tuple(remarks))

    def refuse(self, *remarks: Remark, is_lasting: bool, asked_s: float = 0.0) -> None:
        """Note that the declaration was refused, or failed; log it, unless it was for the same reason the last time.

        Args:
            remarks: why.
            is_lasting: whether trying again soon will not change that.
            asked_s: for how many seconds the service asked not to be asked.
        """
        self.retry.fail(is_refused=is_lasting, asked_s=asked_s)
        self._log_declaration(remarks)

    def lose(self) -> None:
        """Note that the service does not have the setting any more: it is to be declared at once."""
        self.is_declared = self.is_followed = False
        self.is_missing = True
        self.retry.end()

    def follow_as(self, name: str) -> None:
        """Note that the service has the setting under a name, though it has not accepted the declaration."""
        self.is_followed = True
        self.is_missing = False
        self.known_as = name

    def receive(self, answer: QueriedSetting, *, is_accepted: bool) -> None:
        """Note what the service said, now that the setting answers from it."""
        self.is_received = True
        self.is_restored = False
        self.told = None
        self.accepted_answer = answer if is_accepted else None
        self.last_answer = answer

    @property
    def status(self) -> SettingStatus:
        """What a program may know of the setting."""
        return SettingStatus(
            is_declared=self.is_declared,
            is_missing=self.is_missing,
            rejected=tuple(dict.fromkeys(self.refused + self.rejected)),
            is_stale=self.accepted_answer is None,
        )

    def _log_declaration(self, remarks: tuple[Remark, ...]) -> None:
        self._known_of_declaration = self._log_new(remarks, self._known_of_declaration)
        self.refused = _list_rejections(remarks)

    def _log_new(self, remarks: tuple[Remark, ...], known: frozenset[str]) -> frozenset[str]:
        """Log the remarks that are not known yet; return those that are known now."""
        for remark in remarks:
            if remark.text not in known:
                extra = {"setting": self.name, "setting_name": self.name, **remark.extra}
                logger.log(remark.level, "%s", remark.text, extra=extra)
        return frozenset(remark.text for remark in remarks)


def _list_rejections(remarks: Iterable[Remark]) -> tuple[str, ...]:
    return tuple(remark.text for remark in remarks if remark.is_rejection)
