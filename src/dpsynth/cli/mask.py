"""``dpsynth mask``: hide the cells of identifying columns, as a policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.progress import progress
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.pipeline.mask import MaskedTable, MaskOutcome
    from dpsynth.pipeline.mask_plan import Others


@command(
    "mask",
    "dpsynth mask --new-key mask.key",
    "dpsynth mask patients.csv --policy policy.yaml --key-file mask.key -o masked.csv",
    "dpsynth mask patients.csv visits.csv --policy policy.yaml --key-file mask.key -o masked/",
    "dpsynth mask patients.csv --policy policy.yaml --print-policy",
)
@click.argument("data", nargs=-1, type=click.Path())
@click.option("-p", "--policy", metavar="FILE", type=click.Path(), help="What becomes of each column.")
@options.output("Where to write: a file, a folder for several tables, or - for CSV on stdout.", required=False)
@options.key_file
@click.option("--new-key", metavar="FILE", type=click.Path(), help="Write a new key that only you can read, and stop.")
@setting(
    "schema",
    "-s",
    metavar="FILE",
    type=click.Path(),
    help="A schema whose roles and masks count where the policy is silent.",
)
@options.others
@options.print_policy
@options.delimiter
@options.force
def mask(
    output: Output,
    *,
    data: tuple[str, ...],
    policy: str | None,
    target: str | None,
    key_file: str | None,
    new_key: str | None,
    schema: str | None,
    others: Others,
    print_policy: bool,
    delimiter: str | None,
    force: bool,
) -> Answer:
    """Mask the tables DATA, all of one call under one key: equal values get equal pseudonyms, so tables still join.

    Masks hide values from readers. They are no anonymization and no differential privacy: pseudonymized data are
    still personal data. Columns with the role direct-id and no mask are left out. Several tables of one policy are
    told apart by their file names.
    """
    if new_key is not None:
        return _new_key(output, new_key, alone=not (data or policy or target or print_policy))
    if policy is None:
        raise UsageError("a policy is needed", where="--policy", hint="It says what becomes of each column.")
    if print_policy:
        return _print_policy(policy, schema, data)
    if not data or target is None:
        missing = "DATA" if not data else "--output"
        raise UsageError(f"{missing} is missing", hint="See 'dpsynth mask --help'.")
    output.keep_stdout_for(target)
    from dpsynth.pipeline.mask import mask as mask_tables

    with progress(output) as report:
        outcome = mask_tables(
            list(data),
            policy,
            target,
            key_file=key_file,
            schema=schema,
            others=others,
            force=force,
            delimiter=delimiter,
            progress=report,
        )
    _tell(output, outcome, key_file)
    return Answer(_record(outcome))


def _new_key(output: Output, path: str, *, alone: bool) -> Answer:
    if not alone:
        raise UsageError("--new-key stands alone", hint="Make the key first, then mask with --key-file.")
    from dpsynth.pipeline.mask_key import new_key_file

    found = new_key_file(path)
    output.note(f"Wrote a new key to {path} (its id is {found}); only you can read it.")
    output.note("Keep it apart from the data: whoever has it can find out whom a pseudonym stands for.")
    return Answer({"path": path, "key_id": found})


def _print_policy(policy: str, schema: str | None, data: tuple[str, ...]) -> Answer:
    from dpsynth.pipeline.mask import resolved_policies

    found = resolved_policies(policy, schema, data)
    texts = [one.dump() for one in found.values()]
    named = [f"# {name}\n{text}" for name, text in zip(found, texts, strict=True)] if len(found) > 1 else texts
    return Answer(
        {"policies": {name: one.resolved() for name, one in found.items()}}, "---\n".join(named).rstrip(), verbatim=True
    )


def _tell(output: Output, outcome: MaskOutcome, key_file: str | None) -> None:
    from dpsynth.pipeline.label_chain import UNLABELED
    from dpsynth.pipeline.mask import REMINDER
    from dpsynth.pipeline.mask_key import readable_by_others

    for table in outcome.tables:
        for line in _lines(table):
            output.note(line)
    for join in outcome.joins:
        output.note(f"Join: {join}.")
    if key_file is not None and readable_by_others(key_file):
        output.note(f"Warning: others can read {key_file}. Keep it to yourself: chmod 600 {key_file}.")
    if any(table.path == "-" for table in outcome.tables):
        output.note(UNLABELED)
    output.note(REMINDER)


def _lines(table: MaskedTable) -> list[str]:
    from dpsynth.pipeline.lost_lines import warning_of

    where = "stdout" if table.path == "-" else table.path
    rows = f"{table.rows:,} row{'' if table.rows == 1 else 's'}"
    lines = [f"Wrote {rows} to {where}: {len(table.masked)} masked, {len(table.kept)} kept as they are."]
    if table.dropped:
        lines.append(f"  Left out: {', '.join(table.dropped)}.")
    if table.unsaid:
        lines.append(f"  Left out, for they are identifiers without a mask: {', '.join(table.unsaid)}.")
    for name, count in table.blanked.items():
        lines.append(f"  Emptied: {count:,} cell{'' if count == 1 else 's'} of {name} that its mask does not fit.")
    if table.left_out:
        lines.append(f"  {warning_of(table.left_out)}")
    return lines


def _record(outcome: MaskOutcome) -> dict[str, object]:
    return {
        "key_id": outcome.key_id,
        "tables": [
            {
                "table": one.name,
                "path": one.path,
                "rows": one.rows,
                "masked": dict(one.masked),
                "kept": list(one.kept),
                "dropped": [*one.dropped, *one.unsaid],
                "emptied": dict(one.blanked),
                "lines_left_out": one.left_out,
                "labels": list(one.labels),
            }
            for one in outcome.tables
        ],
        "joins": [
            {"left": one.left, "right": one.right, "before": one.before, "after": one.after} for one in outcome.joins
        ],
    }


COMMAND = mask
