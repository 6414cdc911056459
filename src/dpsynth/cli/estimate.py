"""``dpsynth estimate``: a model of somebody else's noisy marginals, under their claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.progress import progress
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.models import Model
    from dpsynth.pipeline.marginal_table import Spelling


@command(
    "estimate",
    "dpsynth estimate marginals.parquet --schema adult.yaml --owner 'Statistics Office' -o model.dps",
    "dpsynth estimate marginals.csv -s adult.yaml --owner ACME --claim 'epsilon 1, delta 1e-6, person' -o model.dps",
    "dpsynth estimate codes.parquet -s adult.yaml --owner ACME --values codes --max-model-size 400MB -o model.dps",
)
@click.argument("marginals", type=click.Path())
@options.schema
@click.option("--owner", metavar="NAME", required=True, help="Who vouches for the tables; stamped into the model.")
@click.option("--claim", metavar="TEXT", help="The guarantee that they state, in their words; kept in the model.")
@click.option(
    "--values",
    type=click.Choice(["labels", "codes"]),
    default="labels",
    show_default=True,
    help="How cells name the values of a field: by the label of the schema or by its integer code.",
)
@options.effort
@options.max_model_size
@options.delimiter
@options.output("The model file to write (.dps).")
@options.force
def estimate(
    output: Output,
    *,
    marginals: str,
    schema: str,
    owner: str,
    claim: str | None,
    values: Spelling,
    effort: str | None,
    max_model_size: int | None,
    delimiter: str | None,
    target: str,
    force: bool,
) -> Answer:
    """Build a model from MARGINALS, tables that were noised elsewhere (CSV, Parquet, Arrow, or - for CSV on stdin).

    One row a cell: marginal, one column a field, count, scale (the standard deviation of the noise). No row about
    anybody is read and no budget is spent; the model is stamped 'dp: claimed by NAME' and never counts as a release
    of dpsynth.
    """
    if target == "-":
        raise UsageError("a model is a file; it cannot go to stdout", hint="Give --output a path such as model.dps.")
    from dpsynth.pipeline.estimate import estimate as run
    from dpsynth.tables import check_output

    check_output(target, force=force)
    with progress(output) as report:
        model = run(
            marginals,
            schema,
            owner=owner,
            claim=claim,
            values=values,
            effort=effort or "default",
            max_model_size=max_model_size,
            delimiter=delimiter,
            progress=report,
        )
    model.save(target, force=force)
    output.note(_summary(model, target))
    return Answer(_record(model, target))


def _summary(model: Model, target: str) -> str:
    tables, cells = len(model.claims), sum(one.values.size for one in model.claims)
    made_of = f"{tables:,} marginal{'' if tables == 1 else 's'} of {cells:,} cells"
    lines = [
        f"Wrote {target} from {made_of}, about {model.default_rows:,} rows. dp: {model.provenance['dp']}.",
        "dpsynth neither checked nor paid for that claim: no ledger knows of it, no answer has a receipt.",
        *(f"Warning: {warning}." for warning in model.provenance["warnings"]),
        f"Next: dpsynth sample {target} -o synthetic.csv",
    ]
    return "\n".join(lines)


def _record(model: Model, target: str) -> dict[str, object]:
    return {
        "path": target,
        "dp": model.provenance["dp"],
        "claim": model.provenance["claim"],
        "estimator": model.settings["path"],
        "estimation": model.convergence.reason if model.convergence else None,
        "rows": model.default_rows,
        "marginals": [
            {"marginal": one.name, "columns": one.clique, "cells": one.values.size, "scale": one.scale}
            for one in model.claims
        ],
        "warnings": model.provenance["warnings"],
    }


COMMAND = estimate
