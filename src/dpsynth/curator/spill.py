"""Rows that do not fit into memory, in temporary files that have no name and vanish with the process.

Such a file is readable by this process alone; nothing is left on disk after a crash.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

_PREFIX = "dpsynth-"


class PackedRows:
    """Encoded rows of ``width`` bytes each: in memory up to ``limit_bytes``, beyond that in a nameless file."""

    def __init__(self, width: int, limit_bytes: int) -> None:
        self._width = width
        self._file = tempfile.SpooledTemporaryFile(max_size=limit_bytes, prefix=_PREFIX)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def append(self, rows: NDArray[np.uint8]) -> None:
        """Keep these rows, an array of shape (rows, width)."""
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(rows).tobytes())

    def blocks(self, rows: int) -> Iterator[NDArray[np.uint8]]:
        """All rows in blocks of at most ``rows``."""
        position = 0
        while True:
            self._file.seek(position)
            data = self._file.read(rows * self._width)
            if not data:
                return
            position += len(data)
            yield np.frombuffer(data, dtype=np.uint8).reshape(-1, self._width)


class Partitions:
    """Arrow batches of one schema, appended to numbered nameless files and read back one file at a time."""

    def __init__(self, count: int, schema: pa.Schema) -> None:
        self._files = [tempfile.TemporaryFile(prefix=_PREFIX) for _ in range(count)]  # noqa: SIM115
        for file in self._files:
            weakref.finalize(self, file.close)
        self._writers = [ipc.new_stream(file, schema) for file in self._files]

    def append(self, index: int, batch: pa.RecordBatch) -> None:
        """Add a batch to one partition."""
        self._writers[index].write_batch(batch)

    def drain(self) -> Iterator[Iterator[pa.RecordBatch]]:
        """The batches of each partition in turn; a file is deleted once its batches were read."""
        for file, writer in zip(self._files, self._writers, strict=True):
            writer.close()
            file.seek(0)
            with file, ipc.open_stream(file) as batches:
                yield iter(batches)
