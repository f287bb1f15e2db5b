"""The proxies that the page on production shows: each is run as shown, in front of a service that asks for tokens.

What is replaced is what a reader replaces, too: addresses and certificates. Where there is no such program, that one is
not tried.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from heksher.server.config import Config
from heksher.server.storage.memory import MemoryStorage
from tests.support.access import give_token
from tests.support.processes import ROOT
from tests.support.service import RunningService
from tests.support.waiting import wait_until

PAGE = (ROOT / "docs" / "how-to" / "run-in-production.md").read_text(encoding="utf-8")
HOST = "heksher.example.com"
CONFIG = Config(database="unused", has_access=True, public_url=f"https://{HOST}", trusted_proxies=("127.0.0.1",))
NGINX = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    {shown}
}}
"""


def find_free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def adapt(shown: str, port: int, service_port: int) -> str:
    """Put the addresses of a test into a configuration that is shown; what there is once, has to be there."""
    adapted, listens = re.subn(r"listen 443 ssl;|bind :443 ssl crt \S+", f"LISTEN 127.0.0.1:{port}", shown)
    adapted, servers = re.subn(r"10\.0\.0\.\d:8000", f"127.0.0.1:{service_port}", adapted)
    assert (1, 2) == (listens, servers)
    return adapted


def make_nginx_command(directory: Path, port: int, service_port: int) -> list[str]:
    (shown,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    adapted = adapt(shown, port, service_port).replace(f"LISTEN 127.0.0.1:{port}", f"listen 127.0.0.1:{port};")
    file = directory / "nginx.conf"
    file.write_text(NGINX.format(shown=adapted), encoding="utf-8")
    return ["nginx", "-p", str(directory), "-e", "stderr", "-c", str(file)]


def make_haproxy_command(directory: Path, port: int, service_port: int) -> list[str]:
    (shown,) = re.findall(r"^```text\n# HAProxy\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = directory / "haproxy.cfg"
    file.write_text(adapt(shown, port, service_port).replace("LISTEN", "bind"), encoding="utf-8")
    return ["haproxy", "-db", "-f", str(file)]


COMMANDS = {"nginx": make_nginx_command, "haproxy": make_haproxy_command}


@contextmanager
def running(name: str, directory: Path, service: RunningService) -> Iterator[httpx2.Client]:
    """Run a proxy in front of a service, and return a client of the proxy."""
    port = find_free_port()
    process = subprocess.Popen(COMMANDS[name](directory, port, service.port), cwd=directory)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": HOST}) as http:
            wait_until(lambda: process.poll() is not None or is_listened_on(port))
            assert process.poll() is None, "the proxy does not take its configuration"
            yield http
    finally:
        process.kill()
        process.wait()


def is_listened_on(port: int) -> bool:
    with closing(socket.socket()) as connection:
        return 0 == connection.connect_ex(("127.0.0.1", port))


@pytest.fixture(params=COMMANDS)
def name(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"this machine has no {request.param}")
    return request.param


def test_a_proxy_passes_on_what_the_service_needs(name: str, tmp_path: Path):
    """Each header field that a token can stand in, the host, and at once what a stream says; but no metrics."""
    storage = MemoryStorage()
    storage.open()
    token = give_token(storage, "read")
    with RunningService(storage, CONFIG) as service, running(name, tmp_path, service) as http:
        for field, value in {"api_token": token, "X-API-Key": token, "Authorization": f"Bearer {token}"}.items():
            assert 200 == http.get("/api/v1/query", headers={field: value}).status_code
        assert 401 == http.get("/api/v1/query").status_code
        assert [403, 403] == [http.get(path).status_code for path in ("/metrics", "/%6Detrics")]
        with http.stream("GET", "/api/v1/stream", headers={"api_token": token}) as answer:
            assert "event: change" == next(line for line in answer.iter_lines() if line.startswith("event"))


def test_nginx_is_told_to_pass_on_names_with_an_underscore():
    """Also where there is no nginx to try it: outside of the servers, as within one it may not count."""
    (shown,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert re.search(r"^underscores_in_headers on;$", shown, re.MULTILINE)
