"""Hypothesis strategies for values of context features: any text that a rule can have."""

import unicodedata

from hypothesis import strategies as st

from heksher.context_value import MAX_VALUE_CHARACTERS

# What programs that read or write filters, JSON, URLs or SQL may stumble over comes up often, other text comes up too.
_TELLING = [
    "guest",
    "alice@example.com",
    "eu-west-1",
    "café",
    'a","b',
    "x)",
    "),b:*",
    "\\",
    "\\u0041",
    "%41",
    "+",
    "&",
    "'",
]
_FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()[:MAX_VALUE_CHARACTERS].strip()


def _is_value(text: str) -> bool:
    # Cutting may have left something that is normalized in another way.
    return bool(text) and not text.startswith("*") and text != "<none>" and text == _normalize(text)


def context_values() -> st.SearchStrategy[str]:
    """Draw values, most of them short."""
    characters = st.characters(exclude_categories=_FORBIDDEN)
    long = st.text(characters, min_size=200, max_size=MAX_VALUE_CHARACTERS)
    drawn = st.one_of(
        st.sampled_from(_TELLING), st.text(characters, max_size=8), st.text('"\\,:()* ab', max_size=6), long
    )
    return drawn.map(_normalize).filter(_is_value)
