"""Sources of exact counts: sensitive; only the curator may hold one. Proof page: ``docs/proofs/ingest.md``."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.curator.counting import Block, attributes_of, check_cliques, code_dtype, count_blocks
from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError
from dpsynth.tables.reader import TableReader

_CACHE_CELLS = 1 << 25
_KEPT_BYTES = 1 << 27


class MarginalSource(Protocol):
    """Exact counts of a table's rows; every row adds one to exactly one cell of each marginal."""

    @property
    def domain(self) -> Domain:
        """The public domain."""
        ...

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, one array per clique, axes in clique order; one pass for the whole request."""
        ...

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques in one pass, so that later ``counts`` of them read no rows."""
        ...


class Encoding(Protocol):
    """What a source needs of a schema: per attribute, a total map from the row's physical values to its codes."""

    @property
    def domain(self) -> Domain:
        """The domain of the modeled attributes."""
        ...

    def columns(self, attributes: Clique) -> tuple[str, ...]:
        """The physical columns that these attributes are read from."""
        ...

    def encode(self, attributes: Clique, batch: pa.RecordBatch) -> Mapping[str, NDArray[np.int32]]:
        """Per attribute one code per row of the batch, from that row's values in the attribute's columns; never raises
        on values.
        """
        ...


class CountCache:
    """Counts by clique, least recently used first out, at most ``limit`` cells; answers any order of axes."""

    def __init__(self, limit: int = _CACHE_CELLS) -> None:
        self.limit = limit
        self._held: OrderedDict[frozenset[str], tuple[Clique, NDArray[np.int64]]] = OrderedDict()
        self._cells = 0

    def get(self, clique: Clique) -> NDArray[np.int64] | None:
        """The counts in this clique's axis order, or ``None``."""
        held = self._held.get(frozenset(clique))
        if held is None:
            return None
        self._held.move_to_end(frozenset(clique))
        stored, counts = held
        ordered = np.ascontiguousarray(counts.transpose([stored.index(attribute) for attribute in clique]))
        ordered.setflags(write=False)
        return ordered

    def put(self, clique: Clique, counts: NDArray[np.int64]) -> None:
        """Keep the counts if they fit, forgetting the least recently used."""
        if counts.size > self.limit or frozenset(clique) in self._held:
            return
        self._held[frozenset(clique)] = (clique, counts)
        self._cells += counts.size
        while self._cells > self.limit:
            _, (_, forgotten) = self._held.popitem(last=False)
            self._cells -= forgotten.size


class CachedCounts:
    """Answers requests from a cache and counts all missing cliques in one pass over ``blocks``.

    ``blocks(attributes)`` yields the encoded rows, at least these attributes; it is called once per pass. Answers
    are read-only.
    """

    def __init__(
        self, domain: Domain, blocks: Callable[[Clique], Iterable[Block]], cache_cells: int = _CACHE_CELLS
    ) -> None:
        self.domain = domain
        self._blocks = blocks
        self._cache = CountCache(cache_cells)
        self._lock = threading.Lock()

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts of every clique, axes in clique order."""
        check_cliques(self.domain, cliques)
        with self._lock:
            held = {clique: self._cache.get(clique) for clique in cliques}
            answers = {clique: counts for clique, counts in held.items() if counts is not None}
            missing = [clique for clique in held if clique not in answers]
            for clique, counts in zip(missing, self._count(missing), strict=True):
                self._cache.put(clique, counts)
                answers[clique] = counts
        return [answers[clique] for clique in cliques]

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques in one pass and keep them; those beyond the cache are left to later passes."""
        check_cliques(self.domain, cliques)
        totals = itertools.accumulate(self.domain.cells(clique) for clique in cliques)
        self.counts([clique for clique, total in zip(cliques, totals, strict=True) if total <= self._cache.limit])

    def _count(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        if not cliques:
            return []
        return count_blocks(self.domain, self._blocks(attributes_of(self.domain, cliques)), cliques)


class MemorySource:
    """Counts over encoded columns held in memory, one unsigned array per attribute of the domain.

    Raises ``DomainError`` when a column is missing, not unsigned, not as long as the others, or holds a code
    outside its attribute.
    """

    def __init__(self, domain: Domain, columns: Mapping[str, NDArray[np.unsignedinteger]]) -> None:
        _check_columns(domain, columns)
        self._columns = {attribute: columns[attribute] for attribute in domain}
        self._cached = CachedCounts(domain, self._blocks)

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._cached.domain

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, axes in clique order, read-only."""
        return self._cached.counts(cliques)

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques in one pass and keep them."""
        self._cached.prefetch(cliques)

    def _blocks(self, attributes: Clique) -> Iterator[Block]:
        yield {attribute: self._columns[attribute] for attribute in attributes}


class StreamSource:
    """Counts over a table read in batches and encoded row by row; memory = a batch + the counted cells.

    The first pass keeps the encoded rows while they fit into ``kept_bytes``; later passes then read memory,
    otherwise the table. ``cache_cells`` bounds the counts kept for repeated questions. After construction
    nothing about the rows raises; a table that breaks off while being read is one ``FileFormatError``.
    """

    def __init__(
        self,
        reader: TableReader,
        schema: Encoding,
        *,
        batch_rows: int = 1 << 17,
        cache_cells: int = _CACHE_CELLS,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._reader = reader
        self._schema = schema
        self._batch_rows = batch_rows
        self._kept_bytes = kept_bytes
        self._kept: list[Block] | None = None
        self._cached = CachedCounts(schema.domain, self._blocks, cache_cells)

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._cached.domain

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, axes in clique order, read-only."""
        return self._cached.counts(cliques)

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques in one pass and keep them."""
        self._cached.prefetch(cliques)

    def _blocks(self, attributes: Clique) -> Iterator[Block]:
        if self._kept is not None:
            yield from self._kept
            return
        # The first pass encodes every attribute, so that what it keeps answers any later question.
        keeping: list[Block] | None = [] if self._kept_bytes else None
        wanted = self.domain.attributes if self._kept_bytes else attributes
        held = 0
        for block in encoded_blocks(self._reader, self._schema, wanted, self._batch_rows):
            yield block
            if keeping is not None:
                keeping.append(block)
                held += sum(codes.nbytes for codes in block.values())
                if held > self._kept_bytes:
                    keeping, self._kept_bytes = None, 0
        self._kept = keeping


def encoded_blocks(reader: TableReader, schema: Encoding, attributes: Clique, batch_rows: int) -> Iterator[Block]:
    """The table's rows as codes, batch by batch; each row's codes depend on that row alone."""
    for batch in reader.batches(schema.columns(attributes), batch_rows):
        if batch.num_rows:
            yield encode_batch(batch, schema, attributes)


def encode_batch(batch: pa.RecordBatch, schema: Encoding, attributes: Clique) -> dict[str, NDArray[np.unsignedinteger]]:
    """The codes of one batch in the smallest unsigned dtypes, always below the attribute's size."""
    codes = schema.encode(attributes, batch)
    return {name: _narrow(codes[name], schema.domain[name]) for name in attributes}


def _narrow(codes: NDArray[np.int32], size: int) -> NDArray[np.unsignedinteger]:
    # A code outside its attribute would be a codec's fault; it must neither raise nor reach another cell.
    bounded = np.minimum(codes.astype(np.uint32, copy=False), np.uint32(size - 1))
    return bounded.astype(code_dtype(size))


def _check_columns(domain: Domain, columns: Mapping[str, NDArray[np.unsignedinteger]]) -> None:
    if set(columns) != set(domain):
        raise DomainError("the encoded columns are not the domain's attributes")
    rows = {codes.shape for codes in columns.values()}
    if any(len(shape) != 1 for shape in rows) or len(rows) > 1:
        raise DomainError("encoded columns are one-dimensional and equally long")
    for attribute, codes in columns.items():
        if codes.dtype.kind != "u":
            raise DomainError("encoded columns are unsigned integers", where=attribute)
        if codes.size and int(codes.max()) >= domain[attribute]:
            raise DomainError("a code lies outside its attribute", where=attribute)
