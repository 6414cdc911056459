"""The public description of a table: fields, codecs value ↔ code, unit, roles, importers."""

from dpsynth.schema.codecs import Codec
from dpsynth.schema.conditions import Condition, parse_where
from dpsynth.schema.drafts import confirm, propose
from dpsynth.schema.fields import Field, UnitSpec
from dpsynth.schema.importers import import_schema
from dpsynth.schema.table import Schema

__all__ = [
    "Codec",
    "Condition",
    "Field",
    "Schema",
    "UnitSpec",
    "confirm",
    "import_schema",
    "parse_where",
    "propose",
]
