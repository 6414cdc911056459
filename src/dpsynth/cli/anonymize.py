"""``dpsynth anonymize``: a table that meets the privacy models of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import SECONDS
from dpsynth.cli.progress import progress
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.anonymization.policy_document import Method
    from dpsynth.pipeline.mask_plan import Others


@command(
    "anonymize",
    "dpsynth anonymize adult.csv.gz --policy policy.yaml -o anonymous.csv",
    "dpsynth anonymize adult.csv.gz --policy policy.yaml --method local -o anonymous.parquet",
    "dpsynth anonymize adult.csv.gz --policy policy.yaml --print-policy",
)
@click.argument("data", type=click.Path())
@options.policy
@options.output("Where to write, or - for CSV on stdout.", required=False)
@options.policy_schema
@options.table
@click.option(
    "--method",
    type=click.Choice(["optimal", "local", "mondrian", "fixed"]),
    help="optimal: the levels that lose least; local: levels of its own for every class; mondrian: ranges of values; "
    "fixed: the levels of the policy. Default: that of the policy, else optimal.",
)
@click.option(
    "--time-limit", metavar="SECONDS", type=SECONDS, help="optimal: stop after so long, with the best found so far."
)
@options.key_file
@options.others
@options.print_policy
@options.delimiter
@options.force
def anonymize(
    output: Output,
    *,
    data: str,
    policy: str,
    target: str | None,
    schema: str | None,
    table: str | None,
    method: Method | None,
    time_limit: float | None,
    key_file: str | None,
    others: Others,
    print_policy: bool,
    delimiter: str | None,
    force: bool,
) -> Answer:
    """Mask, generalize and suppress the table DATA until the privacy models of its policy hold.

    Prints what was lost. Exit 5 when the models cannot be met. Such a table is no differentially private output: its
    sidecar says what it does to a later fit, and most fits refuse it.
    """
    from dpsynth.pipeline.policies import policy_for

    found = policy_for(policy, schema, data, table)
    if print_policy:
        return Answer({"policy": found.resolved()}, found.dump().rstrip(), verbatim=True)
    if target is None:
        raise UsageError("--output is missing", hint="See 'dpsynth anonymize --help'.")
    output.keep_stdout_for(target)
    from dpsynth.pipeline.anonymize import anonymize as make

    settings: dict[str, Any] = {"method": method, "time_limit": time_limit, "key_file": key_file, "others": others}
    with progress(output, over_rows=True) as report:
        outcome = make(data, found, target, force=force, delimiter=delimiter, progress=report, **settings)
    if not output.as_json:
        output.note(outcome.render())
    return Answer(outcome.to_dict())


COMMAND = anonymize
