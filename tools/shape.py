"""Print the shape of the source as a table, one column for each commit: ``make shape ARGS='v1.0 HEAD'``.

Without arguments, of the files as they are. ``tests/test_architecture.py`` holds what must stay so.

Imports count wherever they stand, those for type checkers included: what a reader has to know, not what runs.
"""

import argparse
import ast
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = "src/heksher"

# Which modules each module imports, or which folders each folder.
Graph = Mapping[str, set[str]]


class Shape:
    """What there is to say of the source of a package.

    Args:
        directory: of the package.
    """

    def __init__(self, directory: Path) -> None:
        paths = sorted(directory.rglob("*.py"))
        self._names = {_name_module(path.relative_to(directory.parent)): path for path in paths}
        self._texts = {name: path.read_text(encoding="utf-8") for name, path in self._names.items()}
        self._trees = {name: ast.parse(text) for name, text in self._texts.items()}

    @cached_property
    def files_per_folder(self) -> dict[str, int]:
        """The number of modules in each folder, by its dotted name; empty files do not count."""
        return dict(sorted(Counter(self._folder(name) for name, text in self._texts.items() if text.strip()).items()))

    @cached_property
    def imports(self) -> Graph:
        """The modules of the package that each module imports."""
        return {name: set(self._find_imports(name)) - {name} for name in self._trees}

    @cached_property
    def arrows(self) -> Graph:
        """The folders that each folder imports from.

        What a package offers as its own (``__init__``), and what it starts as a program (``__main__``), is no arrow.
        """
        arrows: dict[str, set[str]] = {folder: set() for folder in self.files_per_folder}
        for name, imported in self.imports.items():
            if self._names[name].stem not in {"__init__", "__main__"}:
                arrows[self._folder(name)] |= {self._folder(other) for other in imported} - {self._folder(name)}
        return arrows

    @cached_property
    def arrows_between_rooms(self) -> Graph:
        """The arrows but for those between a folder and one inside it.

        The modules beside a room either put rooms together (``server.app``) or serve all of them (``server.errors``).
        """
        return {
            folder: {other for other in others if not _is_inside(folder, other) and not _is_inside(other, folder)}
            for folder, others in self.arrows.items()
        }

    @cached_property
    def functions(self) -> dict[str, int]:
        """The length of each function in lines, documentation included and decorators not."""
        return {
            f"{module}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
            for module, tree in self._trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    @cached_property
    def lines(self) -> dict[str, int]:
        """The number of lines of each module."""
        return {name: len(text.splitlines()) for name, text in self._texts.items()}

    @cached_property
    def repeated_classes(self) -> dict[str, list[str]]:
        """The modules of each class name that more than one module has."""
        return _repeated(
            (node.name, module)
            for module, tree in self._trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        )

    @cached_property
    def repeated_files(self) -> dict[str, list[str]]:
        """The modules of each file name that stands in more than one folder."""
        return _repeated((path.name, module) for module, path in self._names.items() if path.stem != "__init__")

    def _folder(self, module: str) -> str:
        return module if self._names[module].stem == "__init__" else module.rpartition(".")[0]

    def _find_imports(self, module: str) -> Iterator[str]:
        for node in ast.walk(self._trees[module]):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self._names)
            elif isinstance(node, ast.ImportFrom) and node.module in self._names:
                # What is imported may be a module itself.
                candidates = {alias: f"{node.module}.{alias}" for alias in (alias.name for alias in node.names)}
                yield from (name if name in self._names else node.module for name in candidates.values())


def _is_inside(folder: str, other: str) -> bool:
    return folder.startswith(f"{other}.")


def find_circle(graph: Graph) -> list[str]:
    """Return one circle of a graph, its first member again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def describe(shape: Shape) -> dict[str, str]:
    """Return the rows of the table."""
    lengths = sorted(shape.functions.values())
    largest = max(shape.lines, key=lambda name: shape.lines[name])
    return {
        "lines of source": str(sum(shape.lines.values())),
        "files": str(sum(shape.files_per_folder.values())),
        **{f"files in {folder}": str(number) for folder, number in shape.files_per_folder.items()},
        "arrows between folders": str(sum(map(len, shape.arrows.values()))),
        "a circle of modules": " > ".join(find_circle(shape.imports)) or "none",
        "a circle of folders": " > ".join(find_circle(shape.arrows_between_rooms)) or "none",
        "functions": str(len(lengths)),
        "lines of a function: median": f"{statistics.median(lengths):g}",
        "lines of a function: 90 % have at most": str(lengths[len(lengths) * 9 // 10]),
        "lines of a function: most": str(lengths[-1]),
        "lines of a file: most": f"{shape.lines[largest]} ({largest})",
        "class names that occur twice": ", ".join(shape.repeated_classes) or "none",
        "file names that occur twice": ", ".join(shape.repeated_files) or "none",
    }


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description="Print the shape of the source.")
    parser.add_argument("commits", nargs="*", help="of which commits; the files as they are, if there are none")
    parser.add_argument("--arrows", action="store_true", help="print the arrows between folders instead")
    options = parser.parse_args()
    if options.arrows:
        for folder, others in Shape(ROOT / PACKAGE).arrows.items():
            print(folder, "->", ", ".join(sorted(others)) or "nothing")
        return 0
    print_table({name: read_rows(name) for name in options.commits} or {"now": describe(Shape(ROOT / PACKAGE))})
    return 0


def read_rows(commit: str) -> dict[str, str]:
    """Return the rows of the table for a commit."""
    with checked_out(commit) as directory:
        return describe(Shape(directory / PACKAGE))


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Have the package as it is in a commit in a temporary directory."""
    archive = subprocess.run(["git", "archive", commit, PACKAGE], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607 - git is found on PATH
    with tempfile.TemporaryDirectory() as directory, tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
        yield Path(directory)


def print_table(columns: Mapping[str, Mapping[str, str]]) -> None:
    """Print columns of rows as a table in Markdown; a row that a column does not have is empty there."""
    print(f"| | {' | '.join(columns)} |")
    print(f"| --- |{' --- |' * len(columns)}")
    for name in dict.fromkeys(name for rows in columns.values() for name in rows):
        print(f"| {name} | {' | '.join(rows.get(name, '') for rows in columns.values())} |")


def _name_module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _repeated(named: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for name, module in named:
        places.setdefault(name, []).append(module)
    return {name: modules for name, modules in sorted(places.items()) if len(modules) > 1}


if __name__ == "__main__":
    sys.exit(main())
