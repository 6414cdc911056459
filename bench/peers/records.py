"""Results as JSON lines, one line a run, and which of them stand for a cell of the comparison."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"
Record = dict[str, Any]
Cell = tuple[str, str, str, str]
MEASURES = ("tvd1", "tvd2", "tvd3", "workload_error", "auc_boosting", "auc_logistic", "cpu_seconds", "peak_mb")


@dataclass(frozen=True)
class Result:
    """What is known of one (table, peer, method, epsilon): its newest batch of runs, and means over the finished."""

    cell: Cell
    runs: tuple[Record, ...]

    @property
    def outcome(self) -> str:
        """``finished`` when every run did, otherwise how the first that did not ended."""
        return next((run["outcome"] for run in self.runs if run["outcome"] != "finished"), "finished")

    def mean(self, measure: str) -> float | None:
        """The mean over the runs that have this measure; costs also of runs that did not finish."""
        values = [run[measure] for run in self.runs if run.get(measure) is not None]
        return statistics.mean(values) if values else None


def cell(record: Record) -> Cell:
    """Which cell a run belongs to; the epsilon of a reference is empty."""
    return (record["table"], record["peer"], record["method"], record["epsilon"] or "")


def today() -> Path:
    """The file that this day's runs are added to."""
    return RESULTS / f"peers-{dt.datetime.now(dt.UTC).date().isoformat()}.jsonl"


def append(path: Path, record: Record) -> None:
    """Add one line; a line is written whole or not at all seen by a reader of complete lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read(paths: Iterable[Path]) -> list[Record]:
    """Every complete line of these files, in order."""
    lines = [line for path in sorted(paths) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return [json.loads(line) for line in lines if line]


def everything() -> list[Record]:
    """Every recorded run of the comparison."""
    return read(RESULTS.glob("peers-*.jsonl"))


def results(records: Sequence[Record]) -> dict[Cell, Result]:
    """The newest batch of every cell; older ones stay in the files."""
    newest: dict[Cell, list[Record]] = {}
    for record in sorted(records, key=lambda one: one["batch"]):
        runs = newest.setdefault(cell(record), [])
        if runs and runs[0]["batch"] != record["batch"]:
            runs.clear()
        runs.append(record)
    return {key: Result(key, tuple(runs)) for key, runs in newest.items()}
