"""From whole counts to rows: blocks of bounded size whose union carries exactly the rounded counts of the request.

A *draw* adds variables to rows that already have the draw's given variables; the first draw of a plan is given
nothing. Variables are integers; a plan is any order of draws in which every given variable was drawn before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.models.rounding import Counts, Expected, Watch, split_groups

BLOCK_ROWS = 1 << 18
"""At most this many rows are dealt at a time. A constant: the rows of a seed do not depend on how they are batched."""
RANDOM_BITS = 30
"""Rows are shuffled by random numbers of at least this many bits."""

Codes = NDArray[np.unsignedinteger]
Variables = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Draw:
    """One step of a plan: the joint probabilities of given and drawn variables (axes in this order).

    ``watched``: sets of variables whose counts should follow the model (separators toward later draws).
    """

    given: Variables
    drawn: Variables
    probabilities: Expected
    watched: tuple[Variables, ...] = ()

    @property
    def variables(self) -> Variables:
        """Given, then drawn."""
        return self.given + self.drawn

    @property
    def groups(self) -> int:
        """The number of code combinations of the given variables."""
        return math.prod(self.probabilities.shape[: len(self.given)])

    def summed(self, variables: Variables) -> Expected:
        """The probabilities of some of the variables, axes in this order."""
        kept = [variable for variable in self.variables if variable in variables]
        dropped = tuple(axis for axis, variable in enumerate(self.variables) if variable not in variables)
        sums: Expected = self.probabilities.sum(axis=dropped).transpose(
            [kept.index(variable) for variable in variables]
        )
        return sums


@dataclass(frozen=True, eq=False)
class Table:
    """The nonzero whole counts of a draw: ascending flat cells (given and drawn codes) and their rows."""

    draw: Draw
    cells: NDArray[np.int64]
    counts: Counts

    def codes(self, variable: int) -> NDArray[np.int64]:
        """The code of one variable in every cell."""
        return _digit(self.cells, self.draw.probabilities.shape, self.draw.variables.index(variable))

    def counted(self, variables: Variables) -> tuple[NDArray[np.int64], Counts]:
        """The nonzero counts of some of the variables: ascending flat codes (axes in this order) and rows."""
        shape = self.draw.probabilities.shape
        sizes = [shape[self.draw.variables.index(variable)] for variable in variables]
        flat = np.zeros(len(self.cells), dtype=np.int64)
        for variable, size in zip(variables, sizes, strict=True):
            flat = flat * size + self.codes(variable)
        keys, inverse = np.unique(flat, return_inverse=True)
        return keys, np.bincount(inverse, weights=self.counts, minlength=len(keys)).astype(np.int64)


def _digit(flat: NDArray[np.int64], shape: Sequence[int], axis: int) -> NDArray[np.int64]:
    return (flat // math.prod(shape[axis + 1 :])) % shape[axis]


def rounded_tables(draws: Sequence[Draw], rows: int, rng: np.random.Generator) -> list[Table]:
    """Whole counts of every draw for ``rows`` rows; draws that share variables agree on their counts."""
    tables: list[Table] = []
    for draw in draws:
        groups, sizes = _group_sizes(draw, tables, rows)
        for position in range(len(draw.drawn)):
            groups, sizes = _add_variable(draw, position, groups, sizes, rows=rows, rng=rng)
        tables.append(Table(draw, groups, sizes))
    return tables


def _group_sizes(draw: Draw, tables: Sequence[Table], rows: int) -> tuple[NDArray[np.int64], Counts]:
    """The nonempty groups of a draw and their rows, from the table that drew or held its given variables together."""
    if not draw.given:
        return np.zeros(1, dtype=np.int64), np.array([rows], dtype=np.int64)
    source = next(table for table in tables if set(draw.given) <= set(table.draw.variables))
    return source.counted(draw.given)


def _add_variable(
    draw: Draw, position: int, groups: NDArray[np.int64], sizes: Counts, *, rows: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Counts]:
    """Split the groups (flat codes of given and earlier drawn variables) over the codes of one more variable."""
    prefix, new = draw.given + draw.drawn[:position], draw.drawn[position]
    joint = draw.summed((*prefix, new))
    codes = joint.shape[-1]
    chain, others = (
        [_watch(draw, (*kept, new), prefix, groups, rows) for kept in part] for part in _watched(draw, prefix, new)
    )
    counts = split_groups(sizes, joint.reshape(-1, codes)[groups], chain, others, rng).ravel()
    cells = np.flatnonzero(counts)
    return groups[cells // codes] * codes + cells % codes, counts[cells]


def _watched(draw: Draw, prefix: Variables, new: int) -> tuple[list[Variables], list[Variables]]:
    """What the new variable is watched together with: sets that nest, largest first, ending in none; then the rest."""
    complete = [watched for watched in draw.watched if new in watched and set(watched) <= {*prefix, new}]
    together = {tuple(variable for variable in prefix if variable in watched) for watched in complete}
    chain: list[Variables] = [prefix]
    for kept in sorted(together | {()}, key=lambda variables: (-len(variables), variables)):
        if set(kept) < set(chain[-1]):
            chain.append(kept)
    return chain[1:], sorted(together - {*chain})


def _watch(draw: Draw, variables: Variables, prefix: Variables, groups: NDArray[np.int64], rows: int) -> Watch:
    """The partition by ``variables`` (the new one last) of the cells groups × codes."""
    shape = [draw.probabilities.shape[draw.variables.index(variable)] for variable in (*prefix, variables[-1])]
    flat = np.zeros(len(groups), dtype=np.int64)
    for variable in variables[:-1]:
        axis = prefix.index(variable)
        flat = flat * shape[axis] + _digit(groups, shape[:-1], axis)
    ids = (flat[:, None] * shape[-1] + np.arange(shape[-1])).ravel()
    return Watch(ids, rows * draw.summed(variables).ravel())


def dealt_blocks(
    draws: Sequence[Draw], rows: int, rng: np.random.Generator, *, rounding: bool
) -> Iterator[list[Codes]]:
    """Blocks of at most ``BLOCK_ROWS`` rows, equal to within one: the codes of every variable, in the smallest type.

    With ``rounding`` the blocks together carry the rounded counts of ``rows`` rows; otherwise every row is an
    independent draw. Memory: one block and the tables, whatever the number of rows.
    """
    tables = rounded_tables(draws, rows, rng) if rounding else []
    stock = [table.counts.copy() for table in tables]
    blocks = -(-rows // BLOCK_ROWS)
    for block in range(blocks):
        size = (rows + block) // blocks
        columns: dict[int, Codes] = {}
        for index, draw in enumerate(draws):
            keys = _keys(draw, columns, size)
            if rounding:
                taken = _taken(tables[index], stock[index], keys, rng)
                stock[index] -= taken
                share = Table(draw, tables[index].cells[taken > 0], taken[taken > 0])
            else:
                share = _independent(draw, keys, rng)
            _deal(share, keys, columns, rng)
        yield [columns[variable] for variable in sorted(columns)]


def _keys(draw: Draw, columns: dict[int, Codes], rows: int) -> Codes:
    """The flat code of the given variables in every row, in the smallest unsigned type (radix sorting is fastest)."""
    if len(draw.given) == 1:
        return columns[draw.given[0]]
    keys = np.zeros(rows, dtype=np.int64)
    for axis, variable in enumerate(draw.given):
        keys = keys * draw.probabilities.shape[axis] + columns[variable]
    return keys.astype(np.min_scalar_type(draw.groups - 1))


def _taken(table: Table, stock: Counts, keys: Codes, rng: np.random.Generator) -> Counts:
    """The part of the stock that a block with these keys takes: systematic within each group, exact in integers."""
    draw = table.draw
    if int(stock.sum()) == len(keys):
        return stock.copy()
    wanted = np.bincount(keys, minlength=draw.groups)
    inner = draw.probabilities.size // draw.groups
    groups = table.cells // inner
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.diff(starts, append=len(groups))
    totals = np.add.reduceat(stock, starts)
    running = np.cumsum(stock)
    running -= np.repeat(running[starts] - stock[starts], lengths)
    safe = np.maximum(totals, 1)
    offsets = rng.integers(0, safe)
    edges = (running * wanted[groups] + np.repeat(offsets, lengths)) // np.repeat(safe, lengths)
    before = np.concatenate(([0], edges[:-1]))
    before[starts] = 0
    taken: Counts = edges - before
    return taken


def _independent(draw: Draw, keys: Codes, rng: np.random.Generator) -> Table:
    """Multinomial counts for the groups of a block: shuffled into rows they are independent draws."""
    sizes = np.bincount(keys, minlength=draw.groups)
    groups = np.flatnonzero(sizes)
    weights = draw.probabilities.reshape(draw.groups, -1)[groups]
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    counts = rng.multinomial(sizes[groups], shares)
    group, inner = np.nonzero(counts)
    return Table(draw, groups[group] * weights.shape[1] + inner, counts[group, inner])


def _deal(share: Table, keys: Codes, columns: dict[int, Codes], rng: np.random.Generator) -> None:
    """Hand the cells of a table to the rows of their group in random order; adds the drawn columns."""
    draw = share.draw
    inner = draw.probabilities.size // draw.groups
    groups = share.cells // inner
    alone = np.bincount(groups, minlength=draw.groups) == 1
    rows = shuffled(keys, np.flatnonzero(~alone[keys]) if alone.any() else np.arange(len(keys)), rng)
    many = ~alone[groups]
    for variable in draw.drawn:
        size = draw.probabilities.shape[draw.variables.index(variable)]
        codes = share.codes(variable).astype(np.min_scalar_type(size - 1))
        only = np.zeros(draw.groups, dtype=codes.dtype)
        only[groups[~many]] = codes[~many]
        column = only[keys]
        column[rows] = np.repeat(codes[many], share.counts[many])
        columns[variable] = column


def shuffled(keys: Codes, rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """These rows (indices of ``keys``) sorted by key, in random order within a key."""
    place, top = max(len(keys) - 1, 1).bit_length(), 64 - 8 * keys.itemsize
    if top - place < RANDOM_BITS:
        mixed = rng.permutation(rows)
        return mixed[np.argsort(keys[mixed], kind="stable")]
    # Whole numbers are sorted much faster than indices: each holds a key, a random number and a row.
    packed = rng.integers(1 << 64, size=len(rows), dtype=np.uint64) >> np.uint64(64 - top)
    packed &= np.uint64((1 << 64) - (1 << place))
    packed |= keys[rows].astype(np.uint64) << np.uint64(top)
    packed |= rows.astype(np.uint64)
    packed.sort()
    packed &= np.uint64((1 << place) - 1)
    return packed.astype(np.intp)
