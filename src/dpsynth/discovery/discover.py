"""Discovery of a domain under differential privacy: which questions are asked, and what is made of their answers.

Only the header is public. Everything here depends on released answers alone; every answer is charged by whoever serves
``Discoverable``. Decision record 15 explains the questions and how the shares were found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.cuts import Cut, apart, equal_rows, singles
from dpsynth.discovery.findings import Finding
from dpsynth.discovery.histograms import settled, smoothed
from dpsynth.discovery.listing import completed, list_partition, listed, pruned, rest, with_spikes
from dpsynth.discovery.magnitudes import SINGLES, Line, grid
from dpsynth.discovery.purse import Purse, divided
from dpsynth.discovery.questions import Discoverable, Partition, Partitions, ordered_partition
from dpsynth.discovery.roundness import Ticks
from dpsynth.discovery.votes import Vote, decided, rows_of
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.schema.kinds import KINDS, KindCodec

VOTE = Fraction(2, 100)
VOTE_AGAIN = Fraction(12, 100)
"""Shares of the reservation for the vote on types, and for a second one when the first left a column uncertain."""
BINS = 1.75
MOST_BINS = 48
"""Ordered columns get so many times √(rows / noise) bins: bias falls with their number, the noise of pairs grows with
it. Values that have a bin of their own are not counted.
"""
BIN_NOISE = 4.0
"""A bin holds at least so many standard deviations of the noise that its one-way count will have in the fit."""
SEEN, FEW_NOISE = 2.5, 2.0
"""Where values are few, each has a bin between the first and the last that are seen, with so many deviations; beyond
them a bin holds at least so many deviations of the noise of the fit.
"""
SPIKE = 0.005
"""Single values of wide ranges are asked for when the first threshold is at most such a part of the rows."""

_THRESHOLD = 0.0055
_DISTINCT = 0.01
_MAGNITUDE = 0.002
_GRID = 0.0013
"""What discovery wants: a threshold of categories, and deviations of its counts, as parts of the rows."""
_LEAST = Fraction(1, 3)
"""The least part of its share that discovery spends: with many rows precision is cheap."""

FIRST_ROUND = Fraction(1, 5)
"""The part of what categories get that goes to the first of two rounds."""

UNIQUE = 0.8
UNIQUE_NUMBERS = 0.97
FEW = 0.05
"""An identifier has nearly as many different texts as rows (numbers may by chance); a code has few."""
NOTED = 0.02
"""A column of missing cells is called empty when so small a part of filled ones would have been seen."""
CODE = 1 << 16
"""Whole numbers of which most are this large may be codes."""

Answer = NoisyMarginal | Categories | DistinctCount
Report = Callable[[float], object]


@dataclass(frozen=True, eq=False)
class Discovery:
    """What was found about every column, and the answers that it rests on. ``rows``: the estimated number of rows;
    ``threshold``: the noisy count from which a value is released, ``None`` if no values were asked for.
    """

    findings: tuple[Finding, ...]
    rows: float
    threshold: int | None
    answers: tuple[Answer, ...]


def discover(asker: Discoverable, purse: Purse, report: Report = lambda _: None) -> Discovery:
    """The columns of the table behind ``asker``, within ``purse``. Cost: four passes over the table or fewer."""
    return _Search(asker, purse).run(report)


class _Search:
    """The questions in their order. State: the answers so far."""

    def __init__(self, asker: Discoverable, purse: Purse) -> None:
        self._asker = asker
        self._purse = purse
        self._answers: list[Answer] = []
        self._rows = 0.0
        self._threshold: int | None = None
        self._spent = Fraction(0)

    def run(self, report: Report) -> Discovery:
        votes = self._votes()
        report(0.25)
        shares = self._shares(votes)
        found = self._sized(votes, shares)
        report(0.5)
        masses = self._magnitudes(found, shares)
        report(0.75)
        found = {name: _ranged(one, masses.get(name)) for name, one in found.items()}
        found = self._named(found, masses, shares)
        found = self._cut(found, masses, shares)
        return Discovery(tuple(found.values()), self._rows, self._threshold, tuple(self._answers))

    def _votes(self) -> dict[str, Vote]:
        """The type vote: asked once more, with a larger share, while noise may have turned it for some column."""
        names = self._asker.names
        counts, weight = np.zeros((len(names), len(KINDS))), 0.0
        votes: list[Vote] = []
        # However small the share of discovery is, a quarter of it is left for the other questions.
        for share in (min(VOTE, self._purse.most / 4), min(VOTE_AGAIN, self._purse.most / 2)):
            asked = self._ask(dict.fromkeys(names, KindCodec()), share)
            precision = asked[0].deviation ** -2
            counts += precision * np.array([answer.values for answer in asked])
            weight += precision
            votes = [decided(row, weight**-0.5) for row in counts / weight]
            if all(vote.certain for vote in votes):
                break
        self._rows = rows_of(list(counts / weight))
        return dict(zip(names, votes, strict=True))

    def _shares(self, votes: Mapping[str, Vote]) -> dict[str, Fraction]:
        """What is left of the share on the questions to come, by what they need for so many rows."""
        # Values of numbers are asked for, and lists completed, in tables without any column of text or any in order.
        texts = max(sum(vote.kind in _TEXTS for vote in votes.values()), 1)
        lines = max(sum(vote.line is not None for vote in votes.values()), 1)
        rows, purse = max(self._rows, 1.0), self._purse
        wants = {
            "distinct": purse.share_of(len(votes), _DISTINCT * rows),
            "magnitudes": purse.share_of(lines, _MAGNITUDE * rows),
            "categories": purse.share_of(texts, _THRESHOLD * rows / purse.tails(texts)),
            "grids": purse.share_of(lines, _GRID * rows),
        }
        return divided(wants, _LEAST * purse.most - self._spent, purse.most - self._spent)

    def _sized(self, votes: Mapping[str, Vote], shares: Mapping[str, Fraction]) -> dict[str, Finding]:
        """Columns with the number of their different texts; identifiers and what cannot be modeled are dropped."""
        asked = [name for name, vote in votes.items() if vote.kind in (*_TEXTS, "integer")]
        sizes: dict[str, int] = {}
        if asked:
            answers = self._asker.distinct(asked, self._spend(shares["distinct"]))
            self._answers += answers
            sizes = {answer.column: answer.value for answer in answers}
        noise = self._distinct_noise
        return {name: _kept(Finding(name, vote, sizes.get(name)), noise) for name, vote in votes.items()}

    @property
    def _distinct_noise(self) -> float:
        """The standard deviation of the numbers of different texts."""
        return max((answer.deviation for answer in self._answers if isinstance(answer, DistinctCount)), default=0.0)

    def _magnitudes(
        self, found: Mapping[str, Finding], shares: Mapping[str, Fraction]
    ) -> dict[str, NDArray[np.float64]]:
        """Where the rows of ordered columns are, roughly."""
        lines = {name: one.line for name, one in found.items() if one.modeled and one.line is not None}
        if not lines:
            return {}
        parts = {name: ordered_partition(line.scale, line.edges(line.magnitudes)) for name, line in lines.items()}
        asked = self._ask(parts, shares["magnitudes"])
        return {answer.clique[0]: settled(answer.values[:-1], answer.deviation) for answer in asked}

    def _named(
        self, found: dict[str, Finding], masses: Mapping[str, NDArray[np.float64]], shares: Mapping[str, Fraction]
    ) -> dict[str, Finding]:
        """Columns with their frequent values: of text, and of whole numbers that look like codes.

        A first round tells which columns are complete; the others share a second, more precise one, with the numbers of
        a wide range, of which single values may be frequent.
        """
        doubt = self._distinct_noise
        wanted = [
            n for n, one in found.items() if one.modeled and (one.vote.kind in _TEXTS or _coded(one, masses, doubt))
        ]
        wide = [n for n, one in found.items() if one.modeled and n not in wanted and _wide(one, masses)]
        answers: dict[str, list[Categories]] = {name: [] for name in (*wanted, *wide)}
        outcome: dict[str, Finding] = {}
        for part, asked in ((FIRST_ROUND, wanted), (1 - FIRST_ROUND, [])):
            names = asked or [*(n for n in wanted if _incomplete(outcome[n])), *wide]
            if not names:
                break
            loss = self._spend(shares["categories"] * part, threshold=True)
            for answer in self._asker.categories(names, replace(loss, delta=loss.delta // 2)):
                answers[answer.column].append(answer)
                self._answers.append(answer)
            outcome = {name: listed(found[name], answers[name]) for name in wanted}
            if any(answer.threshold > SPIKE * self._rows for each in answers.values() for answer in each):
                wide = []
        self._threshold = min((one.threshold for each in answers.values() for one in each), default=None)
        known = {name: completed(one) for name, one in outcome.items()}
        numbers = [name for name in answers if name not in outcome]
        return found | known | {name: with_spikes(found[name], answers[name]) for name in numbers}

    def _cut(
        self, found: dict[str, Finding], masses: Mapping[str, NDArray[np.float64]], shares: Mapping[str, Fraction]
    ) -> dict[str, Finding]:
        """Ordered columns with their bins, cut from finer histograms; completed lists without the names nobody has."""
        noise = self._noise(sum(one.modeled for one in found.values()))
        bins = round(min(max(BINS * math.sqrt(self._rows / noise), 1), MOST_BINS))
        lines = {name: one.line for name, one in found.items() if one.modeled and one.line is not None}
        ticks = {name: grid(line, masses[name], 4 * bins) for name, line in lines.items()}
        parts: dict[str, Partition] = {
            n: list_partition(one) for n, one in found.items() if one.modeled and one.listing
        }
        parts |= {name: ordered_partition(line.scale, line.edges(ticks[name])) for name, line in lines.items()}
        for answer in self._ask(parts, shares["grids"]) if parts else ():
            (name,) = answer.clique
            one = found[name]
            if name not in lines:
                found[name] = pruned(one, answer, self._rows)
                continue
            cut = _bins_of(lines[name], ticks[name], answer, bins, noise)
            cut = apart(cut, one.spikes, BIN_NOISE * noise)
            found[name] = replace(one, ticks=cut.ticks, counts=cut.masses)
        return found

    def _noise(self, columns: int) -> float:
        """About the standard deviation of a one-way count of the fit, which has what discovery leaves."""
        return self._purse.deviation_of(max(columns, 1), (1 - self._spent) * Fraction(2, 5))

    def _ask(self, partitions: Mapping[str, Partition], share: Fraction) -> tuple[NoisyMarginal, ...]:
        answers = self._asker.counts(Partitions(partitions), self._spend(share))
        self._answers += answers
        return answers

    def _spend(self, share: Fraction, *, threshold: bool = False) -> PrivacyLoss:
        """This share of the reservation, written down as spent."""
        self._spent += share
        return self._purse.part(share, threshold=threshold)


_TEXTS = ("text", "digits", "mixed", "uuid", "email")


def _bins_of(line: Line, ticks: Ticks, answer: NoisyMarginal, bins: int, noise: float) -> Cut:
    """Bins of about equally many rows; where values are few, one for each value."""
    counts = answer.values[:-1]
    masses = smoothed(counts, answer.deviation)
    if not masses.any():
        masses = np.ones_like(masses)
    held = np.flatnonzero(masses)
    inside = slice(int(held[0]), int(held[-1]) + 1)
    cells = Cut(ticks[inside.start : inside.stop + 1], masses[inside])
    if len(cells.masses) <= SINGLES and bool((np.diff(cells.ticks) == 1).all()):
        return singles(cells, np.flatnonzero(counts[inside] > SEEN * answer.deviation), FEW_NOISE * noise)
    return equal_rows(cells, bins, BIN_NOISE * noise, calendar=line.calendar)


def _kept(one: Finding, deviation: float) -> Finding:
    """The column, or why it is dropped: by its type and its number of different texts."""
    kind = one.vote.kind
    if not one.vote.certain:
        return one.without("the noise hides what it holds; a larger epsilon or more rows would show it")
    if kind == "empty":
        hidden = one.vote.deviation > NOTED * one.vote.missing
        reason = "most of its cells are missing; the noise hides what the others hold"
        return one.without(reason if hidden else "nearly every cell is missing")
    if kind == "long text":
        return one.without("it holds free text, which no marginal can describe")
    return one if one.distinct is None else _unless_identifier(one, one.distinct, deviation)


def _unless_identifier(one: Finding, distinct: int, deviation: float) -> Finding:
    kind, rows = one.vote.kind, one.vote.rows
    sure = rows > 5 * deviation
    unique = UNIQUE_NUMBERS if kind == "integer" else UNIQUE
    if sure and distinct >= unique * rows and not one.vote.group:
        generate = {"uuid": "uuid", "integer": "sequence"}.get(kind)
        return one.without("nearly every row has a value of its own: it identifies rows", generate)
    if kind in ("uuid", "email") and (not sure or distinct > FEW * rows):
        return one.without("it identifies people or records", "uuid" if kind == "uuid" else None)
    return one


def _ranged(one: Finding, masses: NDArray[np.float64] | None) -> Finding:
    if masses is None or masses.any():
        return one
    return one.without("the noise hides its range; a larger epsilon or more rows would show it")


def _coded(one: Finding, masses: Mapping[str, NDArray[np.float64]], doubt: float) -> bool:
    """Whether whole numbers may be codes: mostly large, and perhaps few different ones."""
    line = one.vote.line
    if line is None or one.vote.kind != "integer" or one.vote.group or one.distinct is None:
        return False
    starts = line.magnitudes[:-1]
    held = masses[one.name]
    large = float(held[starts >= CODE].sum()) >= 0.5 * float(held.sum())
    return large and one.distinct <= FEW * one.vote.rows + 2 * doubt


def _wide(one: Finding, masses: Mapping[str, NDArray[np.float64]]) -> bool:
    """Whether it is a number whose values are too many for a bin each."""
    line = one.vote.line
    if line is None or line.calendar or one.name not in masses:
        return False
    held = np.flatnonzero(masses[one.name])
    return int(line.magnitudes[held[-1] + 1]) - int(line.magnitudes[held[0]]) > SINGLES


def _incomplete(one: Finding) -> bool:
    """Whether more frequent values may be found: rows are left over, or none was frequent enough."""
    others, doubt = rest(one)
    return not one.texts or others > doubt
