"""Generalization at levels that the policy fixes: nothing is chosen, small classes are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dpsynth.anonymization.loss import gcp
from dpsynth.anonymization.privacy_models import KAnonymity, PrivacyModel, satisfied
from dpsynth.anonymization.records import Classes, Generalized, Records, classes_of
from dpsynth.anonymization.suppression import suppressed


def at_levels(records: Records, models: Sequence[PrivacyModel], levels: Sequence[int]) -> Generalized:
    """The table at these levels, one for each attribute, without the classes that do not satisfy the models.

    Where all models are k-anonymity the classes are those that ``suppressed`` drops, with its stability. Raises
    ``UsageError`` for levels that the hierarchies do not have. Cost: one sort of the rows.
    """
    least = [model.k for model in models if isinstance(model, KAnonymity)]
    gone = suppressed(records, levels, max(least, default=1))
    if len(least) < len(models) and records.rows:
        classes = _classes(records, levels)
        gone = ~satisfied(models, classes)[classes.of]
    of = tuple(np.full(records.rows, level, np.uint8) for level in levels)
    found = Generalized(of, gone, 0.0, levels=tuple(levels), checked=1)
    loss = gcp(records, found)
    return replace(found, loss=loss, bound=loss)


def _classes(records: Records, levels: Sequence[int]) -> Classes:
    """The classes at these levels, with those of the population that fall into each."""
    everybody = records.population or tuple(codes[:0] for codes in records.codes)
    pairs = zip(records.hierarchies, levels, records.codes, everybody, strict=True)
    of, _ = classes_of([one.nodes[level][np.concatenate(codes)] for one, level, *codes in pairs])
    ours, theirs = of[: records.rows], of[records.rows :]
    numbers, place = np.unique(ours, return_inverse=True)
    listed = np.bincount(theirs, minlength=int(of.max(initial=-1)) + 1)[numbers].astype(np.int64)
    return Classes(
        place.reshape(-1).astype(np.int64),
        len(numbers),
        np.ones(records.rows, np.int64),
        records.sensitive,
        records.persons,
        None if records.population is None else listed,
    )
