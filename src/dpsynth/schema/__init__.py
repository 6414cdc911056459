"""The public description of a table: fields, codecs value ↔ code, unit, roles, importers."""

from dpsynth.schema.codecs import Codec
from dpsynth.schema.conditions import Condition, parse_where
from dpsynth.schema.drafts import confirm, propose
from dpsynth.schema.exchange import (
    EXPORTS,
    IMPORTS,
    Exchanged,
    export_schema,
    field_of_hierarchy,
    import_hierarchies,
    import_schema,
)
from dpsynth.schema.fields import Field, UnitSpec
from dpsynth.schema.table import Schema

__all__ = [
    "EXPORTS",
    "IMPORTS",
    "Codec",
    "Condition",
    "Exchanged",
    "Field",
    "Schema",
    "UnitSpec",
    "confirm",
    "export_schema",
    "field_of_hierarchy",
    "import_hierarchies",
    "import_schema",
    "parse_where",
    "propose",
]
