"""The session of somebody who has signed in, as a credential: it holds as long as its cookie would be accepted."""

from dataclasses import dataclass, field

from heksher.server.access.principal import Principal
from heksher.server.access.signed_session import SignedSession, read
from heksher.server.catalog.access_picture import AccessPicture


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A session, whose cookie was signed with a key.

    Attributes:
        session: what the cookie says.
        key: what it was signed with.
    """

    session: SignedSession
    key: str = field(repr=False)

    def find_principal(self, access: AccessPicture, now_s: float) -> Principal | None:
        """Return who has signed in; ``None`` if they are signed out by now, or gone, or there is another key."""
        known = access.persons.get(self.session.person)
        is_over = now_s >= self.session.end_s or access.signing_key != self.key
        if known is None or is_over or known.record.epoch != self.session.epoch:
            return None
        return known.principal

    def describe_end(self, _access: AccessPicture) -> str:
        """Say why the session does not hold."""
        return "this session is over: it has lasted its time, or you were signed out everywhere; sign in again"


def read_session(access: AccessPicture, cookie: str | None, now_s: float) -> SessionCredential | None:
    """Return the session of a cookie, whether or not it still holds; ``None`` if the cookie has none.

    Args:
        access: who may do what.
        cookie: any text; ``None`` if there is no cookie.
        now_s: the time, by ``time.time``.
    """
    session = None if cookie is None else read(access.signing_key, cookie, now_s)
    return None if session is None else SessionCredential(session, access.signing_key)
