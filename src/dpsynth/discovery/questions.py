"""What discovery may ask about a table whose header alone is public, and the public partitions it counts over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema.bins import RealBins, WholeBins
from dpsynth.schema.codecs import BinnedCodec
from dpsynth.schema.kinds import MISSING
from dpsynth.schema.scales import Scale


class Partition(Protocol):
    """A total, elementwise map from cells to codes ``0 .. size-1``, fixed before the question is asked."""

    @property
    def size(self) -> int:
        """The number of classes."""
        ...

    def encode(self, column: pa.Array) -> NDArray[np.int32]:
        """One class per cell; never raises on values."""
        ...


@dataclass(frozen=True)
class Partitions:
    """One partition for each of some columns: an encoding of the table under which every row has one class a column."""

    of: Mapping[str, Partition]

    @cached_property
    def domain(self) -> Domain:
        """The columns and their numbers of classes."""
        return Domain.from_sizes({name: partition.size for name, partition in self.of.items()})

    def codec(self, name: str) -> Partition:
        """The partition of a column."""
        return self.of[name]

    def columns(self, attributes: Sequence[str]) -> tuple[str, ...]:
        """The columns themselves: every class is read from its own."""
        return tuple(attributes)

    def encode(self, attributes: Sequence[str], batch: pa.RecordBatch) -> dict[str, NDArray[np.int32]]:
        """The class of each cell of these columns."""
        return {name: self.of[name].encode(batch.column(name)) for name in attributes}


class Discoverable(Protocol):
    """The questions of discovery; every answer is charged first, then noised, as those of a ``Queryable``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that may be asked about: the header, without the column that identifies persons."""
        ...

    @property
    def unit(self) -> Unit:
        """The privacy unit; public."""
        ...

    @property
    def governor(self) -> Governor:
        """The currency of the charges."""
        ...

    def counts(self, partitions: Partitions, loss: PrivacyLoss) -> tuple[NoisyMarginal, ...]:
        """The noisy class counts of every column of the partitions, charged together at most ``loss``."""
        ...

    def categories(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[Categories, ...]:
        """The frequent texts of every column with noisy counts; ``loss`` carries the delta of their threshold."""
        ...

    def distinct(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[DistinctCount, ...]:
        """The noisy number of different texts in every column, charged together at most ``loss``."""
        ...


def ordered_partition(scale: Scale, edges: NDArray[Any]) -> BinnedCodec:
    """Cells between public edges; what lies outside counts in the first or last class, what is no value in a last one
    of its own.
    """
    whole = edges.dtype.kind == "i"
    marks = pa.array([text.encode() for text in MISSING], pa.binary())
    numbers, valid = scale.read(marks)
    return BinnedCodec(
        scale=scale,
        bins=WholeBins(edges) if whole else RealBins(edges),
        edges=edges,
        sentinels=np.unique(numbers[valid]),
        null_code=len(edges) - 1,
        nullable=True,
        clip=True,
    )
