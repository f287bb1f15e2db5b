"""What the two clients let a program say of contexts: defaults, and which values it is interested in."""

from collections.abc import Mapping
from types import MappingProxyType

from heksher.clients.conversation.session import Session
from heksher.clients.switching import Switching
from heksher.context import ClientContext, ContextDefault, TrackedValues
from heksher.wire import ANY_VALUES_CAPABILITY


class Contextual:
    """The part of a client that knows contexts. Thread-safe."""

    _context: ClientContext
    _session: Session
    _switching: Switching

    def set_defaults(self, /, **defaults: ContextDefault) -> None:
        """Set values of context features that ``get`` uses where the call names none.

        Args:
            defaults: a string, or a ``ContextVar`` that is looked up at each ``get``; one that is not set, or is
                ``None``, counts as no default. A feature that this client does not have is a warning.

        Raises:
            InvalidContextError: (a ``ValueError``) a feature already has a default.
            ArgumentTypeError: (a ``TypeError``) a default is neither.
        """
        with self._switching.lock:
            self._context.set_defaults(defaults)
            self._switching.recompile()

    def track_contexts(self, /, **tracked: TrackedValues) -> None:
        """Restrict the rules that are fetched to those for the given values. Calls add up.

        Without any call every rule is fetched. Once it was called, rules with a condition on a feature that no call
        names are not fetched. Takes effect with the next update.

        Before the service has answered for the first time, nobody knows whether it takes any text as a value. If it
        does not, the start says so in a warning, and such values are not asked for.

        Args:
            tracked: one value, a collection of values, or ``TRACK_ALL`` (``"*"`` is the same, but inside a collection
                it is a value like others). A feature that this client does not have is a warning.

        Raises:
            InvalidContextError: (a ``ValueError``) a feature or a value that no rule can have, or no rule of this
                service; or an empty collection.
            TrackingConflictError: (a ``RuntimeError``) both ``TRACK_ALL`` and values for one feature.
            ArgumentTypeError: (a ``TypeError``) something else than strings.
        """
        with self._switching.lock:
            # Of a service that has not answered yet, nothing is known.
            is_known = self._session.query is not None
            plain_only = is_known and ANY_VALUES_CAPABILITY not in self._session.capabilities
            self._context.track(tracked, plain_only=plain_only)
            self._switching.recompile()

    def context_namespace(self, contexts: Mapping[str, str]) -> dict[str, str]:
        """Return the contexts completed with the defaults, as ``get`` does; what is ``None`` in them is left out."""
        return self._context.complete(contexts)

    @property
    def untracked_reads(self) -> Mapping[tuple[str, str], int]:
        """How often settings were read with values that are not tracked, by setting and context feature."""
        return MappingProxyType(self._context.untracked_reads)
