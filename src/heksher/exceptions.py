"""Every error that heksher raises, in one tree.

::

    HeksherError
    ├── UsageError                          the caller's fault: the library was called in a way that cannot work
    │   ├── ArgumentTypeError               (TypeError)     an argument that is of a wrong type
    │   ├── InvalidDeclarationError         (ValueError)    a setting declared with attributes that cannot be right
    │   ├── InvalidTypeError                (ValueError)    a text that is not a setting type
    │   ├── UnsupportedTypeError            (TypeError, RuntimeError)  a Python type that no setting can have
    │   ├── UnknownFeatureError             (ValueError)    get() with a feature that the setting is not configurable by
    │   ├── MissingContextError             (RuntimeError)  get() without a feature that a rule depends on
    │   ├── InvalidContextError             (ValueError)    a context default or tracked value that cannot be used
    │   ├── InvalidOptionError              (ValueError)    a client created with options that cannot work
    │   ├── UnknownSettingError             (KeyError)      a snapshot asked for a setting of another client
    │   ├── TrackingConflictError           (RuntimeError)  TRACK_ALL and single values for one feature
    │   └── ClientStateError                (RuntimeError)  a client that is closed, not started, or cannot become main
    ├── ServiceError                        the service's or the network's fault; also an ``httpx.HTTPError``
    │   ├── TransportError                  no answer came back
    │   ├── StatusError                     an answer with a status that the request does not allow
    │   └── InvalidResponseError            an answer that is not what the Heksher API promises
    └── NoMatchError                        (LookupError)   kept for programs that import it

A value that is to be converted, and of the wrong type, is a plain ``TypeError``, as for any Python function.

Beside the tree there is one warning, ``DeclarationWarning``: for a setting that no service will accept.
"""


class HeksherError(Exception):
    """Base of every error of this library."""


class UsageError(HeksherError):
    """Base of the errors whose remedy is in the calling program."""


class ArgumentTypeError(UsageError, TypeError):
    """A setting, a client or one of its methods was given an argument of a wrong type."""


class DeclarationWarning(UserWarning):
    """A setting was declared as no service will accept it. It answers its default until that is mended.

    An error in tests, with ``filterwarnings = ["error::heksher.DeclarationWarning"]``, keeps such a declaration from
    being deployed.
    """


class InvalidDeclarationError(UsageError, ValueError):
    """A setting was declared with a version that is none."""


class InvalidTypeError(UsageError, ValueError):
    """A text does not follow the grammar of setting types."""


class UnsupportedTypeError(UsageError, TypeError, RuntimeError):
    """A setting was declared with a Python type that stands for no setting type."""


class UnknownFeatureError(UsageError, ValueError):
    """A setting was asked for its value with a context feature that it is not configurable by."""


class MissingContextError(UsageError, RuntimeError):
    """A setting was asked for its value without a context feature that one of its rules depends on."""


class InvalidContextError(UsageError, ValueError):
    """A context default or a tracked value cannot be used as given."""


class InvalidOptionError(UsageError, ValueError):
    """A client was created with an option that cannot work."""


class UnknownSettingError(UsageError, KeyError):
    """A snapshot was asked for a setting that it does not hold."""

    # KeyError shows its argument as repr(), which would put quotes around the whole message.
    def __str__(self) -> str:
        return Exception.__str__(self)


class TrackingConflictError(UsageError, RuntimeError):
    """One context feature is tracked both as a whole and by single values."""


class ClientStateError(UsageError, RuntimeError):
    """A client cannot do this in its present state."""


class ServiceError(HeksherError):
    """Base of the errors that the service or the network causes.

    When raised to the caller of a client, it is also an instance of the HTTP library's matching class
    (``httpx2``, and ``httpx`` if the program has imported it), so ``except httpx.HTTPError`` keeps working.

    Attributes:
        native: the HTTP library's error or response that this one is about; ``None`` when there is none.
    """

    native: object

    def __init__(self, message: str, native: object = None) -> None:
        # Not super(): in an error that is one of the HTTP library's, too, that would be the library's constructor.
        Exception.__init__(self, message)
        self.native = native


class TransportError(ServiceError):
    """No answer came back: the connection failed, broke off or took too long."""


class StatusError(ServiceError):
    """The service answered with a status that the request does not allow.

    Attributes:
        status: that status, such as 503; ``None`` where it is not known.
        retry_after_s: for how many seconds the service asks not to be asked again, never negative; ``None`` if it does
            not ask for that.
        content: the beginning of the answer, up to some thousand characters; ``None`` where it is not known.
    """

    status: int | None
    retry_after_s: float | None
    content: str | None

    def __init__(
        self,
        message: str,
        native: object = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        content: str | None = None,
    ) -> None:
        ServiceError.__init__(self, message, native)
        self.status = status
        self.retry_after_s = retry_after_s
        self.content = content


class InvalidResponseError(ServiceError):
    """The service's answer is not what the Heksher API promises (often a proxy that answers in its place)."""


class NoMatchError(HeksherError, LookupError):
    """No rule matches a context. Nothing here raises it: it can still be imported by existing programs."""
