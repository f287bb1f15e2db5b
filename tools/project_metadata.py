"""What the build adds to the project's metadata: the long description, and addresses.

The long description is README.md. Its links lead to files beside it, which whoever reads it on a package index does not
have: with ``HEKSHER_REPOSITORY_URL`` (``https://host/owner/name``, where the repository is published) in the build's
environment they become absolute, and the project's addresses are part of the metadata. Without it there is nothing that
they could lead to, and their texts alone are kept.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).resolve().parent.parent
URL_VARIABLE = "HEKSHER_REPOSITORY_URL"
_RELATIVE_LINK = re.compile(r"\[([^]]+)\]\((?!https?:|#)([^)]+)\)")


class ProjectMetadataHook(MetadataHookInterface):
    """Called by hatchling for each build."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the fields that pyproject.toml calls dynamic."""
        url = os.environ.get(URL_VARIABLE, "").rstrip("/")
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": complete_links(readme, url)}
        metadata["urls"] = list_addresses(url)


def complete_links(text: str, url: str) -> str:
    """Make the links to files of the repository absolute; without a URL, keep only their texts."""

    def complete(link: re.Match[str]) -> str:
        label, path = link.groups()
        if not url:
            return label
        return f"[{label}]({url}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path})"

    return _RELATIVE_LINK.sub(complete, text)


def list_addresses(url: str) -> dict[str, str]:
    """Return the project's addresses by their well-known labels; none without a URL."""
    if not url:
        return {}
    files = {"Documentation": "docs/index.md", "Changelog": "CHANGELOG.md", "Security": "SECURITY.md"}
    pages = {label: f"{url}/blob/main/{path}" for label, path in files.items()}
    return {"Source": url, "Issues": f"{url}/issues", **pages}
