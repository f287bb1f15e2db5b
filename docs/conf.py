"""How Sphinx builds the documentation: ``make docs``. Warnings are errors, and nothing is fetched from the network."""

import re

from sphinx.application import Sphinx

from heksher import value_type
from heksher.version import __version__

project = "heksher"
author = "The heksher founders"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx wants this name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"heksher {release}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Docstrings are read in the order of the source, where theory comes before detail.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# One parameter in a line where they do not fit into one.
maximum_signature_line_length = 100
# Defaults as they stand in the source: a sentinel's name, not its representation.
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # attributes as fields of their class, not as objects beside the dataclass's own
napoleon_custom_sections = [("Source", "notes_style")]


def name_json(
    _app: Sphinx, _kind: str, _name: str, _object: object, _options: object, signature: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """Write ``JSON`` in signatures in place of the union that it stands for."""
    # Names come with their modules (~collections.abc.Sequence) where Sphinx has resolved them.
    union = re.sub(r"(?=Sequence|Mapping)", r"(?:~[a-z.]+)?", re.escape(str(value_type.JSON)))
    for _ in range(2):  # it is within itself
        signature, result = (text and re.sub(union, "JSON", text) for text in (signature, result))
    return signature, result


def setup(app: Sphinx) -> None:
    """Have signatures written as people write them."""
    app.connect("autodoc-process-signature", name_json)
