"""A table that was made is judged once more, by its texts alone: what was searched and recoded is not trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.anonymization.encoding import Encoded, distinct_texts
from dpsynth.anonymization.records import Classes, Counts, Generalized, Ranges, classes_of


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
    levels = np.stack([of[rows] for of in released.of])
    counts = np.zeros(len(rows), np.int64)
    for node in np.unique(levels, axis=1).T:
        here = np.flatnonzero((levels == node[:, None]).all(axis=0))
        parts = zip(encoded.records.hierarchies, node.tolist(), encoded.records.codes, everybody, strict=True)
        keys, _ = classes_of([one.nodes[at][np.concatenate([own[rows[here]], all_])] for one, at, own, all_ in parts])
        ours, theirs = keys[: len(here)], keys[len(here) :]
        counts[here] = np.bincount(theirs, minlength=int(keys.max(initial=-1)) + 1)[ours]
    return counts


__all__ = ["seen_classes"]
