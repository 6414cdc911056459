"""Sphinx configuration: MyST Markdown, the furo theme, warnings are errors (``make docs``)."""

from importlib.metadata import version as _version

project = "dpsynth"
author = "the dpsynth authors"
project_copyright = author
release = version = _version("dpsynth")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath", "deflist", "fieldlist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"dpsynth {release}"
html_static_path: list[str] = []
html_copy_source = False
