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
from dpsynth.schema import Schema

VERSION = 2
KEYS = (
    *("report_version", "made_by", "edition", "color", "override", "title", "dp", "claim", "guarantee", "candidates"),
    *("meaning", "spent", "pool", "transaction", "method", "settings", "figures", "answers", "marginals", "columns"),
    *("synthetic_rows", "software", "not_protected", "preprocessing"),
)
"""What a public report states, and nothing else."""
ANSWER = ("question", "columns", "cells", "coarsened", "sensitivity", "law", "scale", "sampler", "receipt")
"""What it states of an answer."""


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
        domain = self.model.domain
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
            "columns": described_columns(self.model.schema, {name: domain[name] for name in domain}),
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
        return [*(one for question in self.questions for one in _discovered(question)), *asked]


def described_columns(schema: Schema | None, cells: Mapping[str, int]) -> list[dict[str, Any]]:
    """What is public of every modeled column: its cells, its role, and where its domain came from."""
    known = {} if schema is None else {one.name: one for one in schema.fields}
    return [
        {
            "name": name,
            "cells": count,
            "role": known[name].role if name in known else None,
            "source": known[name].source if name in known else None,
        }
        for name, count in cells.items()
    ]


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


def _discovered(question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers of a draw: one for each clique that was measured, else one for all columns together."""
    asked = question["question"]
    parts = [(asked.get("columns", ()), asked.get("scale"))]
    if asked["question"] == "measure":
        parts = list(zip(asked["cliques"], asked["scales"], strict=True))
    return [
        {
            "question": str(asked["question"]),
            "columns": [str(name) for name in columns],
            "cells": None,
            "coarsened": list(asked.get("coarsened", ())),
            "sensitivity": asked.get("sensitivity"),
            "law": asked.get("law"),
            "scale": scale,
            "sampler": asked.get("sampler"),
            "receipt": dict(question["receipt"]),
        }
        for columns, scale in parts
    ]
