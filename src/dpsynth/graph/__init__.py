"""Numpy mathematics over released answers: factors, junction trees, belief propagation, estimation."""
