"""What a reader of a released table sees: the texts or ranges of its cells, and the classes that they make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.records import Classes, Counts, Generalized, Ranges, Records, classes_of


def shown(hierarchy: Hierarchy) -> NDArray[np.int64]:
    """Shape (levels, leaves): the number of the text that each leaf shows at each level; equal texts, equal numbers.

    A group that is called as its only value is, or as a group of another level, is one text to a reader.
    """
    texts: dict[str, int] = {}
    numbers = [np.array([texts.setdefault(text, len(texts)) for text in labels]) for labels in hierarchy.labels]
    return np.stack([of[nodes] for of, nodes in zip(numbers, hierarchy.nodes, strict=True)])


def released_columns(records: Records, released: Generalized | Ranges) -> list[Counts]:
    """By attribute a number for what each row shows; rows show the same if and only if the numbers are equal."""
    if isinstance(released, Ranges):
        bounds = zip(records.hierarchies, released.low, released.high, strict=True)
        return [low.astype(np.int64) * one.leaves + high for one, low, high in bounds]
    cells = zip(records.hierarchies, released.of, records.codes, strict=True)
    return [shown(one)[levels, codes] for one, levels, codes in cells]


def released_classes(records: Records, released: Generalized | Ranges) -> Classes:
    """The rows that are not suppressed, in their order, as the classes that a reader sees; without a population."""
    kept = ~released.suppressed
    of, first = classes_of([column[kept] for column in released_columns(records, released)])
    sensitive = tuple(replace(one, codes=one.codes[kept]) for one in records.sensitive)
    persons = None if records.persons is None else records.persons[kept]
    return Classes(of, len(first), np.ones(len(of), np.int64), sensitive, persons)


__all__ = ["released_classes", "released_columns", "shown"]
