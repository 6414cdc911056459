"""The public edition: facts that may be printed anywhere, by the types of what it is built of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.ledger import software
from dpsynth.models import Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.report.marginals import ReleasedMarginal
from dpsynth.report.meaning import NOT_PROTECTED, guarantee_figures, meaning
from dpsynth.report.pool import PublicPool

VERSION = 1


@dataclass(frozen=True, eq=False)
class PublicReport:
    """What a public report holds: a model (all of it is released), its pool in public, and released numbers.

    ``questions``: draws of the fit that are no answer of the model (discoveries), as the ledger has them.
    ``candidates``: how many tables could be brought before a gate, fixed in advance; ``None`` if nobody said.
    ``override``: the table is released whatever the gate said, or without one.
    """

    model: Model
    pool: PublicPool | None
    marginals: tuple[ReleasedMarginal, ...]
    synthetic_rows: int | None = None
    table_labels: tuple[str, ...] = ()
    questions: tuple[Mapping[str, Any], ...] = ()
    candidates: int | None = None
    override: bool = False

    @property
    def guarantee(self) -> Mapping[str, Any]:
        """The guarantee of this release, as the model has it; empty where the model has none of dpsynth."""
        stated = self.model.provenance.get("guarantee") if self.model.dp else None
        return stated if isinstance(stated, Mapping) else {}

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json, public edition: docs/reference/report.schema.json."""
        provenance, guarantee = self.model.provenance, dict(self.guarantee)
        pool = None if self.pool is None else self.pool.to_dict()
        return {
            "report_version": VERSION,
            "made_by": software(),
            "edition": "public",
            "color": "released",
            "override": self.override,
            "title": self.title,
            "dp": self.model.claim.stamp if self.model.claim else self.model.dp,
            "claim": None if self.model.claim is None else self.model.claim.record(),
            "guarantee": guarantee,
            "candidates": self.candidates,
            "meaning": meaning(guarantee, pool, self.candidates, override=self.override),
            "spent": provenance.get("spent"),
            "pool": pool,
            "transaction": provenance.get("transaction"),
            "method": self.model.method,
            "settings": dict(self.model.settings),
            "figures": [figure.to_dict() for figure in guarantee_figures(guarantee, pool)],
            "answers": self.answers(),
            "marginals": [marginal.to_dict() for marginal in self.marginals],
            "columns": [self._column(name) for name in self.model.domain],
            "synthetic_rows": self.synthetic_rows,
            "software": dict(provenance.get("versions", {})),
            "not_protected": list(NOT_PROTECTED),
            "preprocessing": [*provenance.get("labels", ()), *self.table_labels],
        }

    @property
    def title(self) -> str:
        """What the report is about: the name of the schema."""
        return "synthetic table" if self.model.schema is None else self.model.schema.name

    def answers(self) -> list[dict[str, Any]]:
        """Every question that was paid for: what was asked, of what, with which noise, and the receipt."""
        asked = [_answer(one) for one in self.model.answers]
        return [*map(_discovery, self.questions), *asked]

    def _column(self, name: str) -> dict[str, Any]:
        schema = self.model.schema
        known = None if schema is None else next((one for one in schema.fields if one.name == name), None)
        return {
            "name": name,
            "cells": self.model.domain[name],
            "role": None if known is None else known.role,
            "source": None if known is None else known.source,
        }


def _answer(answer: NoisyMarginal | Selection) -> dict[str, Any]:
    measured = isinstance(answer, NoisyMarginal)
    return {
        "question": "measure" if measured else "select",
        "columns": list(answer.clique),
        "cells": int(answer.values.size) if isinstance(answer, NoisyMarginal) else answer.candidates,
        "coarsened": [name for name, _ in answer.coarsening] if isinstance(answer, NoisyMarginal) else [],
        "sensitivity": answer.sensitivity,
        "law": answer.law,
        "scale": float(answer.scale).hex(),
        "sampler": answer.sampler if isinstance(answer, NoisyMarginal) else None,
        "receipt": answer.receipt.record(),
    }


def _discovery(question: Mapping[str, Any]) -> dict[str, Any]:
    asked = question["question"]
    return {
        "question": str(asked["question"]),
        "columns": [str(name) for name in asked.get("columns", ())],
        "cells": None,
        "coarsened": [],
        "sensitivity": asked.get("sensitivity"),
        "law": asked.get("law"),
        "scale": asked.get("scale"),
        "sampler": asked.get("sampler"),
        "receipt": dict(question["receipt"]),
    }
