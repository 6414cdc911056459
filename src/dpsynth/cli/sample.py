"""``dpsynth sample``: synthetic rows from a released model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import COUNT, SEED
from dpsynth.cli.progress import progress

if TYPE_CHECKING:
    from dpsynth.models.distribution import Method


@command(
    "sample",
    "dpsynth sample model.dps -o synthetic.parquet",
    "dpsynth sample model.dps -n 1000 --seed 7 -o synthetic.csv",
    'dpsynth sample model.dps -n 20 --where "sex=Female" --where "age 18..29" -o -',
    "dpsynth sample model.dps -n 10000 --balance income -o balanced.csv",
)
@click.argument("model", type=click.Path())
@click.option("-n", "--rows", "n", metavar="N", type=COUNT, help="How many rows. Default: the model's noisy total.")
@click.option(
    "--where",
    metavar="CONDITION",
    multiple=True,
    help="Rows that meet the condition: 'col=value', 'col in a,b' or 'col a..b'. Repeat it to join by AND.",
)
@click.option(
    "--balance",
    metavar="COLUMN",
    help="Draw equally many rows of each value (or bin) of COLUMN, and none without a value.",
)
@click.option("--seed", metavar="K", type=SEED, help="Make the same rows again. Default: fresh rows each time.")
@click.option(
    "--draw",
    "draw",
    type=click.Choice(["rounding", "iid"]),
    default="rounding",
    show_default=True,
    help="rounding keeps the counts of the model within a few rows; iid draws each row independently.",
)
@options.output("Where to write: .csv, .csv.gz, .parquet, .arrow, or - for CSV on stdout.")
@options.force
def sample(
    output: Output,
    *,
    model: str,
    n: int | None,
    where: tuple[str, ...],
    balance: str | None,
    seed: int | None,
    draw: Method,
    target: str,
    force: bool,
) -> Answer:
    """Draw synthetic rows from MODEL. Costs no budget, however often and however many.

    A model answers conditions exactly: no row is drawn and thrown away. Beside the output stands its sidecar,
    FILE.dpsynth.json: what the rows are, and the hash that ties it to the file.
    """
    output.keep_stdout_for(target)
    from dpsynth.pipeline.sample import sample as write_sample

    with progress(output) as report:
        outcome = write_sample(
            model,
            target,
            n=n,
            where=where,
            seed=seed,
            method=draw,
            balance=balance,
            force=force,
            progress=report,
        )
    rows = f"{outcome.written.rows:,} synthetic row{'' if outcome.written.rows == 1 else 's'}"
    output.note(f"Wrote {rows} to {'stdout' if target == '-' else target}; this cost no budget.")
    if balance is not None:
        output.note(f"Balanced by {balance!r}: its counts are not those of the table.")
    if outcome.left_out:
        output.note(f"Left out, for the model has no rows of them: {', '.join(outcome.left_out)}.")
    record = {"path": target, "rows": outcome.written.rows, "sha256": outcome.written.sha256, "seed": outcome.seed}
    balanced = {} if balance is None else {"balanced_by": balance, "left_out": list(outcome.left_out)}
    return Answer({**record, **balanced})


COMMAND = sample
