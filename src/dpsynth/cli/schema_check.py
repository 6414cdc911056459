"""``dpsynth schema check``: may a fit use this schema?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.layout import table
from dpsynth.errors import DpsynthError

if TYPE_CHECKING:
    from dpsynth.schema import Field, Schema


@command(
    "check",
    "dpsynth schema check people.yaml",
    "dpsynth schema check people.yaml --data people.csv",
    "dpsynth schema check visits.yaml --data visits.parquet --json",
)
@click.argument("schema", type=click.Path())
@click.option(
    "--data", metavar="FILE", type=click.Path(), help="Also compare with this table: names and physical types only."
)
@options.delimiter
def check(output: Output, *, schema: str, data: str | None, delimiter: str | None) -> Answer:
    """Say in plain words whether a fit may use SCHEMA, and what is missing. No row is read."""
    from dpsynth.schema import Schema

    loaded = Schema.load(schema)
    try:
        loaded.require_fit()
    except DpsynthError as error:
        problems = loaded.problems()
        raise type(error)(_count(problems), where=schema, hint="\n  ".join(problems)) from None
    from dpsynth.pipeline.ingest import masked_steps

    steps = masked_steps(loaded)
    unused = [] if data is None else _compare(loaded, data, delimiter)
    if unused:
        output.note(f"Not in the schema, so never read: {', '.join(unused)}.")
    from dpsynth.schema.formulas import formula_columns

    formulas = formula_columns(loaded)
    if formulas:
        output.note(
            f"Texts of {', '.join(formulas)} begin with = + - or @: they stay as they are, and a spreadsheet "
            "program may take them for formulas."
        )
    result = {**_record(loaded, unused), "masks": list(steps), "formulas": list(formulas)}
    return Answer(result, _words(loaded, data, steps))


def _count(problems: list[str]) -> str:
    return "1 thing is to be settled" if len(problems) == 1 else f"{len(problems)} things are to be settled"


def _compare(schema: Schema, data: str, delimiter: str | None) -> list[str]:
    """The columns of the table that the schema does not know."""
    from dpsynth.pipeline.csv_values import readable
    from dpsynth.pipeline.ingest import described
    from dpsynth.tables import open_table

    reader = readable(open_table(data, delimiter=delimiter), schema)
    known = {field.name for field in schema.fields}
    read = described(reader, schema)
    schema.check_columns(read.names, read.types)
    if schema.reshape is not None:
        known = {schema.reshape.person, *schema.reshape.sources}
    return [name for name in reader.names if name not in known]


def _words(schema: Schema, data: str | None, steps: Sequence[str]) -> str:
    rows = [(field.name, field.type or "", _values(field), field.role) for field in schema.fields]
    unit = "one row" if schema.unit.column is None else f"one person ({schema.unit.column})"
    if schema.reshape is not None:
        unit += f", made one row ({schema.reshape.words})"
    fits = f" and fits {data}" if data else ""
    said = [f"Constraints: {schema.allowed.description}."] if schema.allowed else []
    said += [f"A fit applies to each row before it reads it: {'; '.join(steps)}."] if steps else []
    said += [f"Note: {remark}." for remark in schema.remarks]
    said.append(f"The schema is ready for a fit{fits}; unit: {unit}.")
    return "\n".join((table(("field", "type", "values", "role"), rows), "", *said))


def _values(field: Field) -> str:
    """How many values the model counts: of the field, of a lag's length, of each calendar part."""
    if not field.modeled:
        return "not modeled" if field.identifier is None else "invented"
    sizes = " x ".join(f"{one.codec.size:,}" for one in field.attributes)
    if field.derived is None:
        return sizes
    return f"{sizes + ', ' if sizes else ''}follows from {', '.join(field.derived.sources)}"


def _record(schema: Schema, unused: list[str]) -> dict[str, object]:
    fields = [
        {
            "name": field.name,
            "type": field.type,
            "role": field.role,
            "size": field.attributes[0].codec.size if field.modeled and field.attributes else None,
            "derived_from": list(field.derived.sources) if field.derived else None,
            "attributes": {one.name: one.codec.size for one in field.attributes} if field.modeled else {},
        }
        for field in schema.fields
    ]
    unit = {"column": schema.unit.column, "max_rows": schema.unit.max_rows}
    return {
        "name": schema.name,
        "population": schema.population,
        "unit": unit,
        "fields": fields,
        "constrained_parts": len(schema.allowed.boxes) if schema.allowed else None,
        "unused": unused,
    }


COMMAND = check
