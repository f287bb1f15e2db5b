"""A person whom a trusted proxy has named: it holds for as long as the service knows them."""

from typing import NamedTuple

from heksher.server.access.principal import Principal
from heksher.server.catalog.access_picture import AccessPicture


class PersonCredential(NamedTuple):
    """A person, by name."""

    name: str

    def find_principal(self, access: AccessPicture, _now_s: float) -> Principal | None:
        """Return who it is; ``None`` if the service does not know them."""
        known = access.persons.get(self.name)
        return None if known is None else known.principal
