"""Why somebody is not signed in. The messages are for who wants to; they have nothing that is secret.

::

    SignInError
    ├── WrongPasswordError      name or password is wrong
    ├── TooManyTriesError       others have to wait, or who asks has
    ├── RefusedSignInError      what comes back from the provider is not what was asked for, or not to be believed
    ├── ProviderError           the provider cannot be reached, or answers what no provider may answer
    └── NoGrantError            who it is, is known; but they may do nothing
"""

from heksher.exceptions import HeksherError


class SignInError(HeksherError):
    """Base of the reasons why somebody is not signed in."""


class WrongPasswordError(SignInError):
    """Name or password is wrong: which one is not said.

    Attributes:
        tries_left: how many tries are left in this minute.
    """

    def __init__(self, tries_left: int) -> None:
        super().__init__("name or password is wrong")
        self.tries_left = tries_left


class TooManyTriesError(SignInError):
    """There were too many tries.

    Attributes:
        retry_after_s: after how many seconds another one is allowed; at least 1.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many tries to sign in: try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class RefusedSignInError(SignInError):
    """What comes back from the provider is not what was asked for, or not to be believed; the message says why."""


class ProviderError(SignInError):
    """The provider cannot be reached, or is not what it was configured to be; the message says what to look at."""


class NoGrantError(SignInError):
    """The provider says who it is, but none of their groups has a grant.

    Attributes:
        person: what they would be called.
        groups: the groups that the provider names.
    """

    def __init__(self, person: str, groups: tuple[str, ...]) -> None:
        super().__init__(f"{person!r} has no grant")
        self.person = person
        self.groups = groups
