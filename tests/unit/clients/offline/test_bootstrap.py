"""Values that come with the program."""

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.clients.offline.bootstrap import read_bootstrap
from heksher.clients.offline.last_known_file import LastKnownFile
from heksher.exceptions import InvalidOptionError
from heksher.rule_set import Rule
from heksher.value_type import JSON
from tests.support.conversation import rule, said
from tests.support.saved_states import make_state

ANSWER: dict[str, JSON] = {"settings": {"size": said(1, rule(7, 2, a="x")), "color": {"rules": []}}}
SETTINGS = {
    "size": QueriedSetting((Rule(7, (("a", "x"),), 2),), True, 1),
    "color": QueriedSetting((), False, None),
}


def test_answer_to_a_query() -> None:
    """What a query was answered is a bootstrap; it is of no service, no known age, and has all rules."""
    state = read_bootstrap(ANSWER)
    assert SETTINGS == state.settings
    assert ("", "*", (), None) == (state.service, state.context_filters, state.feature_order, state.revision)
    assert state.saved_at.isoformat() == "1970-01-01T00:00:00+00:00"


def test_context_features() -> None:
    """The bootstrap may say the order of the context features."""
    assert ("b", "a") == read_bootstrap({**ANSWER, "context_features": ["b", "a"]}).feature_order


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_file(tmp_path: Path, encoding: str) -> None:
    """A file is named by a path or a text, and may be in any encoding that JSON can have."""
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(ANSWER), encoding=encoding)
    assert read_bootstrap(ANSWER) == read_bootstrap(path) == read_bootstrap(str(path))


def test_data_of_a_file_of_last_known_values(tmp_path: Path) -> None:
    """What follows the first line of a file of last known values is a bootstrap."""
    last_known, bootstrap = tmp_path / "settings.last-known", tmp_path / "bootstrap.json"
    saved = make_state(settings=2)
    LastKnownFile(last_known).write(saved)
    bootstrap.write_bytes(last_known.read_bytes().partition(b"\n")[2])
    state = read_bootstrap(bootstrap)
    assert (saved.settings, saved.feature_order) == (state.settings, state.feature_order)


def test_mapping_is_copied() -> None:
    """The program's mapping is neither changed, nor do its later changes show."""
    answer = json.loads(json.dumps(ANSWER))
    state = read_bootstrap(answer)
    assert ANSWER == answer
    answer["settings"]["size"]["rules"][0]["value"] = answer["settings"]["size"]["default_value"] = 5
    assert SETTINGS == state.settings


def test_what_programs_write_for_json() -> None:
    """Tuples and read-only mappings do for lists and objects."""
    conditions = (("a", "x"),)
    size = {
        "default_value": MappingProxyType({"k": (1, 2)}),
        "rules": ({**rule(7, 2), "context_features": conditions},),
    }
    state = read_bootstrap(MappingProxyType({"settings": {"size": size}, "context_features": ("a",)}))
    assert ("a",) == state.feature_order
    assert QueriedSetting((Rule(7, conditions, 2),), True, {"k": [1, 2]}) == state.settings["size"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({}, "settings is no object: None"),
        ({"settings": []}, "settings is no object: []"),
        ({"settings": {"size": 1}}, "setting size: a setting must be an object with a list of rules, not 1"),
        ({"settings": {}, "context_features": None}, "context_features is no list of names: None"),
        ({"settings": {"size": said({1, 2})}}, "a value of type set is no JSON"),
        ({"settings": {"size": said(float("nan"))}}, "Out of range float values are not JSON compliant"),
    ],
)
def test_wrong_mapping(source: Any, problem: str) -> None:
    """The error says what is wrong with a mapping."""
    with pytest.raises(InvalidOptionError) as raised:
        read_bootstrap(source)
    assert str(raised.value).startswith(f"bootstrap cannot be used: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("[1]", "it is no JSON object: [1]"),
        ('{"settings": {"size": {}}}', "setting size: a setting must be an object with a list of rules"),
        ("[" * 100_000, "it is nested too deep"),
    ],
)
def test_wrong_file(tmp_path: Path, text: str, problem: str) -> None:
    """The error names the file, and says what is wrong with it."""
    path = tmp_path / "bootstrap.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidOptionError) as raised:
        read_bootstrap(path)
    assert str(raised.value).startswith(f"bootstrap {path} cannot be used: {problem}")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an error: the program was to bring it."""
    with pytest.raises(InvalidOptionError, match=r"^bootstrap .*/none\.json cannot be used: .*No such file"):
        read_bootstrap(tmp_path / "none.json")


@pytest.mark.parametrize("source", [None, 1, b"bootstrap.json", ["settings"]])
def test_wrong_type(source: Any) -> None:
    """Anything but a mapping or a path is an error that says so."""
    with pytest.raises(InvalidOptionError, match="it must be a mapping, or the path of a file, not "):
        read_bootstrap(source)


def test_recursive_mapping() -> None:
    """A mapping that has itself inside is an error, too."""
    settings: dict[str, Any] = {}
    settings["size"] = settings
    with pytest.raises(InvalidOptionError, match="bootstrap cannot be used: Circular reference"):
        read_bootstrap({"settings": settings})
