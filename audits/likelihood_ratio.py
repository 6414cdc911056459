"""Exact likelihood-ratio audit of whole mechanisms, selection included, on made-up tables.

A fair coin decides whether a target's rows are in a table; the mechanism runs; the exact likelihood ratio of all that
it answered guesses the coin. How often it is right bounds the privacy parameters from below with exact coverage.

* the spanning tree (``mst``), unmodified, on three binary columns: by a law restated for many transcripts at once;
* that law against the shipped code, run through the room: every statistic of its transcripts, by χ² or by
  Kolmogorov–Smirnov; all comparisons together alarm falsely at most once in 1e6 runs, and they see a mechanism with
  noise 10 % low (the same comparisons, tested, with such a law);
* Gaussian noise alone: epsilon from an order statistic of exact ratios, never converted from mu;
* false alarms: a thousand games against mechanisms that lose exactly what they claim, or less.

Run: python audits/likelihood_ratio.py [--trials N] [--runs N] [--repeats N] [--parts NAME ...]
[--output FILE]. Exit status 1 on FAIL.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.audit.bounds import epsilon_lower_of_ratios
from dpsynth.audit.coded_table import CodedTable
from dpsynth.audit.game import FALSE_ALARM, Claim, played
from dpsynth.audit.gaussian_law import GaussianLaw
from dpsynth.audit.ratio import RatioAudit, Setting, audit_gaussian, audit_tree, tree_ratios
from dpsynth.audit.tree_law import PAIRS, Outputs, Questions, TreeLaw
from dpsynth.audit.tree_prices import TreePrices
from dpsynth.audit.worst_case import BINARY, WorstCase, tree_divergence, worst_case
from dpsynth.curator.curator import Curator
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import check_affordable
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt
from dpsynth.synthesizers import synthesizer

DELTA = Fraction(1, 10**5)
EPSILONS = (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4), Fraction(10))
ALPHA = 0.05
MARGIN = 10
"""χ² and Kolmogorov–Smirnov are approximate in their tails: the threshold is ten times tighter than the stated rate."""
PERSON = 20
"""Rows of a person in the audits of Gaussian noise alone: with few rows a pool of large epsilon is bound by the
smallest scale that mu² is proved for, and charges less than it holds.
"""
PARTS = ("trees", "gaussian", "room", "alarms")
GAUSSIAN_TRIALS = 80_000_000


class Counted:
    """A transaction that is kept in memory: it grants draws as a ledger's does and takes them off what remains."""

    def __init__(self, governor: Governor, budget: PrivacyLoss) -> None:
        self.governor, self.remaining = governor, budget
        self._number = 0

    def draw(self, loss: PrivacyLoss, _question: dict[str, Any]) -> Receipt:
        """Take a loss off what is left; ``BudgetExceededError`` if it does not suffice."""
        check_affordable(self.governor, loss, self.remaining)
        self.remaining = self.remaining.minus(loss)
        self._number += 1
        return Receipt("made-up", self._number, "0" * 64, loss)


def through_the_room(table: CodedTable, setting: Setting, runs: int) -> list[tuple[NoisyMarginal | Selection, ...]]:
    """The answers of so many fits of the shipped ``mst``, by the curator and OpenDP's noise."""
    fit = synthesizer("mst").fit
    found = []
    for _ in range(runs):
        curator = Curator(table, setting.unit, Counted(setting.governor, setting.loss))  # type: ignore[arg-type]
        found.append(fit(curator).answers)
    return found


def as_outputs(transcripts: list[tuple[NoisyMarginal | Selection, ...]]) -> Outputs:
    """The same answers as the restated law writes them."""
    runs = len(transcripts)
    outputs = Outputs(
        one_ways=np.zeros((runs, 3, 2), dtype=np.int64),
        again=np.zeros((runs, 3, 2), dtype=np.int64),
        picked=np.zeros((runs, 2), dtype=np.int64),
        pairs=np.zeros((runs, 2, 2, 2), dtype=np.int64),
        scales=np.zeros((runs, 2)),
    )
    names = list(BINARY)
    numbers = {tuple(names[column] for column in pair): index for index, pair in enumerate(PAIRS)}
    for run, answers in enumerate(transcripts):
        ones = [answer.values for answer in answers if len(answer.clique) == 1]
        outputs.one_ways[run] = ones[:3]
        if len(ones) > 3:
            outputs.again[run] = ones[3:]
        pairs = [answer for answer in answers if isinstance(answer, NoisyMarginal) and len(answer.clique) == 2]
        for place, answer in enumerate(pairs):
            first, second = answer.values.shape
            outputs.pairs[run, place, :first, :second] = answer.values
            outputs.scales[run, place] = answer.scale
            outputs.picked[run, place] = numbers[answer.clique]
    return outputs


def statistics(
    law: TreeLaw, outputs: Outputs, questions: Questions, table: NDArray[np.int64], neighbors: WorstCase
) -> dict[str, NDArray[Any]]:
    """What is compared: figures of every run. Whole numbers with few values are compared as categories."""
    columns = np.array([table.sum(axis=(1, 2)), table.sum(axis=(0, 2)), table.sum(axis=(0, 1))])
    noise = (outputs.one_ways - columns) / law.prices.one_way
    looked = questions.level > 0
    again = np.where(
        looked[:, None, None], (outputs.again - columns) / law.prices.again[questions.level, None, None], 0
    )
    return {
        "likelihood ratio": law.log_ratios(outputs, questions, neighbors.table, neighbors.without),
        "picked pairs": 3 * outputs.picked[:, 0] + outputs.picked[:, 1],
        "second look": questions.level,
        "merged columns": questions.merged.sum(axis=1),
        "noise of the first look": (noise**2).sum(axis=(1, 2)),
        "noise of the second look": (again**2).sum(axis=(1, 2)),
        "noise of one cell": noise[:, 0, 0],
        "first pair": outputs.pairs[:, 0].sum(axis=(1, 2)),
        "second pair": outputs.pairs[:, 1].sum(axis=(1, 2)),
        "spread of the first pair": _spread(outputs, 0),
        "spread of the second pair": _spread(outputs, 1),
        "scales of the pairs": outputs.scales.sum(axis=1),
    }


def _spread(outputs: Outputs, place: int) -> NDArray[np.float64]:
    values = outputs.pairs[:, place].reshape(len(outputs.pairs), 4)
    found: NDArray[np.float64] = ((values / outputs.scales[:, [place]]) ** 2).sum(axis=1)
    return found


def compared(shipped: dict[str, NDArray[Any]], restated: dict[str, NDArray[Any]]) -> dict[str, float]:
    """The p-value of every comparison of two samples."""
    found = {}
    for name, values in shipped.items():
        categorical = values.dtype.kind == "i" and len(np.unique(restated[name])) <= 25
        test = _categories if categorical else _distributions
        found[name] = test(values, restated[name])
    return found


def _categories(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Pearson's χ² of homogeneity; rare categories (fewer than 25 expected in the smaller sample) are put together."""
    names, which = np.unique(np.concatenate([one, other]), return_inverse=True)
    counts = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(which, [len(one)])])
    rare = counts.sum(axis=0) * (len(one) / counts.sum()) < 25
    counts = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    counts = counts[:, counts.sum(axis=0) > 0]
    return float(stats.chi2_contingency(counts).pvalue) if counts.shape[1] > 1 else 1.0


def _distributions(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Kolmogorov–Smirnov of two samples: conservative where values repeat. Rounded: equal sums in another order."""
    return float(stats.ks_2samp(np.round(one, 9), np.round(other, 9), method="asymp").pvalue)


def agreement(setting: Setting, runs: int, restated: int, shipped: TreeLaw | None = None) -> dict[str, Any]:
    """The shipped code against the restated law on both neighbors.

    ``shipped``: a law to draw from instead of the room, for seeing what the comparison sees.
    """
    law = TreeLaw(TreePrices(setting.governor, setting.loss, setting.rows))
    search, rng = setting.generators
    neighbors = worst_case(tree_divergence(law, search), setting.rows, search)
    p_values = {}
    for world, table, coded in zip(
        ("with", "without"), (neighbors.table, neighbors.without), neighbors.coded, strict=True
    ):
        if shipped is None:
            outputs = as_outputs(through_the_room(coded, setting, runs))
        else:
            outputs, _ = shipped.drawn(table, runs, rng)
        seen = statistics(law, outputs, law.questions(outputs.one_ways, outputs.again), table, neighbors)
        drawn, questions = law.drawn(table, restated, rng)
        expected = statistics(law, drawn, questions, table, neighbors)
        p_values |= {f"{name}, {world}": value for name, value in compared(seen, expected).items()}
    return {
        **setting.to_dict(),
        "neighbors": neighbors.to_dict(),
        "runs_a_world": runs,
        "restated_a_world": restated,
        "false_alarm": FALSE_ALARM,
        "p_values": p_values,
        "verdict": "FAIL" if min(p_values.values()) < FALSE_ALARM / MARGIN / len(p_values) else "PASS",
    }


def false_alarms(repeats: int, tree_repeats: int | None = None) -> list[dict[str, Any]]:
    """Games of 2,000 runs a world against true claims: how many would be refuted at ``ALPHA``.

    Gaussian noise alone loses what it claims, to four digits, so about alpha of its games are refuted; the spanning
    tree loses a little less. The verdict is FAIL above the binomial's quantile for one false alarm in 1e6.
    """
    cases: list[tuple[str, Callable[[np.random.Generator], bool]]] = [
        ("Gaussian noise, accuracy", _gaussian_game(Setting(Fraction(4), DELTA, Governor.GDP, 4_000, PERSON))),
        (
            "Gaussian noise, epsilon",
            _gaussian_epsilon(Setting(Fraction(4), Fraction(1, 100), Governor.GDP, 4_000, PERSON)),
        ),
        ("mst, accuracy", _tree_game(Setting(Fraction(4), DELTA, Governor.ZCDP, 4_000))),
    ]
    found = []
    for name, refuted in cases:
        rng = np.random.default_rng(11)
        games_played = tree_repeats or repeats if name.startswith("mst") else repeats
        alarms = sum(refuted(rng) for _ in range(games_played))
        most = int(stats.binom.isf(FALSE_ALARM, games_played, ALPHA))
        verdict = "FAIL" if alarms > most else "PASS"
        found.append({"game": name, "repeats": games_played, "refuted": alarms, "at_most": most, "verdict": verdict})
    return found


def _gaussian_game(setting: Setting) -> Callable[[np.random.Generator], bool]:
    law = GaussianLaw.of(setting.governor, setting.loss, setting.rows, [1])
    claim = Claim.of(setting.governor, setting.loss)

    def refuted(rng: np.random.Generator) -> bool:
        return played(lambda held, other: law.ratios(held, other, rng), claim, setting.trials, rng).p_value < ALPHA

    return refuted


def _gaussian_epsilon(setting: Setting) -> Callable[[np.random.Generator], bool]:
    law = GaussianLaw.of(setting.governor, setting.loss, setting.rows, [1])

    def refuted(rng: np.random.Generator) -> bool:
        held, _ = law.ratios(setting.trials // 2, 0, rng)
        bound = epsilon_lower_of_ratios(held, ALPHA, setting.converted_delta, rng)
        return bound is not None and bound > float(setting.epsilon)

    return refuted


def _tree_game(setting: Setting) -> Callable[[np.random.Generator], bool]:
    law = TreeLaw(TreePrices(setting.governor, setting.loss, setting.rows))
    search, _ = setting.generators
    neighbors = worst_case(tree_divergence(law, search), setting.rows, search)
    claim = Claim.of(setting.governor, setting.loss, law.prices.most_mu2)

    def refuted(rng: np.random.Generator) -> bool:
        return (
            played(
                lambda held, other: tree_ratios(law, neighbors, held, other, rng),
                claim,
                setting.trials,
                rng,
            ).p_value
            < ALPHA
        )

    return refuted


def tree_games(trials: int) -> Iterator[RatioAudit]:
    """The spanning tree in pools of both currencies."""
    for governor in (Governor.ZCDP, Governor.GDP):
        for epsilon in EPSILONS:
            yield audit_tree(Setting(epsilon, DELTA, governor, trials, seed=1))


def gaussian_games(trials: int) -> Iterator[RatioAudit]:
    """Gaussian noise alone."""
    for epsilon in (Fraction(1), Fraction(4), Fraction(10)):
        yield audit_gaussian(Setting(epsilon, DELTA, Governor.GDP, trials, rows=PERSON, seed=1), [1])


def told(games: Iterator[RatioAudit]) -> list[dict[str, Any]]:
    """The games as JSON-able data, each printed when it ends."""
    found, before = [], time.process_time()
    for audit in games:
        now = time.process_time()
        print(f"{line(audit)}, {now - before:.1f} CPU s", flush=True)
        found.append(audit.to_dict() | {"cpu_seconds": round(now - before, 1)})
        before = now
    return found


def room(runs: int) -> list[dict[str, Any]]:
    """The law and the shipped code."""
    before = time.process_time()
    found = agreement(Setting(Fraction(4), DELTA, Governor.ZCDP, 1, seed=1), runs, 200_000)
    found["cpu_seconds"] = round(time.process_time() - before, 1)
    smallest = min(found["p_values"].values())
    print(f"law and shipped code: {found['verdict']}, smallest p {smallest:.3g}, {found['cpu_seconds']} CPU s")
    return [found]


def alarms(repeats: int) -> list[dict[str, Any]]:
    """The rates of false alarms."""
    found = false_alarms(repeats)
    for item in found:
        print(f"false alarms, {item['game']}: {item['refuted']} of {item['repeats']}, at most {item['at_most']}")
    return found


def report(parts: dict[str, list[dict[str, Any]]], command: str, cpu_seconds: float) -> dict[str, Any]:
    """The result as JSON-able data."""
    verdicts = [item["verdict"] for part in parts.values() for item in part]
    return {
        "audit": "likelihood ratio",
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "verdict": "FAIL" if "FAIL" in verdicts else "PASS",
        "cpu_seconds": round(cpu_seconds, 1),
        "versions": {name: version(name) for name in ("dpsynth", "opendp", "numpy", "scipy")}
        | {"python": platform.python_version()},
        **parts,
    }


def line(audit: RatioAudit) -> str:
    """One game in one line."""
    game, setting = audit.played, audit.setting
    epsilon = "" if game.epsilon_lower is None else f", epsilon at least {game.epsilon_lower:.3f}"
    return (
        f"{audit.mechanism} {setting.governor.value} epsilon {float(setting.epsilon):g}: mu at least "
        f"{game.mu_lower:.4f} (ratio {audit.ratio:.3f}, ceiling {game.mu_ceiling:.1f}){epsilon}, p = {game.p_value:.2g}"
    )


def main(arguments: list[str]) -> int:
    """Run the audit, write the dated result, print one line per game."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=800_000, help="transcripts of a game of the spanning tree")
    parser.add_argument("--runs", type=int, default=2_000, help="runs of the shipped code on each neighbor")
    parser.add_argument("--repeats", type=int, default=1_000, help="games for the rate of false alarms")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="default: all")
    parser.add_argument("--output", type=Path, help="default: audits/likelihood-ratio-DATE.json")
    options = parser.parse_args(arguments)
    started = time.process_time()
    run: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "trees": lambda: told(tree_games(options.trials)),
        "gaussian": lambda: told(gaussian_games(GAUSSIAN_TRIALS)),
        "room": lambda: room(options.runs),
        "alarms": lambda: alarms(options.repeats),
    }
    sizes = f"--trials {options.trials} --runs {options.runs} --repeats {options.repeats}"
    command = f"python audits/likelihood_ratio.py {sizes} --parts {' '.join(options.parts)}"
    result = report({part: run[part]() for part in options.parts}, command, time.process_time() - started)
    output = options.output or Path(__file__).parent / f"likelihood-ratio-{result['date']}.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['verdict']}: {output.name}")
    return int(result["verdict"] == "FAIL")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
