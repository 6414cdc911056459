"""Junction trees, exact inference and estimation from noisy marginals: numpy mathematics over released answers."""

from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.junction import JunctionTree, junction_tree

__all__ = ["CalibratedTree", "JunctionTree", "junction_tree"]
