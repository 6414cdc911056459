"""Synthesizers: frozen settings that ask questions and build a model from the answers; they never see rows."""

from dpsynth.synthesizers.auto import Auto
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MaximumSpanningTree
from dpsynth.synthesizers.protocol import Plan, PlanStep, Synthesizer
from dpsynth.synthesizers.registry import NAMES, names_without_delta, synthesizer

__all__ = [
    "NAMES",
    "Auto",
    "Independent",
    "MaximumSpanningTree",
    "Plan",
    "PlanStep",
    "Synthesizer",
    "names_without_delta",
    "synthesizer",
]
