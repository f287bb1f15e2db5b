"""A service that only shows its documentation."""

from datetime import UTC, datetime

import pytest

from heksher.server.config import Config
from heksher.server.storage.base import NOBODY
from heksher.server.storage.doc_only import DocOnlyStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.api import Api


@pytest.fixture
def api() -> Api:
    return Api(DocOnlyStorage(), Config(database="unused", doc_only=True))


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/api/health"])
def test_documentation_and_health_work(api: Api, path: str):
    """Without a database, always."""
    assert 200 == api.get(path).status_code


def test_nothing_else_works(api: Api):
    """Reads and writes are told that the service is not available."""
    responses = [
        api.get("/api/v1/query"),
        api.get("/api/v1/settings"),
        api.post("/api/v1/context_features", json={"context_feature": "a"}),
    ]
    assert [503] * 3 == [response.status_code for response in responses]


def test_the_storage_does_nothing():
    """It opens, closes and checks, and refuses work."""
    storage = DocOnlyStorage()
    storage.open()
    storage.check()
    assert 0 == storage.prune(datetime.now(UTC))
    storage.close()
    with pytest.raises(StorageUnavailableError, match="DOC_ONLY"):
        storage.read(lambda reader: reader)
    with pytest.raises(StorageUnavailableError, match="DOC_ONLY"):
        storage.write(lambda writer: writer, NOBODY)
    with pytest.raises(StorageUnavailableError, match="DOC_ONLY"):
        storage.note_token_uses({})
