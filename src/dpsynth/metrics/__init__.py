"""Distances between tables, or between a table and a model: numpy maths over tables that the caller owns."""

from dpsynth.metrics.association import PairDifference, cramers_v, pair_differences
from dpsynth.metrics.choice import CliqueChoice, choose
from dpsynth.metrics.coded import CodedTable, smallest_dtype
from dpsynth.metrics.distance import (
    ColumnDistance,
    Marginals,
    WayDistances,
    column_distances,
    total_variation,
    way_distances,
)

__all__ = [
    "CliqueChoice",
    "CodedTable",
    "ColumnDistance",
    "Marginals",
    "PairDifference",
    "WayDistances",
    "choose",
    "column_distances",
    "cramers_v",
    "pair_differences",
    "smallest_dtype",
    "total_variation",
    "way_distances",
]
