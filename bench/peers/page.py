"""The page of the comparison, bench/results/peers.md, and its plots: everything on it comes from the JSON lines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.peers import quoted
from bench.peers.cells import LIMIT_SECONDS
from bench.peers.drawing import Plot, Series, draw
from bench.peers.environments import PEERS
from bench.peers.records import RESULTS, Cell, Record, Result, results
from bench.peers.tables import SOURCES, SPLIT_SEED, TITLES

from dpsynth.pipeline.plan import DEFAULT_METHOD

EPSILONS = ("0.1", "1", "10")
COLORS = {
    "dpsynth": "#0b5cad",
    "dpmm": "#c2540a",
    "opendp": "#1a7f37",
    "smartnoise": "#8250df",
    "datasynthesizer": "#9a6700",
}
MARKERS = {"mst": "circle", "aim": "square", "auto": "star", "privbayes": "triangle", "independent": "diamond"}
METHODS = {
    "mst": "MST",
    "mst-rounded": "MST, default rounding",
    "aim": "AIM",
    "aim-pairs": "AIM, workload of pairs",
    "auto-fast": "auto, effort fast",
    "auto-target": "auto, workload target",
    "privbayes": "PrivBayes",
}
DRAWN = ("auto", "aim", "mst", "independent")
"""The methods of this library in the plots; their variants stand in the tables only."""
GUIDES = {"bootstrap": "bootstrap of the real rows", "shuffled": "columns shuffled (independence)"}
HEADER = ("ε", "library", "method", "runs", "outcome", "CPU s", "peak MB", "TVD1", "TVD2", "TVD3", "workload error")
CLASSIFIED = ("AUC boosting", "AUC logistic")
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
INTRODUCTION = f"""\
# dpsynth beside its peers

Written by `python -m bench.peers page` from the JSON lines in this folder (`peers-DATE.jsonl`, one line a run, with
versions); nothing here was typed in by hand but the quoted figures at the end. How to repeat it: `bench/README.md`.

Every method gets the same codes of the same random 80 % of the rows (seed {SPLIT_SEED}), the public number of codes of
every column, ε and δ = 1e-9 (one row more or less), and is asked for as many synthetic rows as it saw. A process of its
own runs it, from the start of Python to the written CSV, with a limit of {LIMIT_SECONDS // 60} minutes of CPU time for
its process tree. A run that met the limit, or died, stands in the tables as what it was.

- **TVDk**: mean over all k-way marginals of half the L1 distance of shares, against the 80 %; smaller is better.
- **Workload error**: mean over all 3-way marginals of the L1 distance of counts, as a share of the rows.
- **AUC**: gradient boosting and one-hot logistic regression, trained on synthetic rows, tested on the real other 20 %.
- **CPU s**: user + system of the whole process tree; **peak**: resident memory in 10⁶ bytes. The cores were
  shared with other work, and CPU time is no constant then: between two measurements of one method we saw a factor of
  1.8. Read orders of magnitude.
- Fits of this library are means, with half a 95 % interval (Student's t) behind TVD3; peers ran once a cell.
- Three yardsticks that are not private: the real rows themselves, a bootstrap of them (how far n fresh rows would lie)
  and the columns shuffled (exact 1-way marginals, no dependence).
- OpenDP 0.16 and smartnoise-synth 1.0.8 come with mbi 1.1.0, whose default way to make rows ties columns together that
  its model holds independent (mended later: pull request 145 of ryan112358/mbi). OpenDP has a public option without the
  fault for trees, used here but for "default rounding"; smartnoise-synth has none.
- OpenDP 0.16's MST refuses most budgets after it read the rows; refused tries are counted in the table and are part of
  its CPU time.
- DataSynthesizer's guarantee is pure ε (δ = 0), and it and smartnoise-synth read the values of a column from the rows.
"""


def table(found: Mapping[Cell, Result], name: str) -> list[str]:
    """The Markdown table of one table of data: yardsticks first, then by ε and error."""
    here = [result for (data, *_), result in found.items() if data == name]
    classified = any(result.mean("auc_boosting") is not None for result in here)
    lines = row((*HEADER, *(CLASSIFIED if classified else ()))) + row(["---"] * (11 + 2 * classified))
    for result in sorted(here, key=_order):
        lines += row(_cells(result)[: None if classified else -2])
    return lines


def row(cells: Sequence[str]) -> list[str]:
    """One line of a Markdown table."""
    return ["| " + " | ".join(cells) + " |"]


def _order(result: Result) -> tuple[float, float]:
    error = result.mean("tvd3")
    return (float(result.cell[3] or 0), math.inf if error is None else error)


def _cells(result: Result) -> list[str]:
    _, peer, method, epsilon = result.cell
    reasons = sorted({run["reason"] for run in result.runs if run["reason"]})
    outcome = result.outcome + (f" ({'; '.join(reasons)})" if reasons else "")
    costs = [_number(result.mean("cpu_seconds"), 1), _number(result.mean("peak_mb"), 0)]
    errors = [_number(result.mean(f"tvd{ways}"), 4) for ways in (1, 2, 3)]
    errors[2] += _interval([run["tvd3"] for run in result.runs if "tvd3" in run])
    rest = [_number(result.mean(name), places) for name, places in _REST]
    return [epsilon or "–", peer, METHODS.get(method, method), str(len(result.runs)), outcome, *costs, *errors, *rest]


_REST = (("workload_error", 4), ("auc_boosting", 3), ("auc_logistic", 3))


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _interval(values: Sequence[float]) -> str:
    if len(values) not in T_95:
        return ""
    return f" ± {T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values)):.4f}"


def ratios(found: Mapping[Cell, Result]) -> list[tuple[str, str, str, float]]:
    """(table, ε, best peer, TVD3 of this library's default method / TVD3 of that peer) where both finished."""
    lines = []
    for data in SOURCES:
        for epsilon in EPSILONS:
            ours = found.get((data, "dpsynth", DEFAULT_METHOD, epsilon))
            theirs = [
                (result.mean("tvd3"), result.cell)
                for cell, result in found.items()
                if cell[0] == data and cell[1] in PEERS and cell[3] == epsilon and result.mean("tvd3") is not None
            ]
            error = ours.mean("tvd3") if ours else None
            if error is not None and theirs:
                best, cell = min(theirs)
                lines.append((data, epsilon, f"{cell[1]} {METHODS[cell[2]]}", error / best))
    return lines


def missing(found: Mapping[Cell, Result]) -> list[str]:
    """What the comparison still lacks, one line a table and peer."""
    lines = []
    for data in SOURCES:
        for peer in PEERS.values():
            absent = [
                f"{METHODS[method]} at ε = {epsilon}"
                for method in peer.methods
                for epsilon in EPSILONS
                if (data, peer.name, method, epsilon) not in found
            ]
            if absent:
                whole = len(absent) == len(peer.methods) * len(EPSILONS)
                lines.append(f"- {TITLES[data]}, {peer.name}: {'everything' if whole else ', '.join(absent)}")
    return lines


def series(found: Mapping[Cell, Result], name: str, x: str) -> tuple[Series, ...]:
    """One series per method: TVD3 against ``epsilon``, or at ε = 1 against ``cpu_seconds``."""
    lines = {}
    for (data, peer, method, epsilon), result in found.items():
        error = result.mean("tvd3")
        if data != name or peer not in COLORS or error is None or (x != "epsilon" and epsilon != "1"):
            continue
        if peer == "dpsynth" and method not in DRAWN:
            continue
        across = float(epsilon) if x == "epsilon" else result.mean(x)
        if across:
            lines.setdefault((peer, method), []).append((across, error))
    return tuple(
        Series(
            f"{peer} {METHODS.get(method, method)}", COLORS[peer], MARKERS.get(method, "circle"), tuple(sorted(line))
        )
        for (peer, method), line in sorted(lines.items())
    )


def plots(found: Mapping[Cell, Result], name: str) -> dict[str, str]:
    """File name to SVG text: error against ε, error against CPU seconds."""
    yardsticks = ((label, found.get((name, "reference", kind, ""))) for kind, label in GUIDES.items())
    guides = tuple((label, result.mean("tvd3") or 0.0) for label, result in yardsticks if result)
    unfinished = tuple(
        (
            f"{cell[1]} {METHODS.get(cell[2], cell[2])}: {result.outcome}",
            COLORS[cell[1]],
            result.mean("cpu_seconds") or 0,
        )
        for cell, result in sorted(found.items())
        if cell[0] == name and cell[3] == "1" and result.outcome != "finished"
    )
    error = "mean distance of all 3-way marginals (TVD3)"
    against_epsilon = Plot(
        f"{TITLES[name]}: error against ε",
        *("ε (δ = 1e-9)", error),
        series(found, name, "epsilon"),
        guides,
        x_ticks=tuple(map(float, EPSILONS)),
    )
    against_cpu = Plot(
        f"{TITLES[name]}, ε = 1: error against CPU time",
        *("CPU seconds of the whole process tree", error),
        series(found, name, "cpu_seconds"),
        guides,
        unfinished,
    )
    drawn = {f"peers-{name}-epsilon.svg": draw(against_epsilon), f"peers-{name}-cpu.svg": draw(against_cpu)}
    return {file: text for file, text in drawn.items() if text}


def text(records: Sequence[Record]) -> str:
    """The page as Markdown."""
    found = results(records)
    parts = [INTRODUCTION, *_dates(records), *_summary(ratios(found))]
    for name in SOURCES:
        runs = [record for record in records if record["table"] == name]
        if not runs:
            continue
        parts += [f"\n## {TITLES[name]}\n", _shape(runs[-1])]
        parts += [f"![{_alternative(file)}]({file})" for file in plots(found, name)]
        parts += ["", *table(found, name)]
    parts += ["\n## Quoted, not measured here\n", quoted.CONDITIONS, "", *row(quoted.HEADER)]
    parts += row(["---"] * len(quoted.HEADER)) + [line for cells in quoted.ROWS for line in row(cells)]
    parts += ["", quoted.NLTCS, "\n## Versions\n", *_versions(found)]
    if absent := missing(found):
        parts += ["\n## Not run yet\n", *absent]
    return "\n".join(parts) + "\n"


def _summary(lines: Sequence[tuple[str, str, str, float]]) -> list[str]:
    if not lines:
        return []
    mean = statistics.geometric_mean(ratio for *_, ratio in lines)
    head = f"\n## TVD3 of dpsynth's default (`{DEFAULT_METHOD}`) as a share of the best peer's\n"
    rows = [line for data, epsilon, peer, ratio in lines for line in row((TITLES[data], epsilon, peer, f"{ratio:.3f}"))]
    whole = len(SOURCES) * len(EPSILONS)
    tail = f"\nGeometric mean over the {len(lines)} of {whole} cells in which both finished: {mean:.3f}."
    return [head, *row(("table", "ε", "best peer that finished", "ratio")), *row(["---"] * 4), *rows, tail]


def _dates(records: Sequence[Record]) -> list[str]:
    days = sorted({record["batch"][:10] for record in records})
    return [f"Runs of {days[0]} to {days[-1]}." if len(days) > 1 else f"Runs of {days[0]}."] if days else []


def _alternative(file: str) -> str:
    against = "ε" if file.endswith("-epsilon.svg") else "CPU time at ε = 1"
    return f"TVD3 of every method against {against}; the figures stand in the table below"


def _shape(run: Record) -> str:
    return f"{run['rows']:,} rows seen, {run['holdout_rows']:,} held out, {run['columns']} columns.\n"


def _versions(found: Mapping[Cell, Result]) -> list[str]:
    said: dict[str, set[str]] = {}
    for result in found.values():
        for run in result.runs:
            if versions := run.get("versions"):
                said.setdefault(run["peer"], set()).add(", ".join(f"{name} {it}" for name, it in versions.items()))
    return [f"- {peer}: {text}" for peer, texts in sorted(said.items()) for text in sorted(texts)]


def write(records: Sequence[Record]) -> list[Path]:
    """Write the page and its plots into bench/results; the files written."""
    found = results(records)
    contents = {"peers.md": text(records)}
    for name in SOURCES:
        contents |= plots(found, name)
    for file, content in contents.items():
        (RESULTS / file).write_text(content, encoding="utf-8")
    return [RESULTS / file for file in contents]
