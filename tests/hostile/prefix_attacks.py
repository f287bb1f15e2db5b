"""Ways out of a prefix: by aliases, new names, declarations of many settings, and rules of other settings.

Who has ``declare:in.`` or ``edit:in.`` is to change nothing of ``out.a`` and ``out.b``, and to take no name there.
"""

from collections.abc import Iterator
from typing import Any, Final

from tests.hostile.guarded import Attack, Guarded, make

_DECLARE: Final = "/api/v1/settings/declare"
_MANY: Final = "/api/v1/settings/declare-many"
_RULES: Final = "/api/v1/rules"


def declare(name: str, version: str = "2.0", **more: object) -> dict[str, Any]:
    """Return the body of a declaration, which changes a setting."""
    return {
        "name": name,
        "configurable_features": ["user"],
        "type": "int",
        "default_value": 9,
        "version": version,
        **more,
    }


def list_declaration_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield declarations of who may declare ``in.`` alone."""
    bearer = guarded.bear("declare:in.")
    refused = {
        "another setting": declare("out.a"),
        "a new one outside": declare("out.new", "1.0"),
        "a new one without a dot": declare("in", "1.0"),
        "a new one of another case": declare("In.new", "1.0"),
        "a new one that begins alike": declare("inside.new", "1.0"),
        "a new one further inside of another": declare("out.in.new", "1.0"),
        "one outside renamed to the inside": declare("in.stolen", alias="out.a"),
        "one inside renamed to the outside": declare("out.stolen", alias="in.a"),
        "a new one with an alias outside": declare("in.new", "1.0", alias="out.new"),
        "a new one outside with an alias inside": declare("out.new", "1.0", alias="in.new"),
        "an alias that is a prefix": declare("in.new", "1.0", alias="out."),
        "a name that is a prefix": declare("out.", "1.0"),
    }
    for what, body in refused.items():
        yield Attack(f"declare {what}", make("POST", _DECLARE, bearer, body=body), "403 404 422")
    for name in ("in.a\u0000", " in.a", "in.a ", "in.\u0430", "in./../out.a", "in.a,out.a", ""):
        request = make("POST", _DECLARE, bearer, body=declare(name, "1.0"))
        yield Attack(f"declare {name!r}", request, "422")
    paths = {
        "type": {"type": "float", "version": "2.0"},
        "name": {"name": "in.stolen", "version": "2.0"},
        "configurable_features": {"configurable_features": ["user", "theme"], "version": "2.0"},
        "metadata": {"metadata": {"a": 1}, "version": "2.0"},
        "metadata/a": {"value": 1, "version": "2.0"},
    }
    for path, body in paths.items():
        yield Attack(f"PUT {path}", make("PUT", f"/api/v1/settings/out.a/{path}", bearer, body=body), "403")
    for new in ("out.a2", "in", "inside.a", "IN.a", "out.", "in.a\u0000"):
        body = {"name": new, "version": "2.0"}
        yield Attack(f"rename to {new!r}", make("PUT", "/api/v1/settings/in.a/name", bearer, body=body), "403 422")
    encoded = make("PUT", "/api/v1/settings/in.a%2f..%2fout.a/type", bearer, body=paths["type"])
    yield Attack("a path in a name", encoded, "404 405")
    # What changes nothing needs no more than read.
    unchanged = declare("out.a", "1.0") | {"default_value": 1}
    yield Attack("what is there", make("POST", _DECLARE, bearer, body=unchanged), "200")
    yield Attack("what is there in part", make("POST", _DECLARE, bearer, body=declare("out.a", "1.0")), "409")
    for grant in ("edit", "edit:in.", "read", "evaluate"):
        request = make("POST", _DECLARE, guarded.bear(grant), body=declare("in.a"))
        yield Attack(f"{grant} declares", request, "403")


def list_rule_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield changes of rules by who may edit ``in.`` alone."""
    bearer, outside, inside = guarded.bear("edit:in."), guarded.rules["out.a"], guarded.rules["in.a"]
    new = {"feature_values": {"user": "z"}, "value": 5}
    for name in ("out.a", "out.b"):
        yield Attack(f"a rule of {name}", make("POST", _RULES, bearer, body={"setting": name, **new}), "403")
    for name in ("in.a/../out.a", "in.a\u0000", "in.a,out.a", "in", "in.", "In.a", "\u0456n.a"):
        yield Attack(f"a rule of {name!r}", make("POST", _RULES, bearer, body={"setting": name, **new}), "422")
    ids = (
        outside,
        f"0{outside}",
        f"%20{outside}",
        f"+{outside}",
        f"{outside}.0",
        f"{inside}%2f..%2f{outside}",
        "%D9%A3",
    )
    for rule in ids:
        yield Attack(f"DELETE rule {rule}", make("DELETE", f"{_RULES}/{rule}", bearer), "403 404 405 422")
    changes = (
        ("PATCH", "", {"value": 7}),
        ("PATCH", "", {"value": 7, "setting": "in.a"}),
        ("PUT", "/value", {"value": 7}),
        ("POST", "/metadata", {"metadata": {"a": 1}}),
        ("PUT", "/metadata", {"metadata": {"a": 1}}),
        ("DELETE", "/metadata", None),
        ("PUT", "/metadata/by", {"value": 1}),
        ("DELETE", "/metadata/by", None),
    )
    for method, path, body in changes:
        for grant, expected in (("edit:in.", "403"), ("declare", "403"), ("declare:in.", "403"), ("read", "403")):
            request = make(method, f"{_RULES}/{outside}{path}", guarded.bear(grant), body=body)
            yield Attack(f"{grant} {method} rule{path}", request, expected)
    for path in ("type", "name", "metadata"):
        request = make("PUT", f"/api/v1/settings/in.a/{path}", bearer, body={path: {}, "version": "2.0"})
        yield Attack(f"edit sets {path}", request, "403")


def list_many_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield declarations of several settings at once, of which some are refused: those alone change nothing."""
    bearer = guarded.bear("declare:in.")
    mixed = [
        declare("in.one", "1.0"),
        declare("out.a"),
        declare("in.a", "1.0", alias="out.b"),
        declare("out.new", "1.0"),
    ]
    yield Attack("many, one of them inside", make("POST", _MANY, bearer, body=mixed), "200", changes=1)
    # The first one makes a name that the second would take out of the prefix, or get out by.
    chains = (
        [declare("in.two", "1.0"), declare("out.two", "2.0", alias="in.two")],
        [declare("in.three", "1.0"), declare("in.three", "2.0"), declare("out.three", "3.0", alias="in.three")],
    )
    for chain in chains:
        yield Attack("many, in a chain", make("POST", _MANY, bearer, body=chain), "200", changes=1)
    outside = [declare("out.a"), declare("out.b"), declare("in.new", "1.0", alias="out.a")]
    yield Attack("many outside", make("POST", _MANY, bearer, body=outside), "200")
    yield Attack("many for edit", make("POST", _MANY, guarded.bear("edit"), body=mixed), "200")
    yield Attack("many for nobody", make("POST", _MANY, body=mixed), "401")
    yield Attack("many for evaluate", make("POST", _MANY, guarded.bear("evaluate"), body=mixed), "403")


def list_alias_attacks(guarded: Guarded) -> Iterator[Attack]:
    """Yield what counts by the canonical name: an admin moves a setting out of the prefix, and in again."""
    admin, declarer, editor = (guarded.bear(grant) for grant in ("admin", "declare:in.", "edit:in."))
    rule = f"{_RULES}/{guarded.rules['in.b']}"
    type_change = {"type": "float", "version": "3.0"}

    def rename(old: str, new: str, version: str, bearer: str) -> bytes:
        return make("PUT", f"/api/v1/settings/{old}/name", bearer, body={"name": new, "version": version})

    yield Attack("a rule inside", make("PATCH", rule, editor, body={"value": 3}), "204", changes=1)
    yield Attack("an admin moves it out", rename("in.b", "out.moved", "2.0", admin), "204", changes=1)
    for name in ("in.b", "out.moved"):
        yield Attack(f"type of {name}", make("PUT", f"/api/v1/settings/{name}/type", declarer, body=type_change), "403")
        yield Attack(f"{name} again", make("POST", _DECLARE, declarer, body=declare(name, "4.0")), "403")
        yield Attack(f"{name} back", rename(name, "in.b", "4.0", declarer), "403")
        new = {"setting": name, "feature_values": {"user": "y"}, "value": 1}
        yield Attack(f"a rule of {name}", make("POST", _RULES, editor, body=new), "403")
    back = declare("in.b", "4.0", alias="out.moved")
    yield Attack("back by a declaration", make("POST", _DECLARE, declarer, body=back), "403")
    yield Attack("its rule", make("PATCH", rule, editor, body={"value": 4}), "403")
    yield Attack("its rule is not deleted", make("DELETE", rule, editor), "403")
    yield Attack("an admin moves it in", rename("out.moved", "in.b", "4.0", admin), "204", changes=1)
    again = make("PUT", "/api/v1/settings/out.moved/type", declarer, body={"type": "float", "version": "5.0"})
    yield Attack("inside, by its alias outside", again, "204", changes=1)
    yield Attack("out to its own alias", rename("in.b", "out.moved", "6.0", declarer), "403")
    yield Attack("within", rename("in.b", "in.b2", "6.0", declarer), "204", changes=1)
