"""One run of one method of one peer: inputs written, process measured, output scored, everything recorded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
from bench.peers.environments import HERE, Peer, python, versions
from bench.peers.records import Record
from bench.peers.runners.request import Request
from bench.peers.scoring import classifiers, distances
from bench.peers.tables import SPLIT_SEED, Split, read, take, write

from dpsynth.domain import Domain
from dpsynth.errors import DpsynthError
from dpsynth.metrics import CodedTable
from dpsynth.privacy.conversions import rho_of_epsilon

DELTA = "1e-9"
LIMIT_SECONDS = 600
REASON_LENGTH = 160
REFERENCES = ("real", "bootstrap", "shuffled")


@dataclass(frozen=True)
class Task:
    """A method of a peer at an epsilon."""

    peer: Peer
    method: str
    epsilon: str


def run(task: Task, split: Split, batch: str, limit: float = LIMIT_SECONDS) -> Record:
    """The record of one run, whatever became of it. The peer has a folder of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dpsynth-bench-") as name:
        folder = Path(name)
        write(split.train, folder / "table.csv")
        request = Request(
            method=task.method,
            table=str(folder / "table.csv"),
            output=str(folder / "synthetic.csv"),
            sizes=split.sizes,
            rows=split.train.rows,
            epsilon=float(task.epsilon),
            delta=float(DELTA),
            rho=float(rho_of_epsilon(Fraction(task.epsilon), Fraction(DELTA))),
            target=split.target,
        )
        (folder / "request.json").write_text(json.dumps(asdict(request)), encoding="utf-8")
        cost = _measure(task.peer, folder, limit)
        outcome, reason = str(cost.pop("outcome")), _reason(folder / "messages")
        scores: Record = {}
        if outcome == "finished":
            try:
                scores = score(split, folder / "synthetic.csv")
            except (OSError, ValueError, LookupError, DpsynthError) as error:
                outcome, reason = "crashed", f"its output is no table of codes: {type(error).__name__}"
        head = _head(split, batch) | {
            "peer": task.peer.name,
            "method": task.method,
            "epsilon": task.epsilon,
            "delta": DELTA,
            "outcome": outcome,
            "reason": reason if outcome != "finished" or "refused" in reason else "",
        }
        cost |= {"cpu_limit_seconds": limit}
        return head | cost | scores | {"versions": versions(task.peer) | _commit(task.peer)}


def reference(kind: str, split: Split, batch: str) -> Record:
    """What no private method gives, as a yardstick: the rows themselves, a bootstrap of them (the sampling floor), or
    their columns shuffled (exact 1-way marginals, independence).
    """
    generator = np.random.default_rng(SPLIT_SEED)
    rows = split.train.rows
    table = split.train
    if kind == "bootstrap":
        table = take(table, generator.integers(rows, size=rows))
    elif kind == "shuffled":
        shuffled = {name: codes[generator.permutation(rows)] for name, codes in table.columns.items()}
        table = CodedTable(table.domain, shuffled)
    with tempfile.TemporaryDirectory(prefix="dpsynth-bench-") as name:
        write(table, Path(name) / "synthetic.csv")
        scores = score(split, Path(name) / "synthetic.csv")
    head = {"peer": "reference", "method": kind, "epsilon": None, "outcome": "finished", "reason": ""}
    return _head(split, batch) | head | scores


def score(split: Split, synthetic: Path) -> Record:
    """Every score of a synthetic CSV; rows with a cell that is no code are dropped first, and counted."""
    table, dropped = read(Domain.from_sizes(split.sizes), synthetic)
    holdout, sizes = synthetic.with_name("holdout.csv"), synthetic.with_name("sizes.json")
    write(split.holdout, holdout)
    sizes.write_text(json.dumps(split.sizes), encoding="utf-8")
    counted = {"synthetic_rows": table.rows, "dropped_rows": dropped}
    return counted | distances(split, table) | classifiers(split, synthetic, holdout, sizes)


def _head(split: Split, batch: str) -> Record:
    return {
        "batch": batch,
        "table": split.name,
        "rows": split.train.rows,
        "holdout_rows": split.holdout.rows,
        "columns": len(split.sizes),
        "split_seed": SPLIT_SEED,
    }


def _measure(peer: Peer, folder: Path, limit: float) -> Record:
    """The report of ``measured.py``, which watches the peer from outside."""
    report, messages = folder / "report.json", folder / "messages"
    watch = [sys.executable, "-S", "-E", str(HERE / "measured.py"), str(limit), str(report)]
    with messages.open("wb") as file:
        command = [*watch, str(python(peer)), str(peer.runner), str(folder / "request.json")]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(command, cwd=folder, env=environment, stdout=file, stderr=file, check=True)
    found: Record = json.loads(report.read_text(encoding="utf-8"))
    return found


def _reason(messages: Path) -> str:
    """The last line a process said, without the folders of this machine."""
    lines = [line.strip() for line in messages.read_text(errors="replace").splitlines() if line.strip()]
    return re.sub(r"(/[\w.@-]+)+/", "", lines[-1])[:REASON_LENGTH] if lines else ""


def _commit(peer: Peer) -> dict[str, str]:
    """The newest commit of the sources that a run of this library measured, and whether they were changed since."""
    if peer.name != "dpsynth":
        return {}
    sources = HERE.parents[1] / "src"
    commands = (["log", "-1", "--format=%h"], ["status", "--porcelain"])
    try:
        done = [_git(*words, "--", str(sources)) for words in commands]
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository: an unpacked archive
        return {}
    return {"commit": done[0] + ("-dirty" if done[1] else "")}


def _git(*words: str) -> str:
    command = ["git", "-C", str(HERE), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def decimal(epsilon: str) -> str:
    """One spelling for one epsilon: 1, 0.1, 10."""
    return format(Decimal(epsilon).normalize(), "f")
