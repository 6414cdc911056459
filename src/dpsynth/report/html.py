"""A report as one page: no script, no request, its own style by hash; every text is escaped by the template engine."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from dpsynth.report.document import Document


def html(document: Document) -> str:
    """The page; the same document gives the same text."""
    import jinja2

    folder = resources.files("dpsynth.report") / "templates"
    style = (folder / "report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.render(document=document, style=style, style_hash=digest).lstrip() + "\n"
