"""What a client knows of each of its settings."""

import logging
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.clients.reporting.status import SettingStatus
from heksher.setting import Setting
from heksher.value_type import JSON

logger: logging.Logger = logging.getLogger(__name__)


class Registration:
    """What a session knows of one setting, which it holds weakly.

    Args:
        forget: called when the setting is gone.

    Attributes:
        is_declared: whether the service knows the setting, as far as the session knows.
        is_missing: whether the service was found not to have the setting, and has not accepted it since.
        known_as: the name to ask for it by: its own, or its alias while the service refuses to rename it.
        known_remarks: what was logged of the setting and still holds.
        refused: why the service did not accept the declaration, the last time; empty if it did.
        rejected: why values were not accepted, the last time; empty if all were.
        is_received: whether the setting ever got an evaluation from the service.
        accepted_answer: what the service said last, if all of it was accepted; the setting's evaluation is made of it.
        last_answer: what the service said last, accepted or not, to be saved.
        is_restored: whether the setting answers from what was saved, because the service has said nothing since.
    """

    def __init__(self, setting: Setting[Any], forget: Callable[[object], object]) -> None:
        self.name: str = setting.name
        self.setting: Callable[[], Setting[Any] | None] = weakref.ref(setting, forget)
        self.is_declared = False
        self.is_missing = False
        self.known_as: str = setting.name
        self.is_received: bool = False
        self.accepted_answer: QueriedSetting | None = None
        self.last_answer: QueriedSetting | None = None
        self.is_restored: bool = False
        self.known_remarks: frozenset[str] = frozenset()
        self.refused: tuple[str, ...] = ()
        self.rejected: tuple[str, ...] = ()

    def write_declaration(self, setting: Setting[Any]) -> dict[str, JSON] | None:
        """Return the body of the setting's declaration; ``None``, and note why, if it has none that can be sent."""
        try:
            return setting.to_v1_declaration_body()
        # The program's own type may raise anything, which must cost this setting only.
        except Exception as error:  # noqa: BLE001 - see above
            text = f"setting declaration failed: {self.name} cannot be written as JSON: {error}"
            self.log_declaration([Remark(logging.ERROR, text, is_rejection=True)])
            return None

    def log_values(self, remarks: Iterable[Remark]) -> None:
        """Log remarks on the setting's values, but for those that were logged the last time."""
        remarks = tuple(remarks)
        for remark in remarks:
            if remark.text not in self.known_remarks:
                logger.log(
                    remark.level,
                    "%s",
                    remark.text,
                    extra={"setting": self.name, "setting_name": self.name, **remark.extra},
                )
        self.known_remarks = frozenset(remark.text for remark in remarks)
        self.rejected = tuple(remark.text for remark in remarks if remark.is_rejection)

    def log_declaration(self, remarks: Iterable[Remark]) -> None:
        """Log remarks on the declaration in the same way; they hold until it is repeated."""
        self.log_values(remarks)
        self.refused = self.rejected

    def receive(self, answer: QueriedSetting, *, is_accepted: bool) -> None:
        """Note what the service said, now that the setting answers from it."""
        self.is_received = True
        self.is_restored = False
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
