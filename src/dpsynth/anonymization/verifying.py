"""A table that was made is judged once more, by its texts alone: what was searched and recoded is not trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.anonymization.encoding import Encoded, distinct_texts, records_of
from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.records import Classes, Codes, Counts, Generalized, Ranges, classes_of
from dpsynth.schema import UnitSpec


def seen_classes(
    table: pa.Table, encoded: Encoded, released: Generalized | Ranges, order: NDArray[np.int64]
) -> Classes:
    """The classes that a reader of the released table sees: rows with equal texts in all quasi-identifiers.

    ``order``: the row of the records that each row of the table is; sensitive values and persons are theirs. Where a
    population is known, those of it count whose leaves lie within what the first row of a class shows. Cost: one sort;
    with a population one pass over it for each class of ranges, or for each combination of levels.
    """
    texts = [distinct_texts(table.column(one.name), (), one.name)[1] + 1 for one in encoded.quasi]
    of, first = classes_of(texts)
    records = encoded.records
    return Classes(
        of,
        len(first),
        np.ones(table.num_rows, np.int64),
        tuple(replace(one, codes=one.codes[order]) for one in records.sensitive),
        None if records.persons is None else records.persons[order],
        None if records.population is None else _listed(encoded, released, order[first]),
    )


def meant(encoded: Encoded, population: pa.Table, rows: NDArray[np.int64]) -> Counts:
    """How many of a population may be meant by each of these rows of a table that is encoded as it is.

    A text means the values that the field's hierarchy groups under it, at the finest level that has a group of this
    name; a text that no group has means nobody. Of the population those count whom the hierarchies cover. Cost: one
    pass over the population for each combination of levels.
    """
    fields = tuple(replace(one, uncovered="suppress") for one in encoded.policy.quasi)
    everybody = records_of(population, replace(encoded.policy, fields=fields, unit=UnitSpec()))
    places = [
        _groups(one.hierarchy, [own.hierarchy.labels[0][code] for code in codes[rows].tolist()])
        for one, own, codes in zip(everybody.quasi, encoded.quasi, encoded.records.codes, strict=True)
    ]
    levels, nodes = (np.stack([place[at] for place in places]) for at in (0, 1))
    parts = zip(everybody.records.hierarchies, everybody.records.codes, strict=True)
    return _within(levels, nodes, list(parts))


def _groups(hierarchy: Hierarchy, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By text the finest level with a group of this name, and the group; -1 where there is none."""
    found: dict[str, tuple[int, int]] = {}
    for level, labels in enumerate(hierarchy.labels):
        for node, label in enumerate(labels):
            found.setdefault(label, (level, node))
    places = np.array([found.get(text, (0, -1)) for text in texts], np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _within(
    levels: NDArray[np.int64], nodes: NDArray[np.int64], everybody: Sequence[tuple[Hierarchy, Codes]]
) -> Counts:
    """Of a population, how many lie in the node at the level, both shape (attributes, classes), of each class."""
    counts = np.zeros(levels.shape[1], np.int64)
    for node in np.unique(levels, axis=1).T:
        here = np.flatnonzero((levels == node[:, None]).all(axis=0))
        theirs = [one.nodes[at][codes] + 1 for (one, codes), at in zip(everybody, node.tolist(), strict=True)]
        ours = nodes[:, here] + 1
        keys, _ = classes_of([np.concatenate(pair) for pair in zip(ours, theirs, strict=True)])
        listed = np.bincount(keys[len(here) :], minlength=int(keys.max(initial=-1)) + 1)
        counts[here] = listed[keys[: len(here)]]
    return counts


def _listed(encoded: Encoded, released: Generalized | Ranges, rows: NDArray[np.int64]) -> Counts:
    """How many of the population may be meant by what each of these rows shows."""
    everybody = encoded.records.population or ()
    if isinstance(released, Ranges):
        found = [
            np.all(
                [
                    (low[row] <= codes) & (codes <= high[row])
                    for codes, low, high in zip(everybody, released.low, released.high, strict=True)
                ],
                axis=0,
            ).sum()
            for row in rows.tolist()
        ]
        return np.array(found, np.int64)
    parts = list(zip(encoded.records.hierarchies, everybody, strict=True))
    levels = np.stack([of[rows] for of in released.of]).astype(np.int64)
    shown = zip(parts, levels, encoded.records.codes, strict=True)
    return _within(
        levels, np.stack([one.nodes[at, codes[rows]] for (one, _), at, codes in shown]).astype(np.int64), parts
    )


__all__ = ["meant", "seen_classes"]
