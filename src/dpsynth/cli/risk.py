"""``dpsynth risk``: how likely people are found in a table, and whether its policy is met."""

from __future__ import annotations

from fractions import Fraction

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import SHARE
from dpsynth.cli.progress import progress


@command(
    "risk",
    "dpsynth risk adult.csv.gz --policy policy.yaml",
    "dpsynth risk anonymous.csv --policy policy.yaml --fraction 1/100",
    "dpsynth risk anonymous.csv --policy policy.yaml --json",
)
@click.argument("data", type=click.Path())
@options.policy
@options.policy_schema
@options.table
@click.option(
    "--fraction",
    metavar="SHARE",
    type=SHARE,
    help="Which share of the population the table holds; with it the people unique in the population are estimated.",
)
@options.delimiter
def risk(
    output: Output,
    *,
    data: str,
    policy: str,
    schema: str | None,
    table: str | None,
    fraction: Fraction | None,
    delimiter: str | None,
) -> Answer:
    """Say how likely people are found in the table DATA as it stands, and what is known of them without finding them.

    Masked and generalized cells count as values, so an anonymized table is read under the policy that made it. The
    figures are computed without differential privacy: they are internal. Exit 5 when the policy is not met.
    """
    from dpsynth.pipeline.risk import risk as measure

    share = None if fraction is None else float(fraction)
    with progress(output, over_rows=True) as report:
        found = measure(data, policy, schema=schema, table=table, fraction=share, delimiter=delimiter, progress=report)
    return Answer(found.to_dict(), found.render(), 0 if found.met else 5)


COMMAND = risk
