"""Whatever was asked, merged and answered: intervals are ordered, nested, and hold the truth when noise is absent."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.models import Model
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Receipt
from dpsynth.privacy.loss import PrivacyLoss
from model_examples import random_mixture, summed_to

RECEIPT = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=1, mu2=1))


@st.composite
def asked(draw: st.DrawFn, noise: bool) -> tuple[Model, NDArray[np.float64], Clique]:
    """A model with answers to random questions about a random table, the table, and a clique."""
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    domain = Domain(tuple("abcd"[: len(sizes)]), sizes)
    cliques = st.lists(st.sampled_from(domain.attributes), unique=True, max_size=len(sizes)).map(tuple)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.dirichlet(np.full(math.prod(sizes), 0.3))
    table = rng.multinomial(draw(st.integers(0, 5_000)), shares).reshape(sizes).astype(np.float64)
    buckets = {name: _buckets(rng, domain[name]) for name in domain}
    answers = []
    for clique in draw(st.lists(cliques, min_size=1, max_size=6)):
        merged = {name: buckets[name] for name in clique if draw(st.booleans())}
        scale = draw(st.sampled_from([0.3, 1.0, 7.5, 200.0]))
        answers.append(_answer(rng, domain, table, clique, merged, scale, noise=noise))
    model = Model(random_mixture(sizes, seed=3, total=float(table.sum())), tuple(answers))
    return model, table, draw(cliques)


def _buckets(rng: np.random.Generator, size: int) -> tuple[int, ...]:
    return tuple(np.unique(rng.integers(0, size, size=size), return_inverse=True)[1].tolist())


def _answer(
    rng: np.random.Generator,
    domain: Domain,
    table: NDArray[np.float64],
    clique: Clique,
    merged: dict[str, tuple[int, ...]],
    scale: float,
    *,
    noise: bool,
) -> NoisyMarginal:
    counts = summed_to(table, domain, clique)
    for axis, name in enumerate(clique):
        if name in merged:
            sums = np.zeros((max(merged[name]) + 1, *np.delete(counts.shape, axis)))
            np.add.at(sums, list(merged[name]), np.moveaxis(counts, axis, 0))
            counts = np.moveaxis(sums, 0, axis)
    values = counts + np.rint(rng.normal(0.0, scale, counts.shape)) * noise
    coarsening: Coarsening = tuple(merged.items())
    return NoisyMarginal(clique, values.astype(np.int64), scale, 1, RECEIPT, "opendp", coarsening)


@given(asked(noise=True), st.floats(0.01, 0.999))
def test_an_interval_holds_its_estimate_and_lies_within_that_of_a_higher_level(
    case: tuple[Model, NDArray[np.float64], Clique], level: float
) -> None:
    model, _, clique = case
    found, wider = model.marginal(clique, interval=level), model.marginal(clique, interval=(1 + level) / 2)
    assert found.lower.shape == found.upper.shape == found.standard_error.shape == model.domain.shape(clique)
    assert found.lower.dtype == found.upper.dtype == np.float64
    assert (found.lower >= 0).all()
    assert (found.lower <= found.estimate).all()
    assert (found.estimate <= found.upper).all()
    assert np.isfinite(found.upper).all()
    assert (wider.lower <= found.lower + 1e-9).all()
    assert (wider.upper >= found.upper - 1e-9).all()
    resolved = np.isfinite(found.standard_error)
    expected = "measured" if resolved.all() else "measured and bound" if resolved.any() else "bound"
    assert found.basis == wider.basis == expected


@given(asked(noise=False), st.floats(0.01, 0.999))
def test_answers_without_noise_give_intervals_that_hold_the_truth(
    case: tuple[Model, NDArray[np.float64], Clique], level: float
) -> None:
    model, table, clique = case
    found, truth = model.marginal(clique, interval=level), summed_to(table, model.domain, clique)
    assert (found.lower <= truth + 1e-6).all()
    assert (truth <= found.upper + 1e-6).all()
