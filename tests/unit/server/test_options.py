"""The table of the service's options."""

import dataclasses
import typing
from pathlib import Path

import pytest

from heksher.server.address_kind import HeaderName, Hosts, ListenHost, Networks, PublicURL, WebOrigins
from heksher.server.config import Config, FirstVersion, Usage
from heksher.server.logs import LogFormat
from heksher.server.oidc_kind import GroupGrants, Issuer, Scopes, Secret
from heksher.server.option_kind import Choice, FeatureNames, Number, Text, Truth
from heksher.server.options import DATABASE, OPTIONS, Option

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
# What an attribute of the configuration can be, by the kind of its option.
TYPES = {
    ListenHost: {str},
    Text: {str, str | None},
    Secret: {str | None},
    Issuer: {str | None},
    GroupGrants: {tuple[str, ...]},
    Scopes: {tuple[str, ...]},
    Number: {int, int | None},
    Truth: {bool},
    Choice: {LogFormat, FirstVersion, Usage},
    FeatureNames: {tuple[str, ...] | None},
    PublicURL: {str | None},
    HeaderName: {str | None},
    Hosts: {tuple[str, ...]},
    WebOrigins: {tuple[str, ...]},
    Networks: {tuple[str, ...]},
}


def render_row(option: Option) -> str:
    """Return the row that the reference has for an option."""
    flag = f"`{option.flag}`" if option.flag else ""
    if option.flag and isinstance(option.kind, Truth):
        flag += f", `--no-{option.flag.removeprefix('--')}`"
    variable = f"`{option.variable}`" if option.variable else ""
    default = option.describe_default()
    shown = default if option.default_help or isinstance(option.kind, Number) else f"`{default}`"
    return f"| {flag} | {variable} | {option.help} | {shown} |"


def test_the_reference_has_the_table():
    """Row by row; what is printed when this fails can be pasted."""
    header = ["| option | variable | meaning | default |", "| --- | --- | --- | --- |"]
    table = "\n".join([*header, *map(render_row, OPTIONS)])
    assert table in REFERENCE.read_text(encoding="utf-8"), f"the table should be:\n{table}"


def test_every_attribute_of_the_configuration_has_an_option():
    """Apart from the one that follows from another one; none is there twice."""
    names = [option.name for option in OPTIONS]
    assert len(names) == len(set(names))
    assert {field.name for field in dataclasses.fields(Config)} == {*names, "is_default_database"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_gives_what_its_attribute_takes(option: Option):
    """By its kind; and it can be given in one way at least."""
    attribute = typing.get_type_hints(Config)[option.name]
    assert attribute in TYPES[type(option.kind)]
    assert not isinstance(option.kind, Choice) or typing.get_args(attribute) == option.kind.words
    assert option.flag or option.variable


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.default_help is None], ids=lambda o: o.name)
def test_a_default_is_one_that_could_be_given(option: Option):
    """Written as it would have to be written."""
    assert option.default == option.kind.read("default", option.describe_default())


def test_names_are_used_once():
    """No flag and no variable stands for two options."""
    for given in ([option.flag for option in OPTIONS], [option.variable for option in OPTIONS]):
        used = [name for name in given if name is not None]
        assert len(used) == len(set(used))


def test_the_database_is_one_of_them():
    """The one that other commands have, too."""
    assert DATABASE in OPTIONS
