"""Junction trees, exact inference and estimation from noisy marginals: numpy mathematics over released answers."""

from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.dual import Convergence
from dpsynth.graph.estimation import Zeros, estimate
from dpsynth.graph.junction import JunctionTree, junction_tree
from dpsynth.graph.pooling import Measurement, pooled_one_way, pooled_total, simplex_projection
from dpsynth.graph.propagation import Propagated, propagate

__all__ = [
    "CalibratedTree",
    "Convergence",
    "JunctionTree",
    "Measurement",
    "Propagated",
    "Zeros",
    "estimate",
    "junction_tree",
    "pooled_one_way",
    "pooled_total",
    "propagate",
    "simplex_projection",
]
