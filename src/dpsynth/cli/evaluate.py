"""``dpsynth evaluate``: how far a synthetic table or a model lies from the real one."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.progress import progress
from dpsynth.cli.settings import setting


@command(
    "evaluate",
    "dpsynth evaluate adult.csv.gz synthetic.csv --schema adult.yaml",
    "dpsynth evaluate adult.csv.gz model.dps",
    "dpsynth evaluate adult.csv.gz synthetic.parquet -s adult.yaml --json",
)
@click.argument("real", type=click.Path())
@click.argument("synthetic", metavar="SYNTHETIC|MODEL", type=click.Path())
@setting(
    "schema", "-s", metavar="FILE", type=click.Path(), help="The public schema. Default: the one inside the model."
)
@options.delimiter
def evaluate(output: Output, *, real: str, synthetic: str, schema: str | None, delimiter: str | None) -> Answer:
    """Compare the table REAL with a SYNTHETIC table, or with a MODEL file (.dps).

    Prints the mean and the worst total variation distance of all 1-, 2- and 3-way marginals. The figures are computed
    from real rows without differential privacy: they are internal and never part of a release.
    """
    from dpsynth.pipeline.evaluate import evaluate as compare

    with progress(output) as report:
        found = compare(real, synthetic, schema, delimiter=delimiter, progress=report)
    return Answer(found.to_dict(), found.render())


COMMAND = evaluate
