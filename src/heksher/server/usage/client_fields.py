"""What a client says of itself in the header fields of its requests."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from heksher.wire import CLIENT_HEADER

_AGENT: Final = b"user-agent"
_CLIENT: Final = CLIENT_HEADER.lower().encode()
# Of each field; what is longer says who somebody is no better.
_MAX_BYTES: Final = 300
# Source: RFC 9110, 10.1.5 (product).
_PRODUCT: Final = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:/(?P<version>[!#$%&'*+.^_`|~0-9A-Za-z-]+))?")
_PARAMETER: Final = re.compile(r"\s*(?P<name>name|instance)\s*=\s*(?P<value>[!#$%&'*+.^_`|~0-9A-Za-z:@-]+)\s*")


# User-Agent and Heksher-Client as they were sent, shortened; empty if they were not.
ClientFields: TypeAlias = tuple[bytes, bytes]


class ClientIdentity(NamedTuple):
    """Which client asks, as far as it says that.

    Attributes:
        name: of the program; empty if it is not said.
        version: of the program; ``None`` if it is not said.
        instance: which of the program's processes it is; ``None`` if it is not said.
        user_agent: what it calls itself.
    """

    name: str
    version: str | None
    instance: str | None
    user_agent: str

    def describe(self) -> str:
        """Return which client it is, in words."""
        program = self.name if self.version is None else f"{self.name}/{self.version}"
        return (program or "a client without a name") + (f" ({self.instance})" if self.instance else "")


UNKNOWN_CLIENT: Final[ClientFields] = (b"", b"")


def read_client_fields(fields: Mapping[bytes, bytes]) -> ClientFields:
    """Return what a request says of its client.

    Args:
        fields: the header fields by name, in lower case.
    """
    agent, client = fields.get(_AGENT, b""), fields.get(_CLIENT, b"")
    # Nearly always, and this is done for each request.
    if len(agent) + len(client) <= _MAX_BYTES:
        return agent, client
    return agent[:_MAX_BYTES], client[:_MAX_BYTES]


def identify(fields: ClientFields) -> ClientIdentity:
    """Return which client it is that says this of itself."""
    agent, client = (field.decode("latin-1") for field in fields)
    products = [(found["name"], found["version"]) for found in _PRODUCT.finditer(_strip_comments(agent))]
    said = _read_parameters(client)
    name = said.get("name") or (products[0][0] if products else "")
    version = next((version for product, version in products if product == name), None)
    return ClientIdentity(name, version, said.get("instance"), agent)


def _strip_comments(agent: str) -> str:
    return re.sub(r"\([^()]*\)", " ", agent)


def _read_parameters(text: str) -> dict[str, str]:
    found = (_PARAMETER.fullmatch(part) for part in text.split(";"))
    return {match["name"]: match["value"] for match in found if match is not None}
