"""The tree of errors: what it says of itself, and what programs can catch."""

import inspect
import pickle
import re

import pytest

from heksher import exceptions
from heksher.exceptions import (
    HeksherError,
    InvalidResponseError,
    NoMatchError,
    ServiceError,
    StatusError,
    TransportError,
    UnknownSettingError,
    UsageError,
)

# A line of the drawing: its indentation, the name, and in parentheses the classes of Python that it is as well.
DRAWN_LINE = re.compile(r"^ {4}(?P<indent>[ │├└─]*)(?P<name>[A-Za-z]+Error)\b *(?:\((?P<builtins>[A-Za-z, ]+)\))?")
CLASSES = {
    name: error_class
    for name, error_class in inspect.getmembers(exceptions, inspect.isclass)
    if error_class.__module__ == exceptions.__name__
}


def read_drawing() -> dict[str, tuple[str, ...]]:
    """Read the drawing in the module's docstring: each class with the names of its bases."""
    bases: dict[str, tuple[str, ...]] = {}
    path: list[str] = []
    for line in inspect.getdoc(exceptions).splitlines():
        if match := DRAWN_LINE.match(line):
            depth = len(match["indent"]) // 4
            path[depth:] = [match["name"]]
            parent = path[depth - 1] if depth else "Exception"
            bases[match["name"]] = (parent, *match["builtins"].split(", ")) if match["builtins"] else (parent,)
    return bases


def test_tree_is_as_drawn() -> None:
    """The classes of the module, and their bases, are those of the drawing: none is missing on either side."""
    actual = {
        name: tuple(base.__name__ for base in error_class.__bases__)
        for name, error_class in CLASSES.items()
        if not issubclass(error_class, Warning)
    }
    assert read_drawing() == actual


@pytest.mark.parametrize("error_class", CLASSES.values())
def test_every_error_is_documented(error_class: type[HeksherError]) -> None:
    """Each class says when it is raised, or what it stands for."""
    assert error_class.__doc__


@pytest.mark.parametrize("error_class", CLASSES.values())
def test_message_is_shown_as_it_was_given(error_class: type[HeksherError]) -> None:
    """The text of an error is its message, without quotes around it, whatever else the error is."""
    message = "it's the setting 'a'"
    assert message == str(error_class(message))


@pytest.mark.parametrize("error_class", CLASSES.values())
def test_errors_can_be_pickled(error_class: type[HeksherError]) -> None:
    """An error comes through a process border as it was."""
    error = error_class("message")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled a moment ago
    assert (type(error), error.args) == (type(copy), copy.args)


def test_yours_and_theirs_are_told_apart() -> None:
    """No error is both the program's and the service's."""
    both = {name for name, error_class in CLASSES.items() if {UsageError, ServiceError} <= set(error_class.__mro__)}
    assert not both


@pytest.mark.parametrize("error_class", [ServiceError, TransportError, StatusError, InvalidResponseError])
def test_errors_of_the_service_carry_what_they_are_about(error_class: type[ServiceError]) -> None:
    """An error of the service holds the HTTP library's own object, or None where there is none."""
    response = object()
    assert response is error_class("message", response).native
    assert error_class("message").native is None


def test_status_error_says_what_to_decide_by() -> None:
    """The error of a status has the status, and when to ask again, also behind a process border."""
    error = StatusError("message", None, 503, 7.5)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - as above
    assert [(503, 7.5)] * 2 == [(same.status, same.retry_after_s) for same in (error, copy)]
    assert (StatusError("message").status, StatusError("message").retry_after_s) == (None, None)


def test_builtin_classes_catch_the_errors() -> None:
    """Programs that do not know the tree catch its errors by the classes of Python."""
    with pytest.raises(KeyError, match=r"^no such setting$"):
        raise UnknownSettingError("no such setting")
    with pytest.raises(LookupError):
        raise NoMatchError("no rule")
