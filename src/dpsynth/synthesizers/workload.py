"""Workloads: which marginals a user cares about, how much, and which candidates follow from them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from dpsynth.domain import Clique, Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.privacy.laws import WEIGHT_LIMIT

CANDIDATES = 5_000
"""At most this many cliques are candidates; the smallest of the widest kind are kept."""
CANDIDATE_CELLS = 1 << 20
"""A clique with more cells is a candidate only when the workload names it: its noise takes half a minute."""
ALL_CELLS = 1 << 23
"""All candidates together: 64 MB of counts and as much of estimates."""
SUBSETS = 12
"""All subsets of a named set are candidates: of a larger set than this there are too many."""
ALL_SUBSETS = 1 << 17
MARGINALS = 10_000
"""At most this many marginals are measured at once, and listed in a workload."""
_NUMBER = re.compile(r"\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?|\d{1,18}/\d{1,18}", re.ASCII)
_FORMS = "all-2way, all-3way, target:COLUMN, or a list of column lists or {columns, weight}"


@dataclass(frozen=True)
class Workload:
    """Cliques with positive exact weights. ``ways`` > 0: all cliques of that many columns instead, weighing 1 each.

    ``named``: whether the user listed the cliques one by one, so that none may be dropped silently.
    """

    cliques: tuple[Clique, ...]
    weights: tuple[Fraction, ...]
    ways: int
    named: bool
    domain: Domain

    @staticmethod
    def of(domain: Domain, given: Any) -> Workload:
        """The workload that a setting describes; ``UsageError`` when it names an absent column or says nothing."""
        if isinstance(given, str):
            return _worded(domain, given)
        cliques, weights = zip(*(_entry(domain, item) for item in listed(given)), strict=True)
        return Workload(cliques, weights, 0, named=True, domain=domain)

    @property
    def closure(self) -> tuple[Clique, ...]:
        """The downward closure W+ from pairs on, smaller kinds first, without columns of a single value.

        One-way marginals are measured before the first round. What ``CANDIDATES``, ``CANDIDATE_CELLS`` and
        ``ALL_CELLS`` do not leave room for is missing; what the user named never is.
        """
        return self._bounded[0]

    @property
    def dropped(self) -> int:
        """How many cliques of the closure the limits took away."""
        return self._bounded[1]

    @cached_property
    def _bounded(self) -> tuple[tuple[Clique, ...], int]:
        varied = tuple(name for name in self.domain if self.domain[name] > 1)
        if self.ways:
            return self._limited(*_all_ways(varied, self.ways))
        cliques = {tuple(name for name in varied if name in clique) for clique in map(set, self.cliques)}
        _check_subsets(cliques)
        parts = {
            part
            for clique in cliques
            for ways in range(2, len(clique) + 1)
            for part in itertools.combinations(clique, ways)
        }
        return (self._sorted(parts), 0) if self.named else self._limited(parts, 0)

    @property
    def joins(self) -> bool:
        """Whether any two columns that vary are to be kept together, and some such pair can be counted."""
        varied = [name for name in self.domain if self.domain[name] > 1]
        if self.ways:
            smallest = sorted(self.domain[name] for name in varied)[:2]
            return self.ways > 1 and len(varied) > 1 and math.prod(smallest) <= CANDIDATE_CELLS
        sizes = [sorted(self.domain[name] for name in set(clique) & set(varied))[:2] for clique in self.cliques]
        return any(len(pair) == 2 and (self.named or math.prod(pair) <= CANDIDATE_CELLS) for pair in sizes)

    def _limited(self, cliques: Iterable[Clique], dropped: int) -> tuple[tuple[Clique, ...], int]:
        ordered = sorted(cliques, key=lambda one: (self.domain.cells(one), len(one)))
        kept, cells = [], 0
        for clique in ordered:
            cells += self.domain.cells(clique)
            if cells > ALL_CELLS or self.domain.cells(clique) > CANDIDATE_CELLS:
                break
            kept.append(clique)
        return self._sorted(kept), dropped + len(ordered) - len(kept)

    def _sorted(self, cliques: Iterable[Clique]) -> tuple[Clique, ...]:
        return tuple(sorted(cliques, key=lambda one: (len(one), self.domain.axes(one))))

    @property
    def marginals(self) -> Mapping[Clique, Fraction]:
        """The cliques of the workload themselves with their weights, each once, axes in domain order.

        Raises ``ResourceLimitError`` when there are more than ``MARGINALS``.
        """
        if self.ways:
            varied = [name for name in self.domain if self.domain[name] > 1]
            ways = min(self.ways, len(varied))
            count = math.comb(len(varied), ways) if ways else 0
            _check_count(count)
            return dict.fromkeys(itertools.combinations(varied, ways), Fraction(1)) if ways else {}
        found: dict[Clique, Fraction] = {}
        for clique, weight in zip(self.cliques, self.weights, strict=True):
            ordered = self.domain.canonical(clique)
            found[ordered] = found.get(ordered, Fraction(0)) + weight
        return found

    @cached_property
    def scores(self) -> dict[Clique, int]:
        """w_r = Σ c_s |r ∩ s| of every candidate r, as integers with exact ratios.

        Only beyond 2**20 are they rounded (up); a weight enters the sensitivity of a selection as it is.
        """
        if self.ways:
            return {clique: len(clique) for clique in self.closure}
        # Σ_s c_s |r ∩ s| is a sum over the attributes of r.
        held = dict.fromkeys(self.domain, Fraction(0))
        for clique, weight in zip(self.cliques, self.weights, strict=True):
            for name in clique:
                held[name] += weight
        return _integers({clique: sum((held[name] for name in clique), Fraction(0)) for clique in self.closure})


def _check_count(count: int) -> None:
    if count > MARGINALS:
        raise ResourceLimitError(
            f"the workload has {count:,} marginals, above the limit of {MARGINALS:,}",
            where="workload",
            hint="Name fewer sets of columns, or use --method aim, which chooses among them.",
        )


def _check_subsets(cliques: Iterable[Clique]) -> None:
    cliques = list(cliques)
    widest = max(map(len, cliques), default=0)
    if widest > SUBSETS:
        raise ResourceLimitError(
            f"a set of the workload has {widest} columns, and too many subsets to choose among",
            where="workload",
            hint=f"Name sets of at most {SUBSETS} columns, or use --method direct, which measures sets as they are.",
        )
    if sum(1 << len(clique) for clique in cliques) > ALL_SUBSETS:
        raise ResourceLimitError(
            "the sets of the workload have too many subsets to choose among",
            where="workload",
            hint="Name fewer or smaller sets, or use --method direct, which measures sets as they are.",
        )


def listed(given: Any) -> list[Any]:
    """The items of a workload list; ``UsageError`` unless there is at least one, and not too many."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UsageError("a workload is a word or a list", where="workload", hint=f"Forms: {_FORMS}.")
    if not given:
        raise UsageError("a workload names at least one set of columns", where="workload", hint=f"Forms: {_FORMS}.")
    if len(given) > MARGINALS:
        raise UsageError(f"a workload lists at most {MARGINALS:,} sets of columns", where="workload")
    return list(given)


def plain_workload(given: Any) -> Any:
    """A workload setting as data that never changes; ``UsageError`` for what can be none over any domain."""
    found = plain(given)
    return found if isinstance(found, str) else listed(found)


def narrowed(given: Any, names: Container[str]) -> Any:
    """A plain workload without the columns that are not among ``names``; ``None`` if nothing is left of it."""
    if isinstance(given, str):
        return given if not given.startswith("target:") or given.removeprefix("target:") in names else None
    found = []
    for item in given:
        left = [name for name in (item["columns"] if isinstance(item, Mapping) else item) if name in names]
        if left:
            found.append({**item, "columns": left} if isinstance(item, Mapping) else left)
    return found or None


def checked_size(given: Any, method: str) -> None:
    """Raise ``UsageError`` unless a limit of a model's size is a positive whole number of bytes."""
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise UsageError("a model size is a whole number of bytes above 0", where=f"{method}.max_model_size")


def plain(given: Any) -> Any:
    """The setting as JSON-able data that never changes: what a model records."""
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        return {str(key): plain(value) for key, value in given.items()}
    if isinstance(given, Sequence):
        return [plain(item) for item in given]
    return str(given) if isinstance(given, Fraction) else given


def _all_ways(names: Clique, ways: int) -> tuple[list[Clique], int]:
    """All cliques of 2 to ``ways`` of these columns; of three and more only while there are few enough."""
    kept: list[Clique] = []
    dropped = 0
    for size in range(2, ways + 1):
        count = math.comb(len(names), size)
        if size > 2 and len(kept) + count > CANDIDATES:
            dropped += count
        else:
            kept += itertools.combinations(names, size)
    return kept, dropped


def _worded(domain: Domain, word: str) -> Workload:
    if word.startswith("all-") and word.endswith("way") and word[4:-3].isascii() and word[4:-3].isdecimal():
        ways = int(word[4:-3])
        if 1 <= ways <= 5:
            return Workload((), (), min(ways, max(len(domain), 1)), named=False, domain=domain)
    if word.startswith("target:"):
        return _targeted(domain, word.removeprefix("target:"))
    raise UsageError(f"unknown workload {word!r}", where="workload", hint=f"Forms: {_FORMS}.")


def _targeted(domain: Domain, target: str) -> Workload:
    """All triples that hold the target (the paper's TARGET workload); pairs when these are too many."""
    _check(domain, [target])
    others = [name for name in domain if name != target]
    size = 3 if len(domain) > 2 and math.comb(len(others), 2) <= CANDIDATES else min(2, len(domain))
    cliques = tuple(domain.canonical((target, *rest)) for rest in itertools.combinations(others, size - 1))
    return Workload(cliques, (Fraction(1),) * len(cliques), 0, named=False, domain=domain)


def _entry(domain: Domain, item: Any) -> tuple[Clique, Fraction]:
    weight: Any = 1
    if isinstance(item, Mapping):
        if set(item) - {"columns", "weight"} or "columns" not in item:
            raise UsageError("an entry has columns, and may have a weight", where="workload")
        item, weight = item["columns"], item.get("weight", 1)
    if not isinstance(item, Sequence) or isinstance(item, str) or not all(isinstance(name, str) for name in item):
        raise UsageError("an entry is a list of column names", where="workload", hint=f"Forms: {_FORMS}.")
    if not item:
        raise UsageError("a workload holds an empty set of columns", where="workload")
    _check(domain, item)
    return domain.canonical(item), _weight(weight)


def _check(domain: Domain, names: Sequence[str]) -> None:
    for name in names:
        if name not in domain:
            raise UsageError(f"the workload names a column that is not modeled: {name!r}", where="workload")
    if len(set(names)) != len(names):
        raise UsageError("a set of columns names a column twice", where="workload")


def _weight(given: Any) -> Fraction:
    problem = UsageError("a weight is a finite number above 0", where="workload")
    if isinstance(given, bool) or not isinstance(given, int | float | str | Fraction):
        raise problem
    if isinstance(given, str) and not _NUMBER.fullmatch(given):
        raise problem
    try:
        weight = Fraction(repr(float(given)) if isinstance(given, float) else given)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise problem from None
    if weight <= 0:
        raise problem
    return weight


def _integers(exact: Mapping[Clique, Fraction]) -> dict[Clique, int]:
    """Integers in the ratios of these fractions, divided by what they share."""
    if not exact:
        return {}
    scale = math.lcm(*(value.denominator for value in exact.values()))
    whole = {clique: int(value * scale) for clique, value in exact.items()}
    shared = math.gcd(*whole.values())
    whole = {clique: value // shared for clique, value in whole.items()}
    largest = max(whole.values())
    if largest <= WEIGHT_LIMIT:
        return whole
    return {clique: -(-value * WEIGHT_LIMIT // largest) for clique, value in whole.items()}
