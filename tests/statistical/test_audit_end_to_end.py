"""The black-box game from CSV to CSV: a kept promise is not refuted, broken ones are.

A true claim is refuted with probability at most 1e-6. Power: 40 guesses that are all right have probability below
0.56^40 < 1e-9 under a claim of epsilon 1.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.pipeline.audit_end_to_end import claim_of, end_to_end, released_by

EPSILON, DELTA = Fraction(1), Fraction(1, 10**5)


def game(release, trials=40, seed=5):
    claim, rng = claim_of(EPSILON, DELTA), np.random.default_rng(seed)
    return end_to_end(release, claim, trials=trials, delta=float(DELTA), rng=rng)


def test_a_method_that_keeps_its_promise_is_not_refuted():
    found = game(released_by("independent", EPSILON, DELTA))
    assert not found.played.refuted
    assert found.played.trials == 40
    assert found.played.mu_ceiling > 2
    record = found.to_dict()
    assert (record["trained"], record["epsilon_lower_delta"]) == (20, 1e-5)
    assert 0 <= record["epsilon_lower"] < 1.5 < record["epsilon_ceiling"]


def copied(source, target):
    target.write_bytes(source.read_bytes())


def domain_from_the_data(source, target):
    """Noise on the counts of the values that are there: a value that one person holds shows by being listed."""
    cells = [line.split(",")[1] for line in source.read_text(encoding="utf-8").splitlines()[1:]]
    rng = np.random.default_rng()
    lines = [f"{value}\n" * max(1, round(cells.count(value) + rng.normal(0, 3))) for value in sorted(set(cells))]
    target.write_text("a\n" + "".join(lines), encoding="utf-8")


def exact_number_of_rows(source, target):
    """All noise but none on the number of rows, which the attacker reads off."""
    rows = len(source.read_text(encoding="utf-8").splitlines()) - 1
    target.write_text("a\n" + "rare\n" * rows, encoding="utf-8")


@pytest.mark.parametrize("release", [copied, domain_from_the_data, exact_number_of_rows])
def test_broken_releases_are_refuted(release):
    found = game(release)
    assert found.played.refuted
    assert found.played.correct == 40
    assert found.epsilon_lower == found.epsilon_ceiling > 2.5
    assert found.to_dict()["verdict"] == "FAIL"


def test_too_little_noise_is_refuted_at_enough_trials():
    """Noise that is worth a mu of 1.7 under a claim of 0.27: 80 % are guessed right where 55 % are allowed; 400 guesses
    miss it with probability below 1e-9.
    """
    release = noisy_counts(1.7)
    assert game(release, trials=400, seed=6).played.refuted


def noisy_counts(mu):
    """Gaussian noise on one count that a person of 20 rows with three rare values each moves by 60."""
    rng = np.random.default_rng(7)

    def release(source, target):
        count = source.read_text(encoding="utf-8").count("rare")
        target.write_text("rare" * max(0, 200 + round(count + rng.normal(0, 60 / mu))), encoding="utf-8")

    return release
