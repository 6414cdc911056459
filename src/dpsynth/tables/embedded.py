"""The label chain within a table: in the metadata of its Arrow schema, where Parquet and Arrow files keep one too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import ipc, parquet

from dpsynth.errors import FileFormatError
from dpsynth.tables.sidecar import METADATA_KEY

_PARQUET, _ARROW = (".parquet", ".pq"), (".arrow", ".arrows", ".feather", ".ipc")


def labels_within(source: Any) -> tuple[str, ...] | None:
    """The labels that a Parquet or Arrow file, or an Arrow table, carries; None for any other and for none.

    Reads the schema, no row. Raises ``FileFormatError`` for metadata that hold no list of labels.
    """
    held = (_metadata(source) or {}).get(METADATA_KEY.encode())
    if held is None:
        return None
    try:
        labels = json.loads(held)
    except (ValueError, RecursionError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        where = os.fspath(source) if isinstance(source, str | os.PathLike) else "<frame>"
        raise FileFormatError("its metadata hold no labels of this version", where=where)
    return tuple(labels)


def _metadata(source: Any) -> Mapping[bytes, bytes] | None:
    if not isinstance(source, str | os.PathLike):
        return source.schema.metadata if isinstance(source, pa.Table | pa.RecordBatch) else None
    path = os.fspath(source)
    try:
        if path.lower().endswith(_PARQUET):
            return dict(parquet.read_schema(path).metadata or {})
        if path.lower().endswith(_ARROW):
            return _arrow_metadata(path)
    except (OSError, pa.ArrowException, ValueError):
        pass  # whoever reads the table says what is wrong with it
    return None


def _arrow_metadata(path: str) -> Mapping[bytes, bytes] | None:
    with pa.OSFile(path) as source:
        magic = source.read(6)
        source.seek(0)
        opened = ipc.open_file(source) if magic == b"ARROW1" else ipc.open_stream(source)
        return dict(opened.schema.metadata or {})
