"""The public description of a table: fields, codecs value ↔ code, unit, roles, importers."""
