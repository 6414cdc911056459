"""Exact counts of a made-up table of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError


class Counts(Protocol):
    """Exact counts of a table."""

    @property
    def domain(self) -> Domain:
        """The public domain."""
        ...

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, one array per clique, axes in clique order."""
        ...


class CodedTable:
    """Counts of columns of codes; each clique is counted once and kept.

    Raises ``DomainError`` unless there is one column per attribute, equally long, of codes ``0 .. size-1``.
    """

    def __init__(self, domain: Domain, columns: Mapping[str, NDArray[np.integer]]) -> None:
        if set(columns) != set(domain) or len({np.shape(codes) for codes in columns.values()}) > 1:
            raise DomainError("a table of codes has one column per attribute, equally long")
        for attribute, codes in columns.items():
            if (
                codes.dtype.kind not in "iu"
                or codes.ndim != 1
                or (codes.size and not _within(codes, domain[attribute]))
            ):
                raise DomainError("a code lies outside its attribute", where=attribute)
        self.domain = domain
        self.columns = dict(columns)
        self._held: dict[Clique, NDArray[np.int64]] = {}

    def __len__(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, one array per clique, axes in clique order."""
        return [self._count(clique) for clique in cliques]

    def _count(self, clique: Clique) -> NDArray[np.int64]:
        if clique not in self._held:
            shape = self.domain.shape(clique)
            columns = tuple(self.columns[attribute].astype(np.intp) for attribute in clique)
            keys = np.ravel_multi_index(columns, shape) if clique else np.zeros(len(self), dtype=np.intp)
            counts = np.bincount(keys, minlength=self.domain.cells(clique)).astype(np.int64).reshape(shape)
            counts.setflags(write=False)
            self._held[clique] = counts
        return self._held[clique]


def _within(codes: NDArray[np.integer], size: int) -> bool:
    return 0 <= int(codes.min()) <= int(codes.max()) < size
