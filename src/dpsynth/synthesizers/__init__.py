"""Synthesizers: frozen settings that ask questions and build a model from the answers; they never see rows."""

from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MaximumSpanningTree
from dpsynth.synthesizers.protocol import Plan, PlanStep, Synthesizer
from dpsynth.synthesizers.registry import NAMES, synthesizer

__all__ = ["NAMES", "Independent", "MaximumSpanningTree", "Plan", "PlanStep", "Synthesizer", "synthesizer"]
