"""Each answer of the health route (spec/http-api.md, *Service*)."""

import heksher
from heksher.server.storage.memory import MemoryStorage
from tests.support.api import Api

PATH = "/api/health"


def test_a_healthy_service_tells_its_version():
    """The answer has the version of the distribution."""
    response = Api().get(PATH)
    assert (200, {"version": heksher.__version__}) == (response.status_code, response.json())


def test_a_service_without_its_database_is_not_healthy():
    """While the database cannot be reached the answer is a 500 that says so; then the service is healthy again."""
    storage = MemoryStorage()
    api = Api(storage)
    response = api.get(PATH)
    assert (500, {"detail": "the database cannot be reached"}) == (response.status_code, response.json())
    storage.open()
    assert 200 == api.get(PATH).status_code
