"""What queries that are all different cost a service: no more memory than it says."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.hostile.query_memory import MIB, get_long_urls, post_large_queries, read_resident_mib
from tests.support.service import ServiceProcess

CACHE_MIB = 32
# What the documentation promises for each worker, beyond its start and its catalog.
MAX_GROWTH_MIB = 1.3 * CACHE_MIB + 60


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    """A service whose answers may take a quarter of the usual room."""
    environment = {"HEKSHER_CACHE_BYTES": str(CACHE_MIB * MIB)}
    with ServiceProcess("memory:", "--context-features", "user", environment=environment) as service:
        yield service


def read_cache_bytes(service: ServiceProcess) -> float:
    lines = httpx2.get(f"{service.url}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("heksher_cache_bytes ")).split()[1])


def test_different_queries_take_no_more_memory_than_is_allowed(service: ServiceProcess):
    """Not even while they are answered; what is kept is what the metric says."""
    httpx2.get(f"{service.url}/api/v1/query").raise_for_status()
    pid = service.process.pid
    before_mib = read_resident_mib(pid)
    assert {422} == set(post_large_queries(service.url, 11))
    assert {200} == set(post_large_queries(service.url, 11, value_characters=100))
    assert read_cache_bytes(service) < MIB
    assert {200} == set(get_long_urls(service.url, 900))
    assert 0.5 * CACHE_MIB * MIB < read_cache_bytes(service) <= CACHE_MIB * MIB
    assert read_resident_mib(pid) - before_mib <= MAX_GROWTH_MIB
    assert read_resident_mib(pid, "VmHWM") - before_mib <= MAX_GROWTH_MIB
