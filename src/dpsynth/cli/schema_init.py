"""``dpsynth schema init``: a draft of the public description of a table."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import click
from click.core import ParameterSource

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.discovery import learned_words
from dpsynth.cli.layout import at_most
from dpsynth.cli.parameters import EPSILON
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.progress import progress
from dpsynth.cli.settings import setting
from dpsynth.cli.texts import write_text
from dpsynth.errors import UsageError
from dpsynth.privacy.unit import Unit

_CONFIRM = "dpsynth schema confirm"


@command(
    "init",
    "dpsynth schema init people.csv -o people.yaml",
    "dpsynth schema init visits.parquet -o visits.yaml",
    "dpsynth schema init public_toy.csv --peek -o -",
    "dpsynth schema init people.csv --dp --epsilon 0.5 -o people.yaml",
)
@click.argument("data", type=click.Path())
@click.option(
    "--peek",
    is_flag=True,
    help="Read the rows and fill in what is there, stamped 'source: data': a fit refuses it until it is confirmed.",
)
@click.option(
    "--dp",
    is_flag=True,
    help="Learn types, frequent values, ranges and bins under differential privacy; charged to the ledger once.",
)
@setting("epsilon", metavar="E", type=EPSILON, help="With --dp: what learning may cost, such as 0.5.")
@options.delta
@options.unit
@setting("pool", metavar="NAME", help="With --dp: the pool that pays. Default: the table's name.")
@setting("purpose", metavar="TEXT", help="With --dp: why; kept in the ledger as a private field.")
@options.ledger
@options.max_stability
@click.option("--name", metavar="NAME", help="The name of the table. Default: the file's.")
@options.delimiter
@options.output("The draft to write (.yaml), or - for stdout.")
@options.force
@click.pass_context
def init(
    ctx: click.Context,
    /,
    output: Output,
    *,
    data: str,
    peek: bool,
    dp: bool,
    name: str | None,
    delimiter: str | None,
    target: str,
    force: bool,
    **payment: Any,
) -> Answer:
    """Propose a schema for the table DATA. Reads the header and the storage types only.

    Every category, bound and bin is left as a TODO: what is copied from the rows may reveal somebody, so it must come
    from public knowledge. With --dp the domain is learned from the rows instead, under a guarantee that the ledger
    pays for once; later fits use the file at no further cost.
    """
    if dp:
        wanted = {"name": name, "delimiter": delimiter, "force": force, **payment}
        return _learned(output, data, target, peek=peek, **wanted)
    _check_unpaid(ctx, payment)
    output.keep_stdout_for(target)
    from dpsynth.schema import propose
    from dpsynth.tables import check_output, open_table, table_name

    if target != "-":
        check_output(target, force=force)
    reader = open_table(data, delimiter=delimiter)
    batches = reader.batches(reader.names) if peek else None
    text = propose(reader.names, reader.types, name or table_name(data), batches)
    if target == "-":
        return Answer({}, text.rstrip("\n"), verbatim=True)
    write_text(target, text, force=force)
    output.note(f"Wrote {target}, a draft with {len(reader.names)} fields.")
    if peek:
        output.note(
            f"It holds values of the rows: keep it inside until each is replaced, or run: {_CONFIRM} {target} ..."
        )
    output.note(f"Next: answer every TODO in it, then run: dpsynth schema check {target} --data {data}")
    return Answer({"path": target, "fields": list(reader.names), "peeked": peek})


def _check_unpaid(ctx: click.Context, payment: dict[str, Any]) -> None:
    """An option that says who pays, and nothing to pay for, is a mistake; a setting is meant for other commands."""
    for option in payment:
        if ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise UsageError(
                "nothing is charged without --dp",
                where=f"--{option.replace('_', '-')}",
                hint="Add --dp, or leave it out.",
            )


def _learned(
    output: Output, data: str, target: str, *, peek: bool, epsilon: Fraction | None, unit: Unit | None, **wishes: Any
) -> Answer:
    """A schema learned under differential privacy."""
    if peek:
        raise UsageError("--dp and --peek exclude each other", hint="Give one of them.")
    if epsilon is None:
        raise UsageError("learning a schema costs budget: give --epsilon", hint="Example: --dp --epsilon 0.5")
    if target == "-":
        raise UsageError("a schema that was paid for is a file", where="--output", hint="Give it a path: people.yaml")
    from dpsynth.pipeline.schema_discovery import learn_schema

    with progress(output, over_rows=True) as report:
        done = learn_schema(data, target, epsilon=epsilon, unit=unit, progress=report, **wishes)
    record, governor = done.learned.record(), done.pool.governor
    guarantee = f"epsilon {at_most(done.request.epsilon)}, delta {at_most(done.request.delta)}"
    output.note(learned_words(record))
    output.note(f"Wrote {target}: {guarantee}. It {done.unit.description}.")
    spent = at_most(governor.amount(done.spent))
    output.note(f"Spent {governor.symbol} {spent} from pool '{done.pool.name}'; the rest went back.")
    for line in (*pool_words(done.pool), *(f"Note: {note}." for note in done.notes)):
        output.note(line)
    output.note(
        f"Next: edit it if you know better, then: dpsynth fit {data} --schema {target} --epsilon 1 -o model.dps"
    )
    result = {"path": target, "fields": [one["column"] for one in record["columns"]], "peeked": False}
    return Answer({**result, "discovery": record, "pool": pool_record(done.pool)})


COMMAND = init
