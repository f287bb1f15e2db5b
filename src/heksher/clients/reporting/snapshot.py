"""A consistent view of many settings: all of them as one update left them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from heksher.clients.reporting.status import count_settings
from heksher.evaluation import Evaluation
from heksher.exceptions import UnknownSettingError
from heksher.explanation import Explanation
from heksher.process_bound import ProcessBound
from heksher.setting import Setting

T = TypeVar("T")


class Snapshot(ProcessBound):
    """The settings of a client at one moment. Immutable: later updates do not show in it.

    Two settings read one after the other can come from two updates; read from one snapshot they cannot. Context
    defaults are those of the client, and ContextVars are looked up at each call.

    Args:
        evaluations: what each setting answers.
    """

    def __init__(self, evaluations: Mapping[Setting[Any], Evaluation[Any]]) -> None:
        self._evaluations = MappingProxyType(dict(evaluations))

    def get(self, setting: Setting[T], /, **contexts: str | None) -> T:
        """Return what ``setting.get(**contexts)`` gave at that moment, with the same errors.

        Raises:
            UnknownSettingError: (a ``KeyError``) the setting is not one of the client's.
        """
        return self._evaluation_of(setting).resolve(contexts)

    def explain(self, setting: Setting[T], /, **contexts: str | None) -> Explanation[T]:
        """Return what ``setting.explain(**contexts)`` gave at that moment; errors as for ``get``."""
        return self._evaluation_of(setting).explain(contexts)

    def __repr__(self) -> str:
        return f"<Snapshot of {count_settings(self)}>"

    def _evaluation_of(self, setting: Setting[T]) -> Evaluation[T]:
        try:
            return self._evaluations[setting]
        except KeyError:
            raise UnknownSettingError(
                f"setting {setting.name!r} is not in this snapshot: it was created later, or belongs to another client"
            ) from None

    def __contains__(self, setting: object) -> bool:
        return setting in self._evaluations

    def __iter__(self) -> Iterator[Setting[Any]]:
        return iter(self._evaluations)

    def __len__(self) -> int:
        return len(self._evaluations)
