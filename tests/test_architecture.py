"""The shape of the source code, as far as import-linter (contracts in pyproject.toml) does not check it."""

import ast
import statistics
from pathlib import Path

import pytest

import heksher
from tools.shape import ROOT, Shape, find_circle

SOURCE = ROOT / "src" / "heksher"
UNIT_TESTS = ROOT / "tests" / "unit"
SHAPE = Shape(SOURCE)

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
MAX_MEDIAN_FUNCTION_LINES = 10

# Published names: existing programs import both of what the name stands for.
PUBLISHED_TWICE = {"Rule"}

MODULES = sorted(SOURCE.rglob("*.py"))


def name_module(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_no_function_is_long() -> None:
    """Each function fits on one screen."""
    assert {} == {name: lines for name, lines in SHAPE.functions.items() if lines > MAX_FUNCTION_LINES}


def test_most_functions_are_short() -> None:
    """Half of all functions have fewer than ten lines."""
    assert statistics.median(SHAPE.functions.values()) < MAX_MEDIAN_FUNCTION_LINES


def test_no_file_is_long() -> None:
    """Each module can be read in one go."""
    assert {} == {name: lines for name, lines in SHAPE.lines.items() if lines > MAX_FILE_LINES}


def test_modules_do_not_import_in_a_circle() -> None:
    """Neither modules nor folders, not even for type checkers."""
    assert ([], []) == (find_circle(SHAPE.imports), find_circle(SHAPE.arrows_between_rooms))


def test_a_circle_is_found() -> None:
    """A circle is returned with its first member again at the end."""
    first, *_, last = circle = find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    assert ({"b", "c"}, first) == (set(circle), last)


def test_a_class_name_stands_for_one_thing() -> None:
    """No two modules have classes of one name."""
    assert {} == {name: modules for name, modules in SHAPE.repeated_classes.items() if name not in PUBLISHED_TWICE}


def test_a_file_name_stands_for_one_thing() -> None:
    """No two folders have files of one name."""
    assert {} == SHAPE.repeated_files


@pytest.mark.parametrize("path", MODULES, ids=name_module)
def test_module_says_what_it_is_for(path: Path) -> None:
    """Each module begins with a documentation text."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_unit_tests_mirror_the_source() -> None:
    """Each module of unit tests stands where the module that it tests does: ``unit/a/test_b.py`` for ``a/b.py``.

    One that would be too long is divided: ``unit/a/test_b_names.py`` is about ``a/b.py``, too.
    """
    assert not [path.as_posix() for path in UNIT_TESTS.rglob("test_*.py") if not has_tested(path)]


def has_tested(test_module: Path) -> bool:
    """Whether there is a module for one of unit tests; ``test_init.py`` is about the package itself."""
    folder = SOURCE / test_module.parent.relative_to(UNIT_TESTS)
    words = test_module.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return any((folder / f"{'__init__' if name == 'init' else name}.py").exists() for name in names)


def test_public_names_are_sorted() -> None:
    """``__all__`` is in the order that ruff keeps: constants, classes, then the rest, each by name."""
    names = list(heksher.__all__)
    assert sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names


def test_public_names_exist() -> None:
    """Everything in ``__all__`` can be had from the package, and stands there once."""
    assert len(heksher.__all__) == len(set(heksher.__all__))
    assert not [name for name in heksher.__all__ if not hasattr(heksher, name)]
