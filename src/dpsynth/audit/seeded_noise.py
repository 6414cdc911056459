"""The audit's own draws from the laws of the room's mechanisms, by a seeded generator. Never a release's noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def gaussian(scale: float, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` draws of N_Z(0, scale²), int64: Laplace proposals, accepted or not (Canonne, Kamath & Steinke 2020,
    algorithm 3). Exact up to the rounding of float64.
    """
    proposal = float(math.floor(scale) + 1)
    drawn, missing = [np.zeros(0, dtype=np.int64)], count
    while missing:
        values = laplace(proposal, 2 * missing + 8, rng)
        excess = np.abs(values) - scale * scale / proposal
        accepted = rng.random(len(values)) < np.exp(-(excess**2) / (2 * scale * scale))
        drawn.append(values[accepted][:missing])
        missing -= len(drawn[-1])
    return np.concatenate(drawn)


def laplace(scale: float, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` draws k with probability ∝ exp(−|k| / scale), int64: the difference of two geometric ones."""
    success = -math.expm1(-1 / scale)
    return rng.geometric(success, count) - rng.geometric(success, count)


def exponential_mechanism(scores: NDArray[np.int64], scale: float, rng: np.random.Generator) -> int:
    """An index with probability ∝ exp(score / scale): the largest score after Gumbel noise."""
    return int(np.argmax((scores - scores.max()) / scale + rng.gumbel(size=len(scores))))


def permute_and_flip(scores: NDArray[np.int64], scale: float, rng: np.random.Generator) -> int:
    """The first index, in random order, whose coin of probability exp((score − best) / scale) comes up."""
    order = rng.permutation(len(scores))
    heads = rng.random(len(scores)) < np.exp((scores - scores.max()) / scale)
    return int(order[np.argmax(heads[order])])


NOISES: dict[str, Callable[[float, int, np.random.Generator], NDArray[np.int64]]] = {
    "gaussian": gaussian,
    "laplace": laplace,
}
"""The noise of a cell by the name of its law."""

PICKS: dict[str, Callable[[NDArray[np.int64], float, np.random.Generator], int]] = {
    "exponential": exponential_mechanism,
    "permute-and-flip": permute_and_flip,
}
"""The noisy maximum by the name of its law."""
