"""Arrow batches in and out, sidecar manifests, atomic writes; reader errors are reworded here.

Names that need pyarrow are loaded when they are first used: the ledger and the command line write files without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dpsynth.tables.atomic import atomic_write, check_not_itself, check_output
from dpsynth.tables.sidecar import Sidecar, label_metadata, read_sidecar, verify_sidecar, write_sidecar

if TYPE_CHECKING:
    from dpsynth.tables.embedded import labels_within
    from dpsynth.tables.reader import TableReader
    from dpsynth.tables.reading import open_table, table_name
    from dpsynth.tables.writing import Written, check_format, is_csv, write_table

_LATER = {
    "labels_within": "embedded",
    "TableReader": "reader",
    "open_table": "reading",
    "table_name": "reading",
    "Written": "writing",
    "check_format": "writing",
    "is_csv": "writing",
    "write_table": "writing",
}

__all__ = [
    "Sidecar",
    "TableReader",
    "Written",
    "atomic_write",
    "check_format",
    "check_not_itself",
    "check_output",
    "is_csv",
    "label_metadata",
    "labels_within",
    "open_table",
    "read_sidecar",
    "table_name",
    "verify_sidecar",
    "write_sidecar",
    "write_table",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"dpsynth.tables.{_LATER[name]}"), name)
