"""What a client knows of one setting: what was said of it, and what is worth saying again."""

import gc
import logging

import pytest

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.registration import Registration
from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.setting import Setting

ANSWER = QueriedSetting((), True, 5)
COERCED = Remark(logging.WARNING, "setting size: the default value was coerced")
REJECTED = Remark(logging.WARNING, "setting size: the value of rule 1 was rejected", is_rejection=True)


@pytest.fixture
def setting() -> Setting[int]:
    return Setting("size", int, ["a"], 0)


@pytest.fixture
def registration(setting: Setting[int]) -> Registration:
    return Registration(setting, lambda _: None)


def test_remarks_that_last_are_logged_once(registration: Registration, caplog: pytest.LogCaptureFixture) -> None:
    """A remark is logged when it appears, and again when it comes back after it was gone."""
    for remarks in ([COERCED], [COERCED, REJECTED], [REJECTED], [COERCED]):
        registration.log_values(remarks)
    assert [COERCED.text, REJECTED.text, COERCED.text] == caplog.messages


def test_status_tells_what_is_wrong(registration: Registration) -> None:
    """Errors of the declaration and of values are in the status, each once; what was merely coerced is not."""
    registration.refuse(REJECTED, is_lasting=True)
    registration.log_values([REJECTED, COERCED])
    assert (REJECTED.text,) == registration.status.rejected


def test_what_is_said_of_values_does_not_repeat_a_refusal(
    registration: Registration, caplog: pytest.LogCaptureFixture
) -> None:
    """A declaration that is refused again for the same reason is no news, whatever was said of values meanwhile."""
    for _ in range(2):
        registration.refuse(REJECTED, is_lasting=True)
        registration.log_values([COERCED])
    assert [REJECTED.text, COERCED.text] == caplog.messages
    registration.accept()
    assert ((), True) == (registration.status.rejected, registration.status.is_declared)


def test_what_was_not_accepted_is_stale(registration: Registration) -> None:
    """A setting is current only while it answers from all of the service's last answer; that is kept in any case."""
    stale = [registration.status.is_stale]
    for is_accepted in (True, False):
        registration.receive(ANSWER, is_accepted=is_accepted)
        stale.append(registration.status.is_stale)
    assert ([True, False, True], ANSWER) == (stale, registration.last_answer)


def test_answer_ends_what_was_restored(registration: Registration) -> None:
    """As soon as the service has answered, the setting no longer counts as restored."""
    registration.is_restored = True
    registration.receive(ANSWER, is_accepted=True)
    assert (False, True) == (registration.is_restored, registration.is_received)


def test_a_setting_is_held_weakly() -> None:
    """When the program drops the setting, the registration says so."""
    setting = Setting("size", int, ["a"], 0)
    gone: list[object] = []
    registration = Registration(setting, gone.append)
    del setting
    gc.collect()
    assert (None, 1) == (registration.setting(), len(gone))
