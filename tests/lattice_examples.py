"""Small random tables with hierarchies, and every node of their lattices in plain Python."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DeltaDisclosure,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveDiversity,
    satisfied,
)
from dpsynth.anonymization.records import Classes, Records, Sensitive

MODELS: dict[str, tuple[PrivacyModel, ...]] = {
    "k": (KAnonymity(3),),
    "k, distinct l": (KAnonymity(2), DistinctDiversity("s", 2)),
    "k-map": (KMap(4),),
    "entropy l": (EntropyDiversity("s", 1.9),),
    "k, t": (KAnonymity(2), Closeness("s", 0.3)),
    "alpha, k": (AlphaK("s", 0.6, 2),),
    "recursive l": (RecursiveDiversity("s", 2.0, 2),),
    "k, beta, delta": (KAnonymity(2), BetaLikeness("s", 1.2), DeltaDisclosure("s", 1.0)),
    "none": (),
}


def hierarchy(rng: np.random.Generator, name: str, leaves: int, height: int) -> Hierarchy:
    """A hierarchy whose groups of one level are put together at random at the next."""
    levels = [np.arange(leaves)]
    while len(levels) < height:
        groups = int(levels[-1].max()) + 1
        merged = rng.integers(0, max(groups - 1, 1), groups)
        levels.append(merged[levels[-1]])
    paths = [[f"{level}:{nodes[leaf]}" for level, nodes in enumerate(levels)] for leaf in range(leaves)]
    return Hierarchy.from_paths(name, paths)


@st.composite
def tables(draw: st.DrawFn, models: Sequence[PrivacyModel]) -> Records:
    """Up to three attributes of up to four levels, a sensitive one, sometimes persons, weights, and a population.

    There is a population wherever one of the models counts it.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=3))
    rows, more = draw(st.integers(1, 24)), draw(st.integers(0, 20))
    counted = any(isinstance(model, KMap) for model in models)
    hierarchies = tuple(hierarchy(rng, f"a{i}", leaves, height) for i, (leaves, height) in enumerate(shape))
    skew = draw(st.sampled_from([1.0, 3.0]))

    def leaves_of(size: int) -> tuple[np.ndarray, ...]:
        return tuple((one.leaves * rng.random(size) ** skew).astype(np.int32) for one in hierarchies)

    return Records(
        hierarchies,
        leaves_of(rows),
        (Sensitive("s", rng.integers(0, 3, rows).astype(np.int32), ("x", "y", "z")),),
        rng.integers(0, max(rows // 2, 1), rows) if draw(st.booleans()) else None,
        leaves_of(more) if counted or draw(st.booleans()) else None,
        tuple(rng.integers(1, 5, len(shape)).tolist()) if draw(st.booleans()) else (),
    )


def kept_rows(records: Records, models: Sequence[PrivacyModel], node: Sequence[int]) -> np.ndarray:
    """By row whether it is kept at a node: labels are grouped in a dictionary, row by row."""
    where = {labels: number for number, labels in enumerate(dict.fromkeys(labels_of(records, node)))}
    of = np.array([where[labels] for labels in labels_of(records, node)])
    people = Counter(labels_of(replace(records, codes=records.population or ()), node))
    population = None if records.population is None else np.array([people[labels] for labels in where])
    ones = np.ones(len(of), np.int64)
    return satisfied(models, Classes(of, len(where), ones, records.sensitive, records.persons, population))[of]


def labels_of(records: Records, node: Sequence[int]) -> list[tuple[str, ...]]:
    """The labels that every row shows at a node."""
    pairs = zip(records.hierarchies, node, records.codes, strict=False)
    return list(
        zip(*([one.labels[level][n] for n in one.nodes[level][codes]] for one, level, codes in pairs), strict=True)
    )


def loss_of(records: Records, node: Sequence[int], kept: np.ndarray) -> float:
    """The mean over rows of their weighted penalties, leaves counted one by one; 1 for a row not kept."""
    weights = records.weights or (1,) * len(node)
    total = 0.0
    for row, stays in enumerate(kept.tolist()):
        shares = []
        for one, level, codes in zip(records.hierarchies, node, records.codes, strict=True):
            under = int((one.nodes[level] == one.nodes[level][codes[row]]).sum())
            shares.append((under - 1) / (one.leaves - 1) if one.leaves > 1 else 0.0)
        total += sum(w * share for w, share in zip(weights, shares, strict=True)) / sum(weights) if stays else 1.0
    return total / len(kept)


def fitting(
    records: Records,
    models: Sequence[PrivacyModel],
    suppression: float,
    fixed: Mapping[int, tuple[int, int]],
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """The loss of every node allowed that keeps a row and suppresses no more than the share."""
    ends = [fixed.get(axis, (0, one.height - 1)) for axis, one in enumerate(records.hierarchies)]
    for node in itertools.product(*(range(low, high + 1) for low, high in ends)):
        kept = kept_rows(records, models, node)
        if kept.any() and len(kept) - kept.sum() <= suppression * len(kept) + 1e-9:
            yield loss_of(records, node, kept), node


def least_loss(
    records: Records,
    models: Sequence[PrivacyModel],
    suppression: float = 1.0,
    fixed: Mapping[int, tuple[int, int]] | None = None,
) -> float:
    """The loss of the optimum by enumeration; infinity when no node fits."""
    return min((loss for loss, _ in fitting(records, models, suppression, fixed or {})), default=math.inf)
