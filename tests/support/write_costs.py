"""Each kind of write, to count how many statements and round trips its request costs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine, event

from tests.support.api import Api

SETTING: Final = {"configurable_features": ["user"], "type": "int", "default_value": 0}
MANY: Final = [{**SETTING, "name": f"many.setting_{number}"} for number in range(300)]
_MANY_PATH: Final = "/api/v1/settings/declare-many"


def prepare(api: Api) -> None:
    """Give a service what the writes are about: settings, one of which had its name before, and rules 1 to 4."""
    api.add_features("environment", "user")
    for name in ("a", "b", "c"):
        api.declare(name, configurable_features=["environment", "user"])
        api.add_rule(name, {"user": "x"}, 1)
    api.add_rule("a", {"user": "y"}, 1)
    assert 204 == api.delete("/api/v1/settings/c").status_code


def declare_many(api: Api, *more: Mapping[str, object]) -> object:
    return api.post(_MANY_PATH, json=[*MANY, *more])


# In the order in which they are made. Each is the usual case of its kind.
WRITES: Final[Mapping[str, Callable[[Api], object]]] = {
    "declare a new setting": lambda api: api.declare("new"),
    "declare a known one": lambda api: api.declare("new"),
    "declare an upgrade": lambda api: api.declare("new", version="1.1", default_value=7),
    "declare a mismatch": lambda api: api.try_declare("new", version="1.1", default_value=8),
    "declare 300 new settings at once": declare_many,
    "declare 300 known ones at once": declare_many,
    "declare 300 known ones and a new one at once": lambda api: declare_many(api, {**SETTING, "name": "another"}),
    "change a setting's type": lambda api: api.put("/api/v1/settings/a/type", json={"type": "float", "version": "2.0"}),
    "change a setting's features": lambda api: api.put(
        "/api/v1/settings/a/configurable_features", json={"configurable_features": ["user"], "version": "2.1"}
    ),
    "change a setting's metadata": lambda api: api.put(
        "/api/v1/settings/a/metadata/k", json={"value": 1, "version": "2.2"}
    ),
    "rename a setting": lambda api: api.put("/api/v1/settings/b/name", json={"name": "d", "version": "1.1"}),
    "delete a setting with a rule": lambda api: api.delete("/api/v1/settings/d"),
    "add a rule": lambda api: api.add_rule("a", {"user": "z"}, 1),
    "change a rule's value": lambda api: api.put("/api/v1/rules/1/value", json={"value": 5}),
    "change a rule's metadata": lambda api: api.put("/api/v1/rules/1/metadata/k", json={"value": 1}),
    "delete a rule": lambda api: api.delete("/api/v1/rules/4"),
    "add a context feature": lambda api: api.add_features("zone"),
    "move a context feature": lambda api: api.patch("/api/v1/context_features/zone/index", json={"to_before": "user"}),
    "delete a context feature": lambda api: api.delete("/api/v1/context_features/zone"),
}


@contextmanager
def counting_statements() -> Iterator[list[str]]:
    """Return a list of the statements that the block sends, beginnings and ends of transactions among them."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    def note_commit(_: object) -> None:
        statements.append("COMMIT")

    def note_rollback(_: object) -> None:
        statements.append("ROLLBACK")

    listeners = {"before_cursor_execute": note, "commit": note_commit, "rollback": note_rollback}
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield statements
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)
