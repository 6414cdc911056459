"""Attacks on a release: pure functions over codes of real, held-out and synthetic rows that the caller owns.

Everything they return was computed from real rows without differential privacy: INTERNAL, never in a release.
"""
