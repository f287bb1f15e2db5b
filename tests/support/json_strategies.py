"""Hypothesis strategies for JSON values and for the types that settings have on the wire."""

from hypothesis import strategies as st

from heksher.value_type import (
    JSON,
    EnumType,
    FlagsType,
    MappingType,
    Primitive,
    SequenceType,
    ValueType,
    parse_value_type,
)

# Values that Python or a careless reader takes for one another come up often, others come up too.
_CONFUSING: list[Primitive] = [0, 0.0, -0.0, False, "0", "", 1, 1.0, True, "1", "true", 2, 2.5, "a", 'a"]', "é", 2**53]


def primitives() -> st.SearchStrategy[Primitive]:
    """Draw strings, finite numbers, true and false."""
    others: st.SearchStrategy[Primitive] = st.one_of(
        st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    )
    return st.sampled_from(_CONFUSING) | others


def json_values() -> st.SearchStrategy[JSON]:
    """Draw any JSON value."""
    leaves: st.SearchStrategy[JSON] = st.none() | primitives()
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=10,
    )


def value_types() -> st.SearchStrategy[ValueType]:
    """Draw any type."""
    options = st.lists(primitives(), max_size=4)
    innermost: st.SearchStrategy[ValueType] = st.one_of(
        st.sampled_from(["int", "float", "str", "bool"]).map(parse_value_type),
        options.filter(bool).map(EnumType),
        options.map(FlagsType),
    )
    return st.recursive(innermost, lambda inner: inner.map(SequenceType) | inner.map(MappingType), max_leaves=3)


def supertypes(value_type: ValueType) -> st.SearchStrategy[ValueType]:
    """Draw types that a type is a subtype of, by the definition of the order."""
    match value_type:
        case EnumType():
            return st.lists(primitives(), max_size=2).map(lambda more: EnumType([*value_type.options, *more]))
        case FlagsType():
            return st.lists(primitives(), max_size=2).map(lambda more: FlagsType([*value_type.options, *more]))
        case SequenceType():
            return supertypes(value_type.element).map(SequenceType)
        case MappingType():
            return supertypes(value_type.element).map(MappingType)
    is_int = str(value_type) == "int"
    return st.sampled_from([value_type, parse_value_type("float")]) if is_int else st.just(value_type)


def values_of(value_type: ValueType) -> st.SearchStrategy[JSON]:
    """Draw values of a type."""
    match value_type:
        case EnumType():
            return st.sampled_from(value_type.options)
        case FlagsType():
            return st.lists(st.sampled_from(value_type.options), unique_by=repr) if value_type.options else st.just([])
        case SequenceType():
            return st.lists(values_of(value_type.element), max_size=3)
        case MappingType():
            return st.dictionaries(st.text(max_size=3), values_of(value_type.element), max_size=3)
    return _values_of_primitive(str(value_type))


def _values_of_primitive(name: str) -> st.SearchStrategy[JSON]:
    floats = st.floats(allow_nan=False, allow_infinity=False)
    strategies: dict[str, st.SearchStrategy[JSON]] = {
        "int": st.integers() | floats.filter(float.is_integer),
        "float": st.integers() | floats,
        "str": st.text(max_size=5),
        "bool": st.booleans(),
    }
    return strategies[name]


def respell_json(value: JSON) -> JSON:
    """Return another Python object for the same JSON value: whole numbers change between int and float."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, int):
        # Only where the float is the same number.
        return float(value) if abs(value) <= 2**53 else value
    if isinstance(value, dict):
        return {key: respell_json(inner) for key, inner in reversed(value.items())}
    assert isinstance(value, list | tuple)
    return tuple(respell_json(inner) for inner in value)
