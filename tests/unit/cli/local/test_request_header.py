"""Header fields from options, files and the environment."""

from pathlib import Path

import click
import pytest

from heksher.cli.local.request_header import HEADERS_VARIABLE, read_headers

TOKEN = {"Authorization": "Bearer a:b"}


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEADERS_VARIABLE, raising=False)


def write(directory: Path, content: str) -> str:
    path = directory / "headers"
    path.write_text(content, encoding="utf-8")
    return f"@{path}"


def test_a_field_is_read_from_an_option():
    """Without the spaces around name and value, which may have colons."""
    assert TOKEN | {"X-Team": "web"} == read_headers(("Authorization: Bearer a:b", " X-Team :web "))
    assert {} == read_headers(())


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n  \n"])
def test_fields_are_read_from_a_file(tmp_path: Path, ending: str):
    """A line for each; a file whose only line ends in one or not is the same."""
    assert TOKEN == read_headers((write(tmp_path, f"Authorization: Bearer a:b{ending}"),))
    several = write(tmp_path, f"\nAuthorization: Bearer a:b{ending or ' '}\nX-Team: web")
    assert TOKEN | {"X-Team": "web", "X-More": "1"} == read_headers((several, "X-More: 1"))


def test_fields_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    """As from a file; an option adds to them."""
    monkeypatch.setenv(HEADERS_VARIABLE, "Authorization: Bearer a:b\nX-Team: web\n")
    assert TOKEN | {"X-Team": "web", "X-More": "1"} == read_headers(("X-More: 1",))


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch):
    """And the later one of two options; names are the same in capitals and small letters."""
    monkeypatch.setenv(HEADERS_VARIABLE, "authorization: Bearer old")
    assert TOKEN == read_headers(("Authorization: Bearer a:b",))
    assert TOKEN == read_headers(("AUTHORIZATION: Bearer older", "Authorization: Bearer a:b"))


BAD = ["secret", ": secret", "a: secret\x00", "a: secreté", "Bearer secret: x", "a\x7f: secret"]


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_field_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    """That says where it is, and has nothing of it, as it may be a secret."""
    path = write(tmp_path, f"a: b\n{line}")
    places = {line: "^write it as 'name: value'", path: f"^the file '{path[1:]}', line 2: write it as 'name: value'"}
    for given, message in places.items():
        with pytest.raises(click.BadParameter, match=message) as caught:
            read_headers((given,))
        assert "secret" not in caught.value.format_message()
    if "\0" not in line:
        monkeypatch.setenv(HEADERS_VARIABLE, line)
        with pytest.raises(click.BadParameter, match=r"^line 1: write it as 'name: value'") as caught:
            read_headers(())
        assert f"Invalid value for {HEADERS_VARIABLE}: line 1" in caught.value.format_message()
        assert "secret" not in caught.value.format_message()


def test_a_file_is_read_as_other_programs_write_it(tmp_path: Path):
    """With a mark of its encoding, as Windows' editors put it in front, and with tabulators."""
    path = write(tmp_path, "\ufeffAuthorization:\tBearer\ta:b")
    assert {"Authorization": "Bearer\ta:b"} == read_headers((path,))


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_a_field_that_frames_the_request_is_an_error(name: str):
    """It would break the requests."""
    with pytest.raises(click.BadParameter, match=f"the field {name} is set by the command itself"):
        read_headers((f"{name}: 5",))


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str):
    """With the reason."""
    path = tmp_path / name
    with pytest.raises(click.BadParameter, match=f"the file '{path}' cannot be read: [A-Z]"):
        read_headers((f"@{path}",))


def test_a_file_has_to_be_named():
    """After the sign."""
    with pytest.raises(click.BadParameter, match="@ needs the name of a file"):
        read_headers(("@",))
