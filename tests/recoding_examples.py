"""Small tables with hierarchies for the tests of recoding, and what a reader of a released one makes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.privacy_models import PrivacyModel
from dpsynth.anonymization.records import Classes, Generalized, Ranges, Records, Sensitive
from dpsynth.anonymization.tallies import distributions

Shown = tuple[str, ...]


def records(*columns: Sequence[str], paths: Sequence[Sequence[Sequence[str]]], **more: object) -> Records:
    """A table by its texts; the paths of one hierarchy per column."""
    hierarchies = tuple(Hierarchy.from_paths(f"q{at}", one) for at, one in enumerate(paths))
    codes = tuple(
        np.array([one.labels[0].index(text) for text in column], np.int32)
        for one, column in zip(hierarchies, columns, strict=True)
    )
    return Records(hierarchies, codes, **more)  # type: ignore[arg-type]


@st.composite
def hierarchies(draw: st.DrawFn, name: str, *, starred: bool, named: bool) -> Hierarchy:
    """Up to six leaves under up to three levels of groups; some groups are called as a leaf is when ``named``."""
    leaves = draw(st.integers(1, 6))
    levels = [list(range(leaves))]
    for _ in range(draw(st.integers(0, 2))):
        below = sorted(set(levels[-1]))
        merged = {node: draw(st.sampled_from(below[: at + 1])) for at, node in enumerate(below)}
        levels.append([merged[node] for node in levels[-1]])
    named = named and draw(st.booleans())
    paths = [
        [
            f"{name}{leaf}",
            *(f"{name}{level[leaf]}" if named else f"{at}:{level[leaf]}" for at, level in enumerate(levels[1:])),
        ]
        for leaf in range(leaves)
    ]
    return Hierarchy.from_paths(name, [[*path, "*"] if starred else path for path in paths])


@st.composite
def tables(
    draw: st.DrawFn, *, starred: bool = True, named: bool = True, sensitive: bool = True, repeated: bool = True
) -> Records:
    """Up to 40 rows of up to three attributes; some with a sensitive attribute, persons, a population, weights."""
    chosen = tuple(draw(hierarchies(f"q{at}", starred=starred, named=named)) for at in range(draw(st.integers(1, 3))))
    rows = draw(st.integers(0, 40))

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def column(size: int, length: int = rows) -> np.ndarray:
        return rng.integers(0, size, length).astype(np.int32)

    codes = tuple(column(one.leaves) for one in chosen)
    others = draw(st.integers(0, 20))
    return Records(
        chosen,
        codes,
        (Sensitive("s", column(3), ("x", "y", "z")),) if sensitive else (),
        column(15).astype(np.int64) if repeated and draw(st.booleans()) else None,
        tuple(np.concatenate([own, column(one.leaves, others)]) for own, one in zip(codes, chosen, strict=True)),
        tuple(draw(st.floats(0.1, 5)) for _ in chosen) if draw(st.booleans()) else (),
    )


def permuted(table: Records, order: np.ndarray) -> Records:
    """The same rows in another order."""
    return Records(
        table.hierarchies,
        tuple(codes[order] for codes in table.codes),
        tuple(Sensitive(one.name, one.codes[order], one.labels, one.ordered) for one in table.sensitive),
        None if table.persons is None else table.persons[order],
        table.population,
        table.weights,
    )


def cells(table: Records, released: Generalized | Ranges, row: int) -> Shown:
    """What a row shows."""
    if isinstance(released, Ranges):
        ends = zip(table.hierarchies, released.low, released.high, strict=True)
        return tuple(f"{one.labels[0][low[row]]}..{one.labels[0][high[row]]}" for one, low, high in ends)
    levels = [int(of[row]) for of in released.of]
    return tuple(
        one.labels[level][one.nodes[level][codes[row]]]
        for one, level, codes in zip(table.hierarchies, levels, table.codes, strict=True)
    )


def groups(table: Records, released: Generalized | Ranges) -> dict[Shown, list[int]]:
    """The rows that are released, by what they show."""
    found = defaultdict(list)
    for row in np.flatnonzero(~released.suppressed):
        found[cells(table, released, int(row))].append(int(row))
    return found


def leaves_under(table: Records, released: Generalized | Ranges, row: int, at: int) -> set[int]:
    """The leaves that a cell of a row may stand for."""
    one = table.hierarchies[at]
    if isinstance(released, Ranges):
        return set(range(int(released.low[at][row]), int(released.high[at][row]) + 1))
    nodes = one.nodes[int(released.of[at][row])]
    return {leaf for leaf in range(one.leaves) if nodes[leaf] == nodes[table.codes[at][row]]}


def holds(table: Records, released: Generalized | Ranges, models: Sequence[PrivacyModel]) -> bool:
    """Every class of the released table satisfies every model, by a grouping of what the rows show."""
    classes = groups(table, released)
    kept = [row for rows in classes.values() for row in rows]
    of = np.array([number for number, rows in enumerate(classes.values()) for _ in rows], np.int64)
    everybody = list(zip(*(table.population or ()), strict=True))
    matching = []
    for rows in classes.values():
        under = [
            {code for row in rows for code in leaves_under(table, released, row, at)} for at in range(len(table.codes))
        ]
        matching.append(sum(all(code in one for code, one in zip(who, under, strict=True)) for who in everybody))
    judged = Classes(
        of,
        len(classes),
        np.ones(len(of), np.int64),
        tuple(Sensitive(one.name, one.codes[kept], one.labels, one.ordered) for one in table.sensitive),
        None if table.persons is None else table.persons[kept],
        np.array(matching, np.int64),
    )
    return all(model.passes(judged, distributions(judged)).all() for model in models)
