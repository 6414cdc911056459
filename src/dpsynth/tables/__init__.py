"""Arrow batches in and out, sidecar manifests, atomic writes; reader errors are reworded here."""

from dpsynth.tables.atomic import atomic_write, check_output

__all__ = ["atomic_write", "check_output"]
