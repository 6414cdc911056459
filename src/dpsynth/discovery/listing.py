"""Columns with categories: frequent values, asked for in two rounds, and public lists that they belong to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from dpsynth.discovery.findings import Finding
from dpsynth.discovery.magnitudes import EXACT
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories
from dpsynth.privacy.laws import deviation
from dpsynth.schema.cells import LIMIT
from dpsynth.schema.codecs import CategoryCodec
from dpsynth.schema.document import writable
from dpsynth.schema.domains import ENUMERATIONS
from dpsynth.schema.kinds import MISSING
from dpsynth.schema.public_names import spelled_like
from dpsynth.schema.scales import IntegerScale

HALF = 0.5
"""Codes are modeled when their frequent values hold so much of the rows."""
WORTH = 0.05
"""A column whose frequent values hold less of its rows than this is not modeled."""


def listed(one: Finding, answers: Sequence[Categories]) -> Finding:
    """The column with the values that any of these answers released.

    A value released twice counts what the more precise answer says. Large whole numbers of which few values recur are
    no measurements: without frequent values they are dropped.
    """
    counts: dict[str, int] = {}
    for answer in sorted(answers, key=lambda answer: -answer.scale):
        counts |= dict(zip(answer.keys, answer.values.tolist(), strict=True))
    # A schema cannot list the words that mark what is left open in it.
    counts = {text: count for text, count in counts.items() if writable(text)}
    texts = tuple(sorted(counts))
    covered = sum(counts.values()) / max(one.vote.rows, 1.0)
    least = min(answer.threshold for answer in answers)
    if one.vote.kind == "integer" and covered < HALF:
        return one.without(f"it looks like codes of which most are rare: one is released from about {least:,} rows on")
    if not texts or covered < WORTH:
        reason = f"no value is frequent enough: one is released from about {least:,} rows on"
        return one.without(reason, "uuid" if one.vote.kind == "uuid" else None)
    noise = math.sqrt(sum(deviation(answer.law, answer.scale) ** 2 for answer in answers) * len(texts))
    values = np.array([counts[text] for text in texts], dtype=np.float64)
    return replace(one, texts=texts, counts=values, noise=noise)


SEEN, SPARSE = 0.2, 0.0002
"""A name of a public list is kept when its noisy count exceeds so many standard deviations and such a part of all rows:
rare ones stay, nearly half of those that nobody has go.
"""


def list_partition(one: Finding) -> CategoryCodec:
    """The column's categories, all other values together, and null, as a public partition."""
    texts = one.texts
    return CategoryCodec(
        values=pa.array([*texts, ""], pa.string()),
        spellings={text.encode(): code for code, text in enumerate(texts)},
        missing=frozenset(text.encode() for text in ("", *MISSING)),
        null_code=len(texts) + 1,
        unknown_code=len(texts),
        nullable=True,
    )


def pruned(one: Finding, answer: NoisyMarginal, rows: float) -> Finding:
    """A column completed from a public list, without the names that nearly nobody has."""
    noisy = answer.values[: one.size].astype(np.float64)
    kept = np.flatnonzero((noisy > max(SEEN * answer.deviation, SPARSE * rows)) | (one.counts > 0))
    counts = np.maximum(np.where(one.counts > 0, one.counts, noisy), 1.0)[kept]
    return replace(one, texts=tuple(one.texts[index] for index in kept.tolist()), counts=counts)


def rest(one: Finding) -> tuple[float, float]:
    """The estimated number of rows outside the column's categories, and the standard deviation of that estimate."""
    return one.vote.rows - one.covered, math.hypot(one.noise, one.vote.deviation)


NOTICEABLE = 0.005
"""A null category or ``other`` is kept when it holds at least this part of the rows."""


def has_other(one: Finding, rows: float) -> bool:
    """Whether the column's rare values are noticeable enough to be a category of their own, ``other``."""
    others, doubt = rest(one)
    return bool(one.texts) and (one.others or others > max(NOTICEABLE * rows, 3 * doubt)) and "other" not in one.texts


def with_spikes(one: Finding, answers: Sequence[Categories]) -> Finding:
    """An ordered column with the numbers among its frequent texts, as ticks, ascending."""
    line = one.vote.line
    texts = sorted({key for answer in answers for key in answer.keys})
    if line is None or not texts:
        return one
    numbers, valid = line.scale.read(pa.array([text.encode() for text in texts], pa.binary()))
    # Of a number that cannot tell its last decimal, the next tick would be the same edge again.
    most = LIMIT if isinstance(line.scale, IntegerScale) else EXACT
    inside = valid & (np.abs(numbers) < most / 10**line.decimals)
    ticks = np.round(numbers[inside] * 10**line.decimals).astype(np.int64)
    return replace(one, spikes=np.unique(ticks))


def completed(one: Finding) -> Finding:
    """The column with all values of the public list that its frequent values belong to, if there is such a list."""
    found = spelled_like(one.texts, ENUMERATIONS.values()) if one.texts else None
    if found is None:
        return one
    title, names = found
    known = dict(zip(one.texts, one.counts.tolist(), strict=True))
    # NA is the code of Namibia, and a missing cell in every table.
    texts = tuple(sorted({*one.texts, *names} - set(MISSING)))
    return replace(one, texts=texts, counts=np.array([known.get(text, 0.0) for text in texts]), listing=title)
