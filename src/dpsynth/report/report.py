"""A report in its forms: JSON facts, a page, Markdown, and a registry entry; all from the same facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dpsynth.errors import UsageError
from dpsynth.report.document import Document
from dpsynth.report.internal import InternalReport
from dpsynth.report.internal_sections import internal_document
from dpsynth.report.public import PublicReport
from dpsynth.report.sections import public_document


@dataclass(frozen=True, eq=False)
class Report:
    """One edition. Deterministic: the same facts give the same bytes; no clock, no host, no path of this process."""

    facts: PublicReport | InternalReport

    @property
    def edition(self) -> Literal["internal", "public"]:
        """``internal`` or ``public``."""
        return "internal" if isinstance(self.facts, InternalReport) else "public"

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json (docs/reference/report.schema.json)."""
        return self.facts.to_dict()

    def to_html(self) -> str:
        """The page: self-contained, without script or request, below 1 MB."""
        from dpsynth.report.html import html

        return html(self._document())

    def to_markdown(self) -> str:
        """The report as Markdown."""
        from dpsynth.report.markdown import markdown

        return markdown(self._document())

    def to_registry(self) -> str:
        """The entry of a deployments registry as YAML: public facts, in both editions."""
        from dpsynth.report.registry import registry

        public = self.facts.public if isinstance(self.facts, InternalReport) else self.facts
        return registry(public.to_dict())

    def to_pdf(self) -> bytes:
        """The page as PDF; ``UsageError`` without the extra that prints it."""
        try:
            from weasyprint import HTML
        except (ImportError, OSError):
            hint = "Install dpsynth[pdf], or print the HTML page to PDF in a browser."
            raise UsageError("PDF needs the package weasyprint", where="--format pdf", hint=hint) from None
        made: bytes = HTML(string=self.to_html(), url_fetcher=_nothing).write_pdf()
        return made

    def _document(self) -> Document:
        if isinstance(self.facts, InternalReport):
            return internal_document(self.facts)
        return public_document(self.facts.to_dict())


def _nothing(url: str) -> dict[str, Any]:
    raise ValueError("a report fetches nothing")
