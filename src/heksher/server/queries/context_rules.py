"""The rules of any settings that have a condition on a context feature: read from the catalog's picture."""

from collections.abc import Iterator
from typing import NamedTuple

from heksher.server.catalog.picture import CatalogRule, Picture
from heksher.server.errors import NotFoundError
from heksher.server.json_bytes import encode
from heksher.value_type import shorten


class ContextRule(NamedTuple):
    """A rule with a condition on some feature, and its setting's canonical name."""

    setting: str
    rule: CatalogRule

    @property
    def key(self) -> str:
        """What such rules are sorted by, as text: setting and number."""
        return f"{self.setting} {self.rule.rule_id:020}"

    def write(self) -> bytes:
        """Return the rule as JSON: as in the answer to a query with metadata, and with its setting."""
        return b'{"setting":%b,%b,"metadata":%b}' % (encode(self.setting), self.rule.head[1:], self.rule.metadata)


def find_rules_on(picture: Picture, feature: str, value: str | None) -> Iterator[ContextRule]:
    """Return the rules with a condition on a feature, sorted.

    Args:
        picture: has the rules.
        feature: the feature.
        value: the one that the condition asks for; ``None`` for any.

    Raises:
        NotFoundError: there is no such feature.
    """
    if feature not in picture.feature_order:
        raise NotFoundError(f"the service has no context feature {shorten(feature)!r}", "context feature")
    for name, setting in picture.settings.items():
        for rule in setting.rules.values():
            if any(own == feature and value in {None, asked} for own, asked in rule.conditions):
                yield ContextRule(name, rule)
