"""What the library promises, as text: public names, parameters with kinds and defaults, and types.

``tests/public_api.txt`` is that text as it was last reviewed. After a change that is meant::

    python -m tests.support.public_api --write
"""

import ast
import importlib
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_overloads

from heksher import value_type
from heksher.record import Record

FILE = Path(__file__).parent.parent / "public_api.txt"
COMMAND = "python -m tests.support.public_api --write"

# What only the library makes: how it does so is its own.
MADE_BY_THE_LIBRARY = {"BaseChange", "ChangeIterator", "Snapshot", "StubSetting", "Subscription"}

# None for all that the module offers.
MODULES: dict[str, tuple[str, ...] | None] = {
    "heksher": None,
    "heksher.changes": ("Changes",),
    "heksher.clients.stub": ("SyncStubHeksherClient", "AsyncStubHeksherClient", "StubSetting", "Rule"),
    "heksher.main_client": ("get",),
    "heksher.setting_type": ("Conversion", "setting_type"),
}


# How the union that is called JSON is shown.
_JSON = re.compile(rf"""(?:ForwardRef\()?['"]?{re.escape(str(value_type.JSON))}['"]?\)?""")
# Modules, what says how type variables vary, and forward references.
_NOISE = re.compile(r"""\b(?!asyncio|threading)(?:[a-z_]+\.)+(?=[A-Za-z_])|[~+](?=[A-Z])|"|'(?=[A-Z])|(?<=\])'""")


def describe_api() -> str:
    """Return the whole text."""
    lines: list[str] = []
    for module, names in MODULES.items():
        found = importlib.import_module(module)
        for name in names or sorted(found.__all__):
            lines += describe(f"{module}.{name}", getattr(found, name))
    return "\n".join(lines) + "\n"


def describe(name: str, value: object) -> Iterator[str]:
    """Return the lines about one name of a module."""
    if isinstance(value, type) and not issubclass(value, Enum):
        bases = [base for base in getattr(value, "__orig_bases__", value.__bases__) if base is not object]
        yield f"class {name}({', '.join(map(_show, bases))})"
        yield from sorted(set(_describe_members(value)))
    elif callable(value):
        yield from (f"def {name}{signature}" for signature in _signatures(value))
    else:
        yield f"{name}: {type(value).__name__}"


def _describe_members(owner: type) -> Iterator[str]:
    described: set[str] = set()
    for base in filter(_is_ours, owner.__mro__):
        for member, line in [*_annotated(base), *_defined(base)]:
            is_constructor = member == "__init__" and base.__name__ not in MADE_BY_THE_LIBRARY
            if member not in described and (is_constructor or not member.startswith("_")):
                yield f"    {line}"
        described |= {member for member, _ in [*_annotated(base), *_defined(base)]}


def _annotated(owner: type) -> Iterator[tuple[str, str]]:
    """Return the attributes of a class, and those that its methods annotate."""
    for name, annotation in inspect.get_annotations(owner).items():
        yield name, f"{name}: {_show(annotation)}"
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner)))):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            name = node.target.attr
            yield name, f"{name}: {_show(ast.unparse(node.annotation))}"


def _defined(owner: type) -> Iterator[tuple[str, str]]:
    if issubclass(owner, tuple | Record):
        yield "__init__", f"def __init__{_constructor(owner)}"
    for name, value in vars(owner).items():
        if isinstance(value, property):
            yield name, f"property {name} -> {_show(inspect.signature(value.fget).return_annotation)}"  # type: ignore[arg-type]
        elif isinstance(value, types.FunctionType):
            kind = "async def" if inspect.iscoroutinefunction(value) else "def"
            yield from ((name, f"{kind} {name}{signature}") for signature in _signatures(value))


def _constructor(owner: type) -> str:
    if issubclass(owner, Record):
        return f"(self, *, {', '.join(line for _, line in _annotated(owner))})"
    return _show_signature(owner.__new__).replace("(_cls, ", "(self, ")


def _signatures(function: Any) -> list[str]:
    # What runs has the defaults, which the overloads leave out.
    return [_show_signature(overload) for overload in [*get_overloads(function), function]]


def _show_signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_Text(parameter.annotation), default=_Text(parameter.default, is_value=True))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=_Text(signature.return_annotation)))


class _Text:
    """Stands for an annotation or a default, and is shown as what this module makes of it."""

    def __new__(cls, value: object, *, is_value: bool = False) -> Any:
        return value if value is inspect.Parameter.empty else super().__new__(cls)

    def __init__(self, value: object, *, is_value: bool = False) -> None:
        self._text = repr(value) if is_value and isinstance(value, str) else _show(value)

    def __repr__(self) -> str:
        return self._text


def _show(value: object) -> str:
    if isinstance(value, types.FunctionType):
        return value.__name__
    if isinstance(value, type) and not isinstance(value, types.GenericAlias):
        return value.__name__
    if value is ...:
        return "..."
    text = value if isinstance(value, str) else repr(value)
    text = re.sub(_JSON, "JSON", text)
    text = re.sub(r"ForwardRef\('([^']*)'\)", r"\1", text)
    # Names without their modules, and type variables without what says how they vary.
    text = re.sub(_NOISE, "", text)
    return re.sub(r"^Optional\[(.*)\]$", r"\1 | None", text)


def _is_ours(owner: type) -> bool:
    return owner.__module__.partition(".")[0] == "heksher"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(describe_api(), encoding="utf-8")
    else:
        sys.stdout.write(describe_api())
