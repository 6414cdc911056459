"""Made-up tables in which implementations trip, and every kind of neighbor, as CSV text with a public schema.

Nobody's data: what an audit says about these tables may be published.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.privacy.unit import Unit

PERSON = Unit("person", 2)
"""The unit of the made-up tables that protect persons."""

SCHEMA = """
dpsynth: {version: 1, name: made-up, unit: %s}
fields:
  - {name: person, type: string, dpsynth: {role: direct-id}}
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public}}
  - {name: region, type: string, constraints: {enum: [north, south, east, west]}, dpsynth: {source: public}}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {source: public, bins: {edges: [0, 18, 40, 65, 99]}}
  - name: income
    type: number
    constraints: {minimum: 0, maximum: 1000}
    dpsynth: {source: public, bins: {edges: [0, 10, 100, 1000]}}
  - {name: active, type: boolean, dpsynth: {source: public}}
"""
HEADER = "person,sex,region,age,income,active"
PLAIN = "f,north,40,10.5,true"
ADDED = {
    "an ordinary row": PLAIN,
    "nulls": ",,,,",
    "a category that no row has": "f,west,40,10.5,true",
    "a category that nobody declared": "x,atlantis,40,10.5,maybe",
    "numbers that are none": "f,north,NaN,-inf,true",
    "numbers beyond the bounds": "m,south,-99999999999999999999,1e300,false",
    "a text where a number stands": "f,north,forty,n.a.,true",
    "a long text": f'"{"x" * 5000}",north,{"9" * 500},10.5,true',
    "a row with too few cells": "f",
    "a row with too many cells": f"{PLAIN},{PLAIN}",
    "a line break inside a cell": '"f\nm",north,40,10.5,true',
}
"""Rows that a neighbor adds, without the person."""


@dataclass(frozen=True)
class MadeUpTable:
    """``units``: the CSV lines of each unit, without the person. ``nobodys``: lines that name no person. ``change``:
    how a neighbor came about.
    """

    name: str
    unit: Unit
    units: tuple[tuple[str, ...], ...]
    nobodys: tuple[str, ...] = ()
    change: str = ""

    @property
    def schema(self) -> str:
        """Its public schema, YAML."""
        unit = "row" if self.unit.column is None else f"{{column: {self.unit.column}, max_rows: {self.unit.max_rows}}}"
        return SCHEMA % unit

    def csv(self) -> str:
        """The table as CSV text."""
        rows = (f"p{number},{line}" for number, lines in enumerate(self.units) for line in lines)
        return "\n".join([HEADER, *rows, *(f",{line}" for line in self.nobodys)]) + "\n"

    def neighbors(self) -> Iterator[MadeUpTable]:
        """Tables with one unit more, of every kind, and with one unit less.

        An added person has 50 rows, of which a bound keeps ``max_rows``; 50 rows that name nobody keep none.
        """
        if self.unit.column is not None:
            yield replace(self, nobodys=(PLAIN,) * 50, change="added: rows of nobody")
        for name, line in ADDED.items():
            lines = (line,) * (1 if self.unit.column is None else 50)
            yield replace(self, units=(*self.units, lines), change=f"added: {name}")
        for position in sorted({0, len(self.units) - 1} if self.units else ()):
            kept = self.units[:position] + self.units[position + 1 :]
            yield replace(self, units=kept, change=f"removed: unit {position}")


def made_up_tables(unit: Unit) -> tuple[MadeUpTable, ...]:
    """An ordinary table, an empty one, one unit, all rows equal, and every row twice.

    No unit has more rows than the bound, so which of them are kept is never left to a secret key.
    """
    draw = np.random.default_rng(7)
    columns = (
        draw.choice(["f", "m"], 60),
        draw.choice(["north", "south", "east", ""], 60),
        draw.integers(0, 99, 60),
        np.round(draw.exponential(60, 60), 2),
        draw.choice(["true", "false"], 60),
    )
    lines = [",".join(map(str, cells)) for cells in zip(*columns, strict=True)]
    most = unit.max_rows
    ordinary = tuple(tuple(lines[start : start + most]) for start in range(0, len(lines), most))
    return (
        MadeUpTable("ordinary", unit, ordinary),
        MadeUpTable("empty", unit, ()),
        MadeUpTable("one unit", unit, ordinary[:1]),
        MadeUpTable("all equal", unit, ((PLAIN,) * most,) * 25),
        MadeUpTable("every row twice", unit, ordinary[:15] * 2),
    )
