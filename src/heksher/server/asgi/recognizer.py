"""By which credential the sender of a request is known: a token, the cookie of a session, or the word of a proxy.

A token that is sent counts, whatever else the request has: programs send it on purpose, and browsers never do. What
comes without anybody's doing counts only where the service's own pages ask, see ``cookie_rule``.
"""

from starlette.types import Scope

from heksher.server.access.cookie import find_cookie, make_cookie_form
from heksher.server.access.credential import find_token
from heksher.server.access.token import digest_token
from heksher.server.asgi.access import Access
from heksher.server.asgi.cookie_rule import CookieRule
from heksher.server.asgi.header_fields import HeaderFields
from heksher.server.asgi.page_check import PageCheck
from heksher.server.asgi.trusted_proxies import TrustedProxies, get_peer
from heksher.server.catalog.access_picture import AccessPicture, AnyCredential, TokenCredential
from heksher.server.catalog.person_credential import PersonCredential
from heksher.server.catalog.session_credential import read_session
from heksher.server.config import Config
from heksher.wire import STREAM_PATH


class Recognizer:
    """Finds the credentials of requests.

    Args:
        config: says how cookies look, and which proxies name people in which header.
    """

    def __init__(self, config: Config) -> None:
        self._cookie = make_cookie_form(config.public_url).session
        self._rule = CookieRule(PageCheck(config))
        # The header in which a proxy names people; None if none does.
        self._user_header: bytes | None = None
        if config.proxy_user_header is not None:
            self._user_header = config.proxy_user_header.lower().encode("ascii")
        self._proxies = TrustedProxies(config.trusted_proxies)

    def find_credential(
        self, scope: Scope, fields: HeaderFields, access: Access, picture: AccessPicture, now_s: float
    ) -> AnyCredential | None:
        """Return by what the sender of a request is known, or claims to be; ``None`` if there is nothing that counts.

        Args:
            scope: the scope of the request.
            fields: its header fields.
            access: what its route needs.
            picture: who may do what.
            now_s: the time, by ``time.time``.

        Raises:
            ValueError: there are two different tokens.
        """
        token = find_token(fields)
        if token is not None:
            return TokenCredential(digest_token(token))
        found = self._find_named(scope, fields) or read_session(picture, find_cookie(fields, self._cookie), now_s)
        if found is None:
            return None
        is_stream = scope["path"] == STREAM_PATH
        return found if self._rule.counts(scope, fields, is_write=access.is_write, is_stream=is_stream) else None

    def _find_named(self, scope: Scope, fields: HeaderFields) -> AnyCredential | None:
        """Return the person whom a proxy names; ``None`` if no trusted one does."""
        if self._user_header is None:
            return None
        name = fields.get(self._user_header)
        if not name or not self._proxies.trusts(get_peer(scope)):
            return None
        # As it stands there: proxies do not encode names, so one with a percent sign would become another one. Nobody
        # has a name that is no UTF-8.
        return PersonCredential(name.decode("utf-8", "surrogateescape"))
