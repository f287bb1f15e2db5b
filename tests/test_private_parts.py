"""Private parts of other packages are used only where ``docs/adr/0012-private-parts.md`` says so."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.processes import ROOT

SOURCE = ROOT / "src" / "heksher"
DECISION = ROOT / "docs" / "adr" / "0012-private-parts.md"
# Documented, in spite of their names.
DOCUMENTED = frozenset({"_asdict", "_replace", "_exit", "_thread"})
# Which packages the modules of a folder handle objects of.
PACKAGES = {
    "clients/transport": ("httpcore", "httpcore2", "httpx", "httpx2"),
    "server": ("fastapi", "httptools", "starlette"),
}
MODULES = sorted(SOURCE.rglob("*.py"))

Use = tuple[str, str]


def is_private(name: str) -> bool:
    return name.startswith("_") and name.strip("_") != "" and not name.startswith("__")


def find_segments(text: str) -> Iterator[str]:
    """Find the private names in a string that is a name, or the path of a module or an attribute."""
    if re.fullmatch(r"[\w.]+", text):
        yield from filter(is_private, text.split("."))


def find_definitions(tree: ast.AST) -> set[str]:
    """Find the private names that a module defines, also as attributes of its own objects."""
    defined = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            defined.add(node.attr)
    return defined


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def find_names(tree: ast.AST) -> Iterator[str]:
    """Find the private names that a module uses of other objects and modules, in strings as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from find_segments(node.value)
        elif isinstance(node, ast.ImportFrom):
            yield from find_segments(".".join([node.module or "", *(alias.name for alias in node.names)]))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from find_segments(alias.name)


@cache
def find_names_of(package: str) -> frozenset[str]:
    """Find the private attributes of a package's objects, and its private modules."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    paths = [path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py")]
    names = {name for path in paths for name in re.findall(r"\bself\.(_[a-z]\w*)", path.read_text(encoding="utf-8"))}
    return frozenset(names | {part for path in paths for part in (path.stem, path.parent.name) if is_private(part)})


def name_path(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def find_foreign(path: Path) -> set[str]:
    """Find the names of which an object of one of the packages that the module handles may be meant."""
    packages = [names for folder, names in PACKAGES.items() if name_path(path).startswith(f"{folder}/")]
    return {name for names in packages for package in names for name in find_names_of(package)}


@cache
def find_own() -> frozenset[str]:
    """Find all private names that are defined somewhere in this package."""
    return frozenset().union(*(find_definitions(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES))


def find_uses(path: Path, source: str | None = None) -> set[Use]:
    """Find a module's uses of what is private to others."""
    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    local = find_definitions(tree) | DOCUMENTED
    not_local = {name for name in find_names(tree) if name not in local}
    foreign = find_foreign(path)
    found = {name for name in not_local if name not in find_own() or name in foreign}
    return {(name_path(path), name) for name in found | (find_shared(path) if source is None else set())}


def find_shared(path: Path) -> set[str]:
    """Find the private attributes that the classes of a module have in common with bases of other packages."""
    if "(" not in path.read_text(encoding="utf-8") or "migrations" in path.parts or path.stem == "__main__":
        return set()
    module = importlib.import_module(".".join(["heksher", *path.relative_to(SOURCE).with_suffix("").parts]))
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
    return {name for kind in kinds for base in kind.__mro__ if is_foreign(base) for name in find_common(kind, base)}


def is_foreign(kind: type) -> bool:
    package = kind.__module__.partition(".")[0]
    return package != "heksher" and package not in sys.stdlib_module_names


def find_common(kind: type, base: type) -> set[str]:
    return find_attributes(kind) & find_attributes(base)


def find_attributes(kind: type) -> set[str]:
    try:
        return set(re.findall(r"\bself\.(_[a-z]\w*)", inspect.getsource(kind)))
    # Not everything is written in Python.
    except (OSError, TypeError):
        return set()


@cache
def read_list() -> frozenset[Use]:
    """Read the table of private parts: where each is used, and its name."""
    rows = re.findall(r"^\| (`_[^|]*) \|[^|]*\| `([\w/.]+)`", DECISION.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset((path, name) for names, path in rows for name in re.findall(r"`(_\w+)`", names))


@cache
def find_all_uses() -> frozenset[Use]:
    return frozenset().union(*map(find_uses, MODULES))


def test_uses_are_listed() -> None:
    """Whatever this package uses of what is private to another one stands in the list."""
    assert set() == find_all_uses() - read_list()


def test_list_is_used() -> None:
    """Nothing stands in the list that is not used any more."""
    assert set() == read_list() - find_all_uses()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f(pool): return pool._connections", "_connections"),
        ("def f(pool): pool._connections = []", "_connections"),
        ("def f(pool): return getattr(pool, '_requests', None)", "_requests"),
        ("from httpcore2._backends.sync import SyncStream", "_backends"),
        ("import httpcore2._sync", "_sync"),
        ("from httpx2 import _main", "_main"),
        ("from importlib import import_module\nimport_module('httpx2._utils')", "_utils"),
        ("def f(client): return client._nowhere", "_nowhere"),
    ],
)
def test_what_counts_as_a_use(source: str, name: str) -> None:
    """Attributes, modules, and names in strings are found."""
    path = SOURCE / "clients" / "transport" / "invented.py"
    assert {("clients/transport/invented.py", name)} == find_uses(path, source)


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def f(self, other):\n        self._x = other._x",
        "def f(status): return status._replace(a=1)",
        "import _thread",
        "from heksher import fork\nfork._tell_children()",
        "'__init__'",
    ],
)
def test_what_is_no_use(source: str) -> None:
    """What a module, or this package, defines itself is its own; some names are documented."""
    assert set() == find_uses(SOURCE / "clients" / "invented.py", source)
