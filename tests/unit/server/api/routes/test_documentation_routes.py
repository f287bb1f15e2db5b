"""The documentation pages, which need nothing from the internet."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from heksher.server.api.routes import documentation_routes as documentation
from tests.support.api import Api

STATIC = Path(documentation.__file__).parents[2] / "static"
PAGES = ["/docs", "/redoc"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_all_of_its_parts_from_the_service(path: str):
    """Every address in a page is relative, and answers with the right type."""
    api = Api()
    page = api.get(path)
    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    addresses = re.findall(r'(?:src|href|spec-url)="([^"]*)"', page.text)
    assert len(addresses) >= 3
    for address in addresses:
        if address != "data:,":
            part = api.get(f"/{address}")
            assert 200 == part.status_code, address
            assert part.headers["content-type"].startswith(
                {"js": "text/javascript", "css": "text/css", "json": "application/json"}[address.rpartition(".")[2]]
            )


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_nothing_from_elsewhere(path: str):
    """Its security policy allows this service only, and no inline script; the page has neither."""
    page = Api().get(path)
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert ("'none'", "'self'", "'self'") == (policy["default-src"], policy["script-src"], policy["connect-src"])
    assert "://" not in page.text
    assert re.search(r"<script(?! src=)", page.text) is None


def test_the_schema_is_not_sent_to_a_validator():
    """Swagger UI's default would send it to a server on the internet."""
    assert "validatorUrl: null" in Api().get("/docs/assets/docs.js").text


def test_the_vendored_files_are_those_of_their_packages():
    """Each has the checksum that is noted for it, and its licence beside it."""
    rows = re.findall(r"\| (\S+) \| npm .* \| `([0-9a-f]{64})` \|", (STATIC / "README.md").read_text())
    assert 3 == len(rows)
    for name, checksum in rows:
        assert checksum == hashlib.sha256(gzip.decompress((STATIC / name).read_bytes())).hexdigest()
        package = re.match(r"[a-z-]+-[0-9.]+[0-9]", name)[0]
        assert (STATIC / f"{package}.LICENSE.txt").is_file()
    vendored = {path.name for path in STATIC.iterdir() if re.search(r"-\d.*\.(js|css)", path.name)}
    assert {name for name, _ in rows} == vendored


@pytest.mark.parametrize(
    "path", [path for path in STATIC.iterdir() if path.suffix == ".gz"], ids=lambda path: path.name
)
def test_a_large_part_is_sent_as_it_is_kept(path: Path):
    """Compressed to whoever takes that, and decompressed to others."""
    api = Api()
    address = f"/docs/assets/{path.name.removesuffix('.gz')}"
    compressed = api.get(address, headers={"Accept-Encoding": "zstd, gzip"})
    plain = api.get(address, headers={"Accept-Encoding": "identity"})
    assert compressed.content == plain.content
    assert ["gzip", None] == [answer.headers.get("content-encoding") for answer in (compressed, plain)]
    assert ["Accept-Encoding"] * 2 == [answer.headers["vary"] for answer in (compressed, plain)]
    assert str(path.stat().st_size) == compressed.headers["content-length"]


@pytest.mark.parametrize(
    "name", ["README.md", "redoc-2.5.4.standalone.js.gz", "..%2fapp.py", "%00", "docs.html", "%ff", "a" * 5000]
)
def test_only_the_parts_of_pages_are_served(name: str):
    """Any other name is a 404."""
    assert 404 == Api().get(f"/docs/assets/{name}").status_code


def test_every_route_is_documented():
    """Each has a tag, a summary and a description, and each of its answers and parameters is described."""
    schema = Api().get("/openapi.json").json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert 50 < len(operations)
    for operation in operations:
        assert operation["tags"]
        assert operation["summary"]
        assert operation["description"]
        assert all(answer["description"] for answer in operation["responses"].values())
        assert {"200", "201", "204"} & set(operation["responses"])


def test_the_deprecated_route_is_marked():
    """PATCH on a rule is the only one."""
    paths = Api().get("/openapi.json").json()["paths"]
    deprecated = [(path, method) for path, item in paths.items() for method in item if item[method].get("deprecated")]
    assert [("/api/v1/rules/{rule_id}", "patch")] == deprecated
