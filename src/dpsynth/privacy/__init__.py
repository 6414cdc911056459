"""Loss, unit, labels, released answers, the Queryable door, and the pure laws of the mechanisms."""
