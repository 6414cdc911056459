"""The parts of discovery: votes, histograms, grids and cuts, lists, shrinking, the purse. All of it post-processing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.discovery.cuts import Cut, apart, equal_rows
from dpsynth.discovery.discover import Discovery
from dpsynth.discovery.findings import Finding
from dpsynth.discovery.histograms import settled, smoothed
from dpsynth.discovery.listing import with_spikes
from dpsynth.discovery.magnitudes import Line, grid
from dpsynth.discovery.purse import Purse, divided
from dpsynth.discovery.shrinking import SMALLEST, smaller
from dpsynth.discovery.votes import Vote, decided, rows_of
from dpsynth.pipeline.discovery_plan import discovery_loss
from dpsynth.privacy.discoveries import Categories
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt
from dpsynth.schema.dates import ISO
from dpsynth.schema.kinds import KINDS
from dpsynth.schema.public_names import PUBLIC_NAMES, spelled_like
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale


def tally(**counts: int) -> np.ndarray:
    """Counts of kinds, named with underscores."""
    given = {name.replace("_", " "): count for name, count in counts.items()}
    assert given.keys() <= set(KINDS)
    return np.array([given.get(kind, 0) for kind in KINDS], dtype=np.float64)


VOTES = [
    ("integer", tally(integer=1000)),
    ("integer", tally(integer=850, text=150)),
    ("mixed", tally(integer=500, text=500)),
    ("number", tally(integer=600, number_with_1_decimal=400)),
    ("digits", tally(digits_with_leading_zero=200, integer=800)),
    ("number", tally(number_with_thousands_separators=300, number_with_2_decimals=700)),
    ("integer", tally(integer_with_thousands_separators=300, integer=700)),
    ("boolean", tally(boolean=900, missing=5000)),
    ("date", tally(date=1000)),
    ("moment", tally(moment=900, moment_with_offset=100)),
    ("text", tally(text=800, email=100, uuid=100)),
    ("email", tally(email=1000)),
    ("long text", tally(long_text=900, text=100)),
    ("empty", tally(missing=1000)),
]


@pytest.mark.parametrize(("kind", "counts"), VOTES)
def test_a_vote_goes_with_the_cells(kind, counts):
    vote = decided(counts, 1.0)
    assert (vote.kind, vote.certain) == (kind, True)
    assert vote.rows + vote.missing == counts.sum()


def test_votes_survive_noise_in_proportion():
    """Noise of one deviation in each of 28 kinds, 2,000 votes: present kinds have 100 deviations, and an empty kind
    passes the bar of 3 once in 740; the vote itself may not turn. Seeded.
    """
    draw = np.random.default_rng(1)
    for kind, counts in VOTES:
        votes = [decided(counts + draw.normal(0, 1, len(KINDS)), 1.0) for _ in range(150)]
        assert {vote.kind for vote in votes} == {kind}


def test_pure_noise_is_never_certain_but_rarely():
    """28 normal numbers exceed 5 deviations once in 125,000 votes: 2,000 raise a false alarm for 1.6 % of seeds."""
    draw = np.random.default_rng(2)
    votes = [decided(draw.normal(0, 50, len(KINDS)), 50.0) for _ in range(2000)]
    assert not any(vote.certain for vote in votes)
    assert all(vote.rows >= 0 and vote.missing >= 0 for vote in votes)


def test_rows_are_the_mean_of_all_votes_and_never_negative():
    assert rows_of([np.array([90.0, 20.0]), np.array([100.0, -10.0])]) == 100
    assert rows_of([np.array([-5.0, 1.0])]) == 0


@pytest.mark.parametrize("length", [1, 2, 3, 60, 64, 117])
@pytest.mark.parametrize("denoised", [settled, smoothed])
def test_without_noise_no_row_is_lost(denoised, length):
    draw = np.random.default_rng(length)
    counts = np.where(draw.random(length) < 0.5, 0, draw.integers(1, 10_000, length))
    counts[draw.integers(length)] = 77
    assert np.allclose(denoised(counts, 1e-9), counts)


def test_noise_alone_settles_in_nothing():
    """256 cells of noise, 1,000 histograms: at 4 deviations over 511 nodes, 1.6 % hold something on average, 3 %
    (30 of 1,000) with a false alarm below 0.1 % (binomial).
    """
    draw = np.random.default_rng(3)
    alarms = sum(settled(np.rint(draw.normal(0, 100, 256)).astype(np.int64), 100.0).any() for _ in range(1000))
    assert alarms <= 30


@pytest.mark.parametrize("spread", [1, 16, 64])
def test_rows_that_noise_hides_cell_by_cell_are_found_together(spread):
    """A stretch whose sum is 12 deviations of its noise is found in each of 200 histograms: a miss is below 10**-12."""
    draw = np.random.default_rng(4)
    for _ in range(200):
        counts = np.rint(draw.normal(0, 10, 128)).astype(np.int64)
        counts[64 : 64 + spread] += round(12 * 10 * np.sqrt(spread) / spread)
        assert settled(counts, 10.0)[64 : 64 + spread].any()


LINES = [
    Line(IntegerScale()), Line(RealScale(), 0), Line(RealScale(), 6), Line(DateScale("day", ISO)),
    Line(InstantScale("day", None)), Line(InstantScale("day", "UTC")),
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_grids_and_cuts_ascend_and_hold_every_row(line):
    draw = np.random.default_rng(5)
    ticks = line.magnitudes
    assert (np.diff(ticks) > 0).all()
    assert (np.diff(line.edges(ticks)) > 0).all()
    for _ in range(60):
        masses = np.where(draw.random(len(ticks) - 1) < 0.8, 0.0, draw.exponential(1000, len(ticks) - 1))
        masses[draw.integers(len(masses))] = 500.0
        held = np.flatnonzero(masses)
        fine = grid(line, masses, 256)
        assert (np.diff(fine) > 0).all()
        assert (np.diff(line.edges(fine)) > 0).all()
        assert fine[0] <= ticks[held[0]]
        assert fine[-1] == ticks[held[-1] + 1]
        weights = draw.exponential(10, len(fine) - 1) * (draw.random(len(fine) - 1) < 0.7)
        weights[draw.integers(len(weights))] = 5000.0
        cut = equal_rows(Cut(fine, weights), 32, 20.0, calendar=line.calendar)
        assert (np.diff(cut.ticks) > 0).all()
        assert set(cut.ticks.tolist()) <= set(fine.tolist())
        assert len(cut.masses) == len(cut.ticks) - 1
        # Too few rows at the upper end are left to the last bin.
        assert -1e-6 < weights.sum() - cut.masses.sum() < 0.5 * 20


def test_a_value_that_many_rows_have_keeps_a_bin_of_its_own():
    ticks = np.array([*range(20), *range(20, 2000, 20), 2000])
    weights = np.full(len(ticks) - 1, 10.0)
    weights[0] = weights[7] = 5000.0
    cut = equal_rows(Cut(ticks, weights), 16, 5.0, calendar=False)
    for value in (0, 7):
        position = cut.ticks.tolist().index(value)
        assert cut.ticks[position + 1] == value + 1
        assert cut.masses[position] == 5000


def test_spikes_are_set_apart_where_the_cut_did_not():
    cut = apart(Cut(np.array([0, 10, 20]), np.array([100.0, 200.0])), np.array([-3, 0, 5, 12, 19, 20]), 50.0)
    assert cut.ticks.tolist() == [0, 1, 5, 6, 10, 12, 13, 19, 20]
    assert cut.masses[[0, 2, 5, 7]].tolist() == [50, 50, 50, 50]
    assert cut.masses[[1, 3, 4, 6]].tolist() == [40, 40, 40, 120]


@pytest.mark.parametrize(
    ("kind", "decimals", "key", "spikes"),
    [
        ("number", 6, "12345678901.123456", []),
        ("number", 6, "1234567890.123456", [1_234_567_890_123_456]),
        ("number", 1, "1e400", []),
        ("integer", None, "123456789012345678", [123_456_789_012_345_678]),
    ],
)
def test_a_number_that_cannot_tell_its_last_decimal_is_no_spike(kind, decimals, key, spikes):
    """Its bin would have one edge twice."""
    vote = Vote(kind, 1000.0, 0.0, certain=True, deviation=1.0, decimals=decimals)
    answer = Categories("a", (key,), np.array([500]), 30, 5.0, 1, Receipt("t", 1, "d", PrivacyLoss()), "fake")
    one = with_spikes(Finding("a", vote), [answer])
    assert one.spikes.tolist() == spikes
    edges = one.vote.line.edges(np.concatenate([one.spikes, one.spikes + 1]))
    assert len(set(edges.tolist())) == 2 * len(spikes)


def test_public_lists_are_known_by_most_of_their_names():
    assert spelled_like(["Ohio", "Iowa", "Utah"]) == ("states of the USA", PUBLIC_NAMES["states of the USA"])
    title, names = spelled_like(["UNITED-STATES", "MEXICO", "SOUTH-KOREA"])
    assert title == "countries"
    assert "EL-SALVADOR" in names
    assert spelled_like(["jan", "feb", "dec"])[0] == "months, three letters"
    assert spelled_like(["x1", "x2"], [("x1", "x2", "x3")]) == ("public codes", ("x1", "x2", "x3"))
    for keys in ([], ["Ohio"], ["Ohio", "red", "green"], ["x", "y"]):
        assert spelled_like(keys) is None


@pytest.mark.parametrize("title", PUBLIC_NAMES)
def test_a_public_list_has_no_name_twice(title):
    names = PUBLIC_NAMES[title]
    assert len(set(names)) == len(names)
    assert all(name == " ".join(name.split()) and name for name in names)


def findings() -> Discovery:
    text = Finding("t", decided(tally(text=10_000), 1.0))
    text = replace(text, texts=tuple(f"v{n:03d}" for n in range(200)), counts=np.arange(200.0) + 1)
    line = Finding("n", decided(tally(integer=10_000), 1.0))
    line = replace(line, ticks=np.arange(102), counts=np.full(101, 100.0))
    flag = Finding("f", decided(tally(boolean=10_000), 1.0))
    return Discovery((text, line, flag), 10_000.0, 10, ())


def test_a_domain_shrinks_until_every_column_is_small():
    found, steps = findings(), 0
    while (less := smaller(found)) is not None:
        text, line, flag = less.findings
        assert len(text.texts) == len(text.counts)
        assert set(text.texts) <= set(found.findings[0].texts)
        assert len(line.ticks) == len(line.counts) + 1
        assert (line.ticks[0], line.ticks[-1]) == (0, 101)
        assert line.covered == pytest.approx(10_100)
        assert flag is found.findings[2]
        assert max(one.size for one in less.findings) < max(one.size for one in found.findings)
        found, steps = less, steps + 1
    text, line, _ = found.findings
    assert steps > 3
    assert text.others
    assert text.texts[-1] == "v199"  # the most frequent stay
    assert max(text.size, line.size) <= SMALLEST


def test_the_first_to_shrink_are_the_largest():
    text, line, _ = smaller(findings()).findings
    assert (text.size, line.size) == (100, 51)


@pytest.mark.parametrize("governor", [Governor.GDP, Governor.ZCDP])
def test_a_purse_divides_what_it_has(governor):
    loss = discovery_loss(Fraction(1), Fraction(1, 10**9), governor)
    purse = Purse(loss, governor, 3, Fraction(1, 4))
    share = purse.share_of(7, 200.0)
    assert purse.deviation_of(7, share) == pytest.approx(200.0, rel=1e-3)
    assert purse.share_of(14, 200.0) == pytest.approx(2 * share)
    assert purse.deviation_of(7, Fraction(0)) == float("inf")
    parts = [purse.part(Fraction(1, 3)) for _ in range(3)]
    assert sum(map(governor.units, parts)) <= governor.units(loss)
    assert [part.delta for part in parts] == [0, 0, 0]
    assert purse.part(Fraction(1, 3), threshold=True).delta == loss.delta
    assert 5 < purse.tails(1) < purse.tails(100) < 10


@pytest.mark.parametrize("wants", [[1, 2, 3], [0, 0, 5], [1, 0, 0]])
@pytest.mark.parametrize(("least", "most"), [(0, 1), (Fraction(1, 4), Fraction(1, 2)), (10, 12), (-1, Fraction(1, 10))])
def test_wanted_shares_never_exceed_the_most(wants, least, most):
    shares = divided({str(n): Fraction(want) for n, want in enumerate(wants)}, Fraction(least), Fraction(most))
    assert least <= sum(shares.values()) <= most
    assert [share > 0 for share in shares.values()] == [want > 0 for want in wants]


def test_what_nobody_wants_costs_nothing():
    assert divided({"a": Fraction(0)}, Fraction(1, 4), Fraction(1, 2)) == {"a": 0}
