"""Distances between tables that a caller owns; what they compute on real rows is internal."""
