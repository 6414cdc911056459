"""One scorer for everybody: distances of all 1-, 2- and 3-way marginals, workload error, what a classifier learns."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
from bench.peers.environments import HERE, SCORER, python
from bench.peers.tables import Split

from dpsynth.metrics import CodedTable, way_distances

EVERY = 1 << 20
GROUP = 64


def distances(split: Split, synthetic: CodedTable) -> dict[str, float]:
    """``tvd1``, ``tvd2``, ``tvd3``: mean total variation distance over all marginals against the rows that were seen;
    ``workload_error``: mean over all 3-way marginals of the L1 distance of counts, as a share of the real rows.

    At equal numbers of rows the last is twice ``tvd3``. Missing rows count in full.
    """
    found = {}
    for ways in (1, 2, 3):
        distance = way_distances(split.train, synthetic, ways, max_cliques=EVERY)
        if distance is not None:
            found[f"tvd{ways}"] = round(distance.mean, 5)
    return found | {"workload_error": round(workload_error(split.train, synthetic), 5)}


def workload_error(real: CodedTable, synthetic: CodedTable) -> float:
    """The error of McKenna et al. 2022 for the workload of all 3-way marginals with weight 1."""
    cliques = real.domain.cliques(3)
    errors = []
    for start in range(0, len(cliques), GROUP):
        part = cliques[start : start + GROUP]
        pairs = zip(real.marginals(part), synthetic.marginals(part), strict=True)
        errors += [float(np.abs(ours - theirs).sum()) / real.rows for ours, theirs in pairs]
    return sum(errors) / len(errors)


def classifiers(split: Split, synthetic: Path, holdout: Path, sizes: Path) -> dict[str, float]:
    """The areas under the ROC curve on real rows nobody saw; empty without a target or the scorer's environment."""
    interpreter = python(SCORER)
    if split.target is None or interpreter is None:
        return {}
    command = [str(interpreter), str(HERE / "auc.py"), str(synthetic), str(holdout), str(sizes), split.target]
    # More threads than free cores spin for minutes where one needs seconds.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    scores: dict[str, float] = json.loads(done.stdout)
    return scores
