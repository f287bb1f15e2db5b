"""The shape of the source code, as far as import-linter (contracts in pyproject.toml) does not check it."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

import heksher

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "heksher"
UNIT_TESTS = ROOT / "tests" / "unit"

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
MAX_MEDIAN_FUNCTION_LINES = 10

MODULES = sorted(SOURCE.rglob("*.py"))


def name_module(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Return each function of a module with its length in lines, documentation included and decorators not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{name_module(path)}: {node.name}", node.end_lineno - node.lineno + 1


def test_no_function_is_long() -> None:
    """Each function fits on one screen."""
    long = [(name, lines) for path in MODULES for name, lines in functions(path) if lines > MAX_FUNCTION_LINES]
    assert not long


def test_most_functions_are_short() -> None:
    """Half of all functions have fewer than ten lines."""
    lengths = [lines for path in MODULES for _, lines in functions(path)]
    assert statistics.median(lengths) < MAX_MEDIAN_FUNCTION_LINES


def test_no_file_is_long() -> None:
    """Each module can be read in one go."""
    lengths = {name_module(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES}


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
    """Return whether there is a module for one of unit tests; ``test_init.py`` is about the package itself."""
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
