"""How Sphinx builds the documentation: ``make docs``. Warnings are errors, and nothing is fetched from the network."""

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
# The docstrings say what may be passed; the annotations are written for checkers, with overloads and internal names.
autodoc_typehints = "none"
napoleon_use_ivar = True  # attributes as fields of their class, not as objects beside the dataclass's own
napoleon_custom_sections = [("Source", "notes_style")]
