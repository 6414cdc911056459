"""Every charge covers the exact loss of its law and hardly more, and the room spends, records and draws what was asked.

The enumerations draw nothing. The room's cases alarm falsely with probability at most 1e-6 in a run.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.audit import exact_losses as enumeration
from dpsynth.audit.exact_losses import (
    EPSILONS,
    SENSITIVITIES,
    exact_budget,
    exact_loss,
    exact_losses,
    exact_threshold,
)
from dpsynth.audit.primitives import repeated
from dpsynth.pipeline import audit_primitives
from dpsynth.pipeline.audit_mechanism import ROOM_CELLS, ROOM_PICKS
from dpsynth.pipeline.audit_primitives import repeats, room_cases
from dpsynth.privacy import laws
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import LOSSES
from dpsynth.privacy.loss import PrivacyLoss

OWN = {"gaussian": "rho", "laplace": "epsilon", "exponential": "rho", "permute-and-flip": "epsilon"}
"""The currency in which each law's charge is tight."""


def test_every_charge_covers_the_exact_loss():
    cases = list(exact_losses())
    assert len(cases) == 5 * 3 * 5 + 2 * 5
    assert [case for case in cases if not case.passed] == []


@pytest.mark.parametrize("law", LOSSES)
def test_no_charge_is_far_above_the_exact_loss(law):
    """Too much noise: of a charge one percent above the loss, less than 0.995 would be used."""
    for sensitivity in SENSITIVITIES:
        assert exact_loss(law, sensitivity, 34.25 * sensitivity).used[OWN[law]] > 0.995


@pytest.mark.parametrize("law", LOSSES)
@pytest.mark.parametrize("factor", [Fraction(9, 10), Fraction(101, 100)])
def test_a_wrong_charge_is_seen(law, factor, monkeypatch):
    right = LOSSES[law]

    def wrong(sensitivity, scale):
        charge = right(sensitivity, scale)
        return PrivacyLoss(*(int(part * factor) for part in (charge.rho, charge.mu2, charge.delta, charge.epsilon)))

    monkeypatch.setitem(enumeration.LOSSES, law, wrong)
    case = exact_loss(law, 2, 68.5)
    assert not case.passed or case.used[OWN[law]] < 0.995


def test_thresholds_and_budgets_are_hardly_above_what_they_need():
    assert all(exact_threshold(rows, 34.25 * rows).used["delta"] > 0.8 for rows in SENSITIVITIES)
    # A Gaussian uses its whole GDP budget; zCDP pays for more than that.
    assert all(exact_budget(Governor.GDP, epsilon).used["delta"] > 0.96 for epsilon in EPSILONS[:3])


def test_a_threshold_that_is_too_low_is_seen(monkeypatch):
    right = enumeration.least_threshold
    monkeypatch.setattr(enumeration, "least_threshold", lambda *given: right(*given) - 8)
    assert not exact_threshold(1, 34.25).passed


@pytest.mark.parametrize("governor", [Governor.ZCDP, Governor.GDP])
def test_a_budget_that_is_too_large_is_seen(governor, monkeypatch):
    right = enumeration.budget_of
    monkeypatch.setattr(enumeration, "budget_of", lambda epsilon, *given: right(epsilon * Fraction(5, 4), *given))
    assert not exact_budget(governor, Fraction(1)).passed


def test_two_draws_share_nothing():
    assert all(one.passed for one in repeats(2_000))


def test_noise_that_is_used_twice_is_seen():
    noise = np.random.default_rng(0).integers(-30, 30, 200)
    assert not repeated("t", 12.35, noise, noise).passed
    once = np.where(np.arange(200) < 50, noise, 99)
    assert not repeated("t", 12.35, noise, once).passed, "a quarter of it"


def test_the_room_spends_what_it_is_asked():
    cases = list(room_cases(ROOM_CELLS, ROOM_PICKS))
    assert [(case.question, case.governor, case.max_rows) for case in cases] == [
        ("measure", "zcdp", 1),
        ("measure", "zcdp", 4),
        ("measure", "gdp", 1),
        ("measure", "gdp", 4),
        ("measure", "pure", 1),
        ("measure", "pure", 4),
        ("select", "zcdp", 4),
        ("select", "pure", 4),
    ]
    assert [case for case in cases if not case.passed] == []


def test_a_room_that_draws_less_noise_than_it_states_fails(monkeypatch):
    case = next(room_cases(8_000, 10))
    spread = audit_primitives.DiscreteGaussian(1, 0.9 * case.noise[0].scale)
    wrong = audit_primitives.audit_gaussian(case.noise[0].scale, spread, 8_000)
    assert wrong.power_10_percent_small > 1 - 1e-6
    assert not replace(case, noise=(wrong,)).passed
    assert not replace(case, reconciled=False).passed
    assert not replace(case, drawn=0.9 * case.asked).passed
    assert not replace(case, drawn=1.01 * case.asked).passed


def test_scales_that_are_too_small_for_their_loss_fail(monkeypatch):
    right = laws.measured_scales
    monkeypatch.setattr(laws, "measured_scales", lambda *given: [0.99 * scale for scale in right(*given)])
    assert not next(room_cases(2_000, 10)).passed
