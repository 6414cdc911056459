"""``dpsynth show``: what a model file holds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.counts import counts_record, counts_words, marginal_of
from dpsynth.cli.discovery import learned_words
from dpsynth.cli.layout import at_most, facts, table
from dpsynth.cli.parameters import LEVEL
from dpsynth.errors import FileFormatError, UsageError
from dpsynth.privacy.governor import Governor

if TYPE_CHECKING:
    from dpsynth.models import Model


SHOWN = 24
"""More answers than this are counted, not listed."""


@command(
    "show",
    "dpsynth show model.dps",
    "dpsynth show model.dps --marginal sex,income",
    "dpsynth show model.dps --marginal age --interval 0.99 --json",
    "dpsynth show model.dps --schema > learned.yaml",
)
@click.argument("model", type=click.Path())
@click.option(
    "--marginal",
    metavar="COL[,COL...]",
    help="Print the counts of these columns instead, each with an interval for its true count.",
)
@click.option(
    "--schema", "schema", is_flag=True, help="Print the schema (YAML) instead, such as one that a fit learned."
)
@click.option(
    "--interval",
    metavar="LEVEL",
    type=LEVEL,
    help="The chance with which each interval of --marginal holds the true count. Default: 0.95.",
)
def show(_output: Output, *, model: str, marginal: str | None, schema: bool, interval: float | None) -> Answer:
    """Show what MODEL guarantees, whom it protects, which columns it holds and which noisy answers it was made of.

    Everything in a model file is released: it may be shown to whoever may have the model. Intervals come from its noisy
    answers and are about the rows that entered the fit, cell by cell; they say nothing about a wider population.
    """
    from dpsynth.models import load

    if interval is not None and marginal is None:
        raise UsageError("an interval needs the columns of a marginal", where="--interval", hint="Add --marginal COL.")
    loaded = load(model)
    if schema:
        if marginal is not None:
            raise UsageError("--schema and --marginal exclude each other", hint="Give one of them.")
        if loaded.schema is None:
            raise UsageError("the model has no schema: its values are codes", where=model)
        return Answer(_record(loaded), loaded.schema.dump().rstrip("\n"), verbatim=True)
    if marginal is None:
        return Answer(_record(loaded), _words(loaded, model))
    counts = marginal_of(loaded, marginal, 0.95 if interval is None else interval)
    return Answer({**_record(loaded), "marginal": counts_record(counts)}, counts_words(counts))


def _words(model: Model, path: str) -> str:
    try:
        head = _head(model)
        learned = [learned_words(model.provenance["discovery"])] if "discovery" in model.provenance else []
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise FileFormatError("the record of the fit is malformed", where=path) from None
    parents = _parents(model)
    columns = [
        (name, f"{model.domain[name]:,}", *([", ".join(parents[name]) or "-"] if parents else ()))
        for name in parents or model.domain
    ]
    answers = [(kind, ", ".join(clique), f"{scale:.1f}") for kind, clique, scale in _answers(model)]
    made_of = table(("answer", "columns", "noise (rows)"), answers[:SHOWN])
    if len(answers) > SHOWN:
        made_of += f"\n... and {len(answers) - SHOWN:,} more: dpsynth show --json lists them all"
    parts = [facts(head), table(("column", "values", *(["given"] if parents else ())), columns), made_of]
    return "\n\n".join([*parts, *learned])


def _parents(model: Model) -> dict[str, tuple[str, ...]]:
    """The parents of every column in the order of a Bayesian network; empty for another kind of distribution."""
    from dpsynth.models import BayesianNetwork

    return model.distribution.parents if isinstance(model.distribution, BayesianNetwork) else {}


def _method(model: Model) -> str:
    """The method with what it was told, if that can be said in a line."""
    said = [f"{name} {model.settings[name]}" for name in ("path", "workload", "effort") if name in model.settings]
    return ", ".join([model.method, *(text for text in said if len(text) <= 60)])


def _head(model: Model) -> list[tuple[str, str]]:
    said: Mapping[str, Any] = model.provenance
    lines = [("guarantee", "none recorded")]
    if model.claim is not None:
        stated = "nothing" if model.claim.text is None else f"{model.claim.text} (in their words)"
        lines = [("guarantee", f"none of dpsynth; dp: {model.claim.stamp}"), ("they state", stated)]
    if model.dp:
        guarantee = said["guarantee"]
        bound = f"epsilon {at_most(Decimal(guarantee['epsilon']))}, delta {at_most(Decimal(guarantee['delta']))}"
        lines = [("guarantee", bound), ("protects", guarantee["protects"].removeprefix("protects "))]
        lines.append(("accounting", Governor(guarantee["governor"]).words))
    lines += [("method", _method(model)), ("rows", f"about {model.default_rows:,} (measured with noise)")]
    held = model.distribution
    lines.append(("distribution", f"{held.kind.replace('-', ' ')}, {held.cells:,} numbers"))
    if model.schema is not None:
        lines.append(("schema", model.schema.name))
        if model.schema.allowed is not None:
            lines.append(("constraints", model.schema.allowed.description))
        if made_up := list(model.schema.regenerated):
            lines.append(("invented", f"{', '.join(made_up)} (no value of these is a real one)"))
    if model.convergence is not None:
        lines.append(("estimation", model.convergence.reason))
    lines += [(name, str(said[name])) for name in ("ledger", "pool", "transaction") if name in said]
    lines += [("warning", warning) for warning in said.get("warnings", ())]
    if "labels" in said:
        lines.append(("steps", "; ".join(said["labels"]) or "none"))
    if "versions" in said:
        lines.append(("made with", ", ".join(f"{name} {number}" for name, number in said["versions"].items())))
    return lines


def _answers(model: Model) -> list[tuple[str, tuple[str, ...], float]]:
    from dpsynth.privacy.answers import NoisyMarginal

    return [
        *(
            ("counts", answer.clique, answer.deviation)
            if isinstance(answer, NoisyMarginal)
            else ("selection", answer.clique, answer.scale)
            for answer in model.answers
        ),
        *(("claimed counts", one.clique, one.scale) for one in model.claims),
    ]


def _record(model: Model) -> dict[str, object]:
    return {
        "dp": model.claim.stamp if model.claim else model.dp,
        "method": model.method,
        "settings": dict(model.settings),
        "rows": model.default_rows,
        "distribution": {"kind": model.distribution.kind, "cells": model.distribution.cells},
        "network": [{"column": name, "given": given} for name, given in _parents(model).items()] or None,
        "columns": {name: model.domain[name] for name in model.domain},
        "invented": list(model.schema.regenerated) if model.schema else [],
        "schema": model.schema.to_dict() if model.schema else None,
        "answers": [{"kind": kind, "columns": clique, "scale": scale} for kind, clique, scale in _answers(model)],
        "provenance": dict(model.provenance),
    }


COMMAND = show
