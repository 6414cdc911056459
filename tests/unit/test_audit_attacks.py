"""Attacks on a release: planted leaks are found, nothing is found where nothing leaks, odd tables are survived."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from attack_examples import DOMAIN, SMALL, everybody, population, release, seeded
from dpsynth.audit.attacks.densities import chow_liu, shares, tree_log_ratio
from dpsynth.audit.attacks.distances import mean_nearest, nearest, two_nearest
from dpsynth.audit.attacks.inference import inference
from dpsynth.audit.attacks.linkability import linkability
from dpsynth.audit.attacks.membership import membership_attacks
from dpsynth.audit.attacks.reconstruction import reconstruction
from dpsynth.audit.attacks.singling_out import singling_out
from dpsynth.audit.attacks.smoke import LABEL, smoke_test
from dpsynth.audit.attacks.suite import attacked
from dpsynth.audit.attacks.tables import AttackedTables, chosen, first, row_numbers, taken
from dpsynth.audit.attacks.uniqueness import equivalence_classes, has_rare_code, support, unique_matches
from dpsynth.audit.judging import by_risk, judged
from dpsynth.audit.rates import Rate
from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError, DomainError, UsageError
from dpsynth.evidence import Color, Verdict
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal, Receipt
from dpsynth.privacy.loss import PrivacyLoss

ALPHA = 0.05
# --- distances and densities ---------------------------------------------------------------------------------------


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    ours, theirs = population(50, rng), population(70, rng)
    left, right = (np.stack([t.columns[name] for name in DOMAIN], axis=1) for t in (ours, theirs))
    plain = np.sort((left[:, None, :] != right[None, :, :]).sum(axis=2), axis=1)
    np.testing.assert_array_equal(nearest(ours, theirs), plain[:, 0])
    np.testing.assert_array_equal(two_nearest(ours, theirs), plain[:, :2])
    np.testing.assert_allclose(mean_nearest(ours, theirs, 5), plain[:, :5].mean(axis=1))


def test_without_reference_rows_everything_is_far():
    rng = np.random.default_rng(1)
    ours, none = population(3, rng), population(0, rng)
    assert nearest(ours, none).tolist() == [8, 8, 8]
    assert two_nearest(ours, first(ours, 1))[0].tolist() == [0, 8]
    assert mean_nearest(none, ours, 5).shape == (0,)


def test_rows_are_numbered_alike_across_tables_even_when_the_key_overflows():
    wide = Domain(tuple(f"c{k}" for k in range(12)), (1 << 20,) * 12)
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 1 << 20, size=(6, 12))
    table = CodedTable(wide, {name: codes[:, k] for k, name in enumerate(wide)})
    left, right = row_numbers([taken(table, np.arange(4)), taken(table, np.array([5, 2, 2]))], wide.attributes)
    assert len(set(left)) == 4
    assert right[1] == right[2] == left[2]
    assert right[0] not in left


def test_a_tree_finds_the_dependence_and_its_density_is_one():
    rng = np.random.default_rng(3)
    domain = Domain(("x", "y", "z"), (3, 3, 2))
    x = rng.integers(0, 3, 2000)
    y, z = (x + (rng.random(2000) < 0.1)) % 3, rng.integers(0, 2, 2000)
    table = CodedTable(domain, {"x": x, "y": y, "z": z})
    tree = chow_liu(table)
    assert ("x", "y") in tree.edges
    assert len(tree.edges) == 2
    assert shares(table, ("x", "y")).sum() == pytest.approx(1)
    cells = np.stack(np.meshgrid(range(3), range(3), range(2), indexing="ij")).reshape(3, -1)
    grid = CodedTable(domain, dict(zip("xyz", cells, strict=True)))
    assert np.abs(tree_log_ratio(grid, table, table, tree)).max() < 1e-12
    even = CodedTable(domain, dict(zip("xyz", cells.repeat(50, axis=1), strict=True)))
    ratio = tree_log_ratio(grid, table, even, tree)
    # Against even rows the ratio is 18 times the density, up to the shrinkage of pairs towards products.
    assert np.exp(ratio).sum() / 18 == pytest.approx(1, abs=0.02)


# --- targets -------------------------------------------------------------------------------------------------------


def test_vulnerable_records_are_the_rare_ones_and_reference_rows_are_not_attacked():
    rng = np.random.default_rng(4)
    tables = release(rng, fitted=2000, held_out=2000)
    found = chosen(tables, rng, random=500, vulnerable=50)
    random, vulnerable = found.groups
    assert found.reference.rows == 1000
    assert random.members.rows == random.controls.rows == 500
    assert 50 <= vulnerable.members.rows <= 200
    assert 30 <= vulnerable.controls.rows <= 200
    assert mean_nearest(vulnerable.members, found.reference, 5).min() > np.median(
        mean_nearest(random.members, found.reference, 5)
    )


def test_tables_of_other_codings_are_refused():
    rng = np.random.default_rng(5)
    other = Domain(DOMAIN.attributes, (13, *DOMAIN.sizes[1:]))
    with pytest.raises(DataMismatchError):
        AttackedTables(population(5, rng), population(5, rng), population(5, rng, other))
    with pytest.raises(UsageError):
        chosen(release(rng), rng, random=0)


# --- planted leaks are found ---------------------------------------------------------------------------------------


def test_copied_rows_are_found_by_membership_and_uniqueness_and_the_smoke_test():
    rng = np.random.default_rng(6)
    tables = release(rng, 1600, 1200, 1600, copied=0.5)
    results = {(r.name, r.group): r for r in membership_attacks(tables, chosen(tables, rng, random=600), rng)}
    assert results["nearest neighbor", "random"].auc.interval().low > 0.5
    assert results["nearest neighbor", "vulnerable"].advantage.lower(ALPHA) > 0.05
    assert results["tree density ratio", "random"].auc.area > 0.5
    assert unique_matches(tables).estimate.lower(ALPHA) > 0.2
    figures = {figure.name: figure for figure in smoke_test(tables, rng)}
    assert figures["synthetic rows closer to fitted than to held-out rows"].value > 0.55
    assert {figure.source for figure in figures.values()} == {LABEL}
    assert {figure.color for figure in figures.values()} == {Color.INTERNAL}


def test_a_table_of_copies_leaks_by_every_criterion_of_wp216():
    rng = np.random.default_rng(7)
    tables = release(rng, 1600, 1600, 1600, copied=1.0)
    (most,) = singling_out(tables, rng, sizes=(6,))
    assert most.estimate.lower(ALPHA) > 0.09
    assert linkability(tables, everybody(tables), rng).estimate.lower(ALPHA) > 0.09
    for one in inference(tables, everybody(tables), tables.held_out, rng, secrets=["a"]):
        assert one.estimate.lower(ALPHA) > 0.09
        assert one.facts["members"] > one.facts["controls"]
    verdicts = by_risk(judged([one.against(0.09) for one in attacked(tables, rng, sizes=SMALL).observed]))
    assert verdicts["membership"] is verdicts["inference"] is verdicts["singling out"] is Verdict.FAIL


def test_linear_reconstruction_gets_secret_bits_from_exact_counts():
    """Twelve columns of known codes and a secret coin that nothing predicts: controls stay at one half."""
    rng = np.random.default_rng(8)
    domain = Domain((*(f"q{k}" for k in range(12)), "secret"), (4,) * 12 + (2,))

    def coins(rows):
        return CodedTable(domain, {name: rng.integers(0, domain[name], rows) for name in domain})

    real, held_out = coins(300), coins(300)
    (leak,) = reconstruction(AttackedTables(real, held_out, real), rng, ["secret"])
    assert leak.estimate.lower(ALPHA) > 0.2
    (none,) = reconstruction(AttackedTables(real, held_out, coins(300)), rng, ["secret"])
    assert none.estimate.lower(ALPHA) == 0
    assert abs(none.facts["members"] - 0.5) < 4 * 0.5 / math.sqrt(300)


def test_linear_reconstruction_gets_more_from_the_answers_of_a_model_than_from_its_table():
    """A secret coin that nothing predicts, in counts of three columns. Noise of scale 1: over 40 draws 0.64 of the
    members are right, of the controls one half; every draw here is seeded. Noise of scale 300 tells nothing. Codes that
    were counted together: 2 and 3 of ``a``; at the end 1 and 2 of ``secret``, which lie on both sides of the bit.
    """
    rng = np.random.default_rng(11)
    domain = Domain(("a", "b", "c", "d", "secret"), (4, 12, 9, 15, 4))

    def coins(rows):
        return CodedTable(domain, {name: rng.integers(0, domain[name], rows) for name in domain})

    real, held_out = coins(400), coins(400)
    merged = {"a": (0, 1, 2, 2), "secret": (0, 1, 1, 2)}

    def answers(scale):
        for clique in itertools.combinations(domain, 3):
            grouped = tuple((name, merged[name]) for name in clique if name == "a")
            yield noisy(real, clique, scale, rng, grouped)

    tables = AttackedTables(real, held_out, coins(400))
    table, model = reconstruction(tables, rng, ["secret"], list(answers(1.0)))
    assert (table.attack, model.attack) == ("linear reconstruction", "linear reconstruction from the model")
    assert table.estimate.lower(ALPHA) == 0
    assert model.estimate.lower(ALPHA) > 0.1
    assert abs(model.facts["controls"] - 0.5) < 4 * 0.5 / math.sqrt(400)
    assert reconstruction(tables, rng, ["secret"], list(answers(300.0)))[1].estimate.lower(ALPHA) == 0
    both_sides = [noisy(real, ("secret", "b"), 1.0, rng, (("secret", (0, 0, 0, 0)),)), noisy(real, ("b",), 1.0, rng)]
    assert len(reconstruction(tables, rng, ["secret"], both_sides)) == 1
    some = [noisy(real, ("b", "secret", "d"), 0.5, rng, (("secret", merged["secret"]),))]
    assert reconstruction(tables, rng, ["secret"], some)[1].estimate.members.value > 0.5


def noisy(table, clique, scale, rng, coarsening=()):
    """The marginal of a table with rounded Gaussian noise, and what a model keeps with it."""
    buckets = dict(coarsening)
    codes = [np.array(buckets[n])[table.columns[n]] if n in buckets else table.columns[n] for n in clique]
    counts = np.zeros([max(buckets[n]) + 1 if n in buckets else table.domain[n] for n in clique], dtype=np.int64)
    np.add.at(counts, tuple(codes), 1)
    receipt = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=1, mu2=1))
    noise = np.rint(rng.normal(0, scale, counts.shape)).astype(np.int64)
    return NoisyMarginal(clique, counts + noise, scale, 1, receipt, "opendp", coarsening)


def test_a_domain_read_from_the_data_is_found_by_its_support():
    """Fifty fitted and twelve held-out persons each hold a value of their own; a public domain has them all."""
    rng = np.random.default_rng(9)
    domain = Domain(("a", "b"), (62 + 10, 2))

    def rows(own):
        codes = np.concatenate([own, rng.integers(62, 72, 500)])
        return CodedTable(domain, {"a": codes, "b": rng.integers(0, 2, len(codes))})

    fitted, held_out = rows(np.arange(50)), rows(np.arange(50, 62))
    read = rows(rng.integers(0, 50, 200))
    public = rows(rng.integers(0, 62, 200))
    assert support(AttackedTables(fitted, held_out, read)).estimate.lower(ALPHA) > 0.5
    assert support(AttackedTables(fitted, held_out, public)).estimate.lower(ALPHA) == 0
    # Held-out values that the domain cannot code count as tried.
    without = AttackedTables(fitted, rows(np.zeros(0, dtype=np.int64)), read)
    assert support(without).estimate.lower(ALPHA) == 0
    assert support(without, undeclared=12).estimate.lower(ALPHA) > 0.5
    with pytest.raises(UsageError):
        support(without, undeclared=-1)


def test_one_planted_value_gives_its_holder_away():
    rng = np.random.default_rng(10)
    table = CodedTable(Domain(("a",), (5,)), {"a": np.array([0, 1, 2, 3])})
    assert has_rare_code(table, "a", 3)
    assert not has_rare_code(table, "a", 4)
    assert rng is not None


def test_the_classes_of_a_table():
    table = CodedTable(Domain(("a", "b"), (3, 2)), {"a": np.array([0, 0, 1, 1, 2]), "b": np.array([0, 0, 1, 1, 0])})
    assert equivalence_classes(table, ("a",)) == {"classes": 3, "smallest": 1, "alone": 1, "rows": 5}
    assert equivalence_classes(first(table, 0), ("a", "b")) == {"classes": 0, "smallest": 0, "alone": 0, "rows": 0}


def test_unique_matches_count_what_they_say():
    domain = Domain(("a", "b"), (8, 2))

    def of(*codes):
        return CodedTable(domain, {"a": np.array(codes), "b": np.zeros(len(codes), dtype=np.int64)})

    # Alone among real rows: 0, 1, 2 fitted; 5, 6 held out. Alone among synthetic rows: 0, 5.
    tables = AttackedTables(of(0, 1, 2, 3, 3), of(3, 5, 6), of(0, 1, 1, 5, 3, 3))
    found = unique_matches(tables, ["a"]).estimate
    assert (found.members, found.controls) == (Rate(1, 3), Rate(1, 2))


def test_predicates_isolate_a_person_among_everybody():
    domain = Domain(("a",), (100,))

    def of(codes):
        return CodedTable(domain, {"a": np.array(codes)})

    synthetic = of([*range(40), 50, 50])
    found = singling_out(AttackedTables(of([*range(10), 20, 20, 50]), of([*range(5), 30]), synthetic), seeded())
    (one,) = found
    # 40 predicates; 0-4 fit two persons, 5-9 one member, 20 two members, 30 one control, the rest nobody.
    assert (one.estimate.members, one.estimate.controls) == (Rate(5, 40), Rate(1, 40))
    assert one.estimate.factor == pytest.approx(13 / 6)
    assert one.group == "1 column"


def test_few_predicates_of_one_size_are_counted_with_the_next():
    rng = np.random.default_rng(11)
    found = singling_out(release(rng), rng, sizes=(1, 3))
    assert [one.group for one in found] == ["1 and 3 columns"]
    with pytest.raises(UsageError):
        singling_out(release(rng), rng, sizes=(0,))


# --- bad and odd tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fitted", "held_out", "synthetic"), [(0, 0, 0), (1, 1, 1), (50, 0, 50), (50, 20, 0), (3, 2, 2)]
)
def test_few_or_no_rows_are_inconclusive_with_the_number_needed(fitted, held_out, synthetic):
    rng = np.random.default_rng(12)
    found = attacked(release(rng, fitted, held_out, synthetic), rng, sizes=SMALL)
    findings = judged([one.against(0.09) for one in found.observed])
    assert Verdict.FAIL not in {finding.verdict for finding in findings}
    assert by_risk(findings)["membership"] is Verdict.INCONCLUSIVE
    untried = [f for f in findings if f.risk == "membership" and not min(f.trials.values())]
    assert all(finding.needed > 10 for finding in untried)
    for finding in findings:
        assert math.isfinite(finding.figure.value)
        assert finding.figure.interval.low <= finding.figure.value <= finding.figure.interval.high


def test_constant_columns_give_nothing_away():
    domain = Domain(("a", "b", "c"), (1, 4, 2))

    def of(rows):
        return CodedTable(domain, {name: np.zeros(rows, dtype=np.uint8) for name in domain})

    found = attacked(AttackedTables(of(500), of(300), of(500)), seeded(), sizes=SMALL)
    assert {result.auc.area for result in found.membership} == {0.5}
    for one in found.observed:
        assert one.estimate.value == 0, one


def test_a_table_of_one_column_is_attacked_where_that_is_possible():
    rng = np.random.default_rng(13)
    single = Domain(("a",), (30,))
    found = attacked(release(rng, 500, 300, 500, domain=single), rng, sizes=SMALL)
    assert {one.risk for one in found.observed} == {"membership", "singling out", "linkability", "equivalence classes"}
    assert next(one for one in found.observed if one.risk == "linkability").estimate.trials["members"] == 0


def test_unknown_columns_are_refused():
    rng = np.random.default_rng(14)
    tables = release(rng, 50, 50, 50)
    with pytest.raises(DomainError):
        inference(tables, everybody(tables), tables.held_out, rng, ["nobody"])
    with pytest.raises(DomainError):
        reconstruction(tables, rng, ["nobody"])
    with pytest.raises(DomainError):
        unique_matches(tables, ["nobody"])


def numbers(one):
    estimate = one.estimate
    return one.attack, one.measure, one.group, one.facts, estimate.value, estimate.lower(0.05), estimate.upper(0.05)


def test_the_same_generator_gives_the_same_results():
    tables = release(np.random.default_rng(15))
    first_time, second = (attacked(tables, seeded(), sizes=SMALL) for _ in range(2))
    assert [numbers(one) for one in first_time.observed] == [numbers(one) for one in second.observed]
    assert first_time.smoke == second.smoke
