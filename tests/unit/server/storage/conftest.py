"""Databases for tests of what is true of each kind of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lent_places import lend_place
from tests.support.storages import SqlPlace, make_place

each_kind = pytest.fixture(params=["sqlite", "postgres"])


@each_kind
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    """An empty database of each kind, with its tables."""
    with lend_place(request.param, tmp_path / "place") as place:
        assert isinstance(place, SqlPlace)
        yield place


@each_kind
def bare_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    """A database of each kind without tables."""
    with make_place(request.param, tmp_path / "place") as place:
        assert isinstance(place, SqlPlace)
        yield place
