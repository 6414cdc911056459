"""Free text through Presidio, an optional library that finds names and numbers in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from dpsynth.anonymization.masks.values import decoded
from dpsynth.errors import UsageError

_HINT = "Install it: pip install 'dpsynth[presidio]', and a model of the language for spaCy."


@dataclass(frozen=True)
class FreeText:
    """Each text with what Presidio finds replaced by its kind in angle brackets.

    It finds most of it, never all: what it misses stays. Dropping the column is the safe choice.
    """

    entities: tuple[str, ...] | None
    language: str
    where: str

    def __call__(self, cells: pa.Array) -> pa.Array:
        """The texts, null for what is not UTF-8; milliseconds each."""
        texts: Sequence[str | None] = decoded(cells).to_pylist()
        return pa.array([None if text is None else self._redacted(text) for text in texts], pa.string())

    def check(self) -> None:
        """Raise ``UsageError`` unless Presidio can be started for the language."""
        self._redacted("")

    def _redacted(self, text: str) -> str:
        analyzer, anonymizer = self._engines
        try:
            found = analyzer.analyze(text=text, language=self.language, entities=self.entities and list(self.entities))
            written = anonymizer.anonymize(text=text, analyzer_results=found).text
        except Exception:  # its errors quote the text
            raise UsageError("Presidio failed", where=self.where, hint="Check entities and language.") from None
        return str(written)

    @cached_property
    def _engines(self) -> tuple[Any, Any]:
        try:
            from presidio_analyzer import AnalyzerEngine
            from presidio_anonymizer import AnonymizerEngine
        except ImportError:
            said = "the mask text needs Presidio, which is not installed"
            raise UsageError(said, where=self.where, hint=_HINT) from None
        try:
            return AnalyzerEngine(), AnonymizerEngine()
        except (Exception, SystemExit):  # a model that is absent ends the process, or raises anything
            raise UsageError("Presidio cannot be started", where=self.where, hint=_HINT) from None
