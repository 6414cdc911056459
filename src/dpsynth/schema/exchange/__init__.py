"""Schemas from and for other tools: one file per format, each with what it reads and what it writes.

What a format cannot say becomes a TODO with a comment; what it says and a schema cannot hold is named in ``left_out``,
never dropped in silence. Nothing here sees a row.
"""

from dpsynth.schema.exchange.convert import (
    EXPORTS,
    IMPORTS,
    Exchanged,
    export_schema,
    field_of_hierarchy,
    import_hierarchies,
    import_schema,
)

__all__ = [
    "EXPORTS",
    "IMPORTS",
    "Exchanged",
    "export_schema",
    "field_of_hierarchy",
    "import_hierarchies",
    "import_schema",
]
