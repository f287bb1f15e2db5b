"""Later versions of the HTTP libraries, in which a private part has another name: in all of their source."""

import re
import sys
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

LIBRARIES = frozenset({"httpcore", "httpcore2", "httpx", "httpx2"})


def rename_parts(*names: str) -> None:
    """Have the libraries imported with other names for some of their attributes or classes. To be called before."""
    loaded = LIBRARIES.intersection(sys.modules)
    assert not loaded, f"{loaded} is imported already, with the present names"
    sys.meta_path.insert(0, _Finder(names))


class _Finder(MetaPathFinder):
    def __init__(self, names: Iterable[str]) -> None:
        # Attributes, as such or named in a string, not the modules of the same name; and classes.
        patterns = [
            rf'(?<=[\w)\]]\.){name}\b|(?<="){name}(?=")' if name.startswith("_") else rf"\b{name}\b" for name in names
        ]
        self._pattern = re.compile("|".join(patterns))

    def find_spec(self, fullname: str, path=None, target=None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in LIBRARIES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._rename)
        return spec

    def _rename(self, source: str) -> str:
        return self._pattern.sub(lambda match: f"_later{match[0]}", source)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, rename) -> None:
        super().__init__(fullname, path)
        self._rename = rename

    def get_code(self, fullname: str) -> CodeType:
        # Not what is cached, nor is this to be.
        source = self._rename(self.get_data(self.path).decode())
        return compile(source, self.path, "exec", dont_inherit=True)
