"""What the build adds to the project's metadata."""

import re

import pytest

from tests.support.processes import ROOT
from tools import project_metadata

URL = "https://forge.test/owner/heksher"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch):
    """What makes the metadata, with the repository's address or without one."""

    def make(url: str | None) -> dict:
        monkeypatch.setenv(project_metadata.URL_VARIABLE, url or "")
        metadata: dict = {}
        project_metadata.ProjectMetadataHook(str(ROOT), {}).update(metadata)
        return metadata

    return make


def test_links_are_absolute(build):
    """Whoever reads the long description on an index gets to the files that it names."""
    text = build(f"{URL}/")["readme"]["text"]
    assert f"[docs/tutorial.md]({URL}/blob/main/docs/tutorial.md)" in text
    assert f"[docs/]({URL}/blob/main/docs/index.md)" in text
    assert f"[examples/]({URL}/tree/main/examples)" in text
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert [] == [target for target in targets if not target.startswith("https://")]


def test_no_link_leads_nowhere(build):
    """Where the repository has no address, the texts of the links are kept, and no address is claimed."""
    metadata = build(None)
    assert [] == re.findall(r"\]\((?!https://)[^)]+\)", metadata["readme"]["text"])
    assert "| docs/tutorial.md | first steps" in metadata["readme"]["text"]
    assert {} == metadata["urls"]


def test_addresses_lead_to_files_that_are_there(build):
    """The project's addresses have the labels that indexes know."""
    urls = build(URL)["urls"]
    assert {"Source", "Issues", "Documentation", "Changelog", "Security"} == urls.keys()
    paths = [url.partition("/blob/main/")[2] for url in urls.values() if "/blob/" in url]
    assert all((ROOT / path).is_file() for path in paths)
