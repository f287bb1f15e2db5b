"""A person whom a trusted proxy has named: it holds for as long as the service knows them.

It names those alone whom an admin has added. Whoever a provider of identities knows is known by issuer and subject, and
called by what the provider says, which people can often choose: another one of that name at the proxy is not they.
"""

from typing import NamedTuple

from heksher.server.access.principal import Principal
from heksher.server.catalog.access_picture import AccessPicture


class PersonCredential(NamedTuple):
    """A person, by name."""

    name: str

    def find_principal(self, access: AccessPicture, _now_s: float) -> Principal | None:
        """Return who it is; ``None`` if there is nobody of this name whom a proxy can name."""
        known = access.persons.get(self.name)
        return None if known is None or known.record.issuer is not None else known.principal

    def describe_end(self, _access: AccessPicture) -> str:
        """Say why the word of the proxy does not count. Whom it has named is not said: it can be anything."""
        return (
            "the service does not know the person whom the proxy names, or not as one who signs in there: an admin adds"
            " people, under exactly that name"
        )
