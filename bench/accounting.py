"""What a pool's governor is worth: the noise of one run under GDP against the same run under zCDP.

    python bench/accounting.py [--output bench/results/NAME.json]

The run is shaped like AIM's on 15 columns: 15 one-way marginals, then rounds of one selection and one marginal, as
many as share the budget in T = 16 · 15 equal parts; ``select`` is the share of a round for choosing. Under zCDP the
budget is split in rho. Under GDP all scales of that run, of counts and of selections alike, are multiplied by one
factor, the smallest with which the exact charges fit into the budget of mu² at the same (epsilon, delta). The change
of noise is that factor less 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import sys
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpsynth.privacy import laws
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss

RESULTS = Path(__file__).resolve().parent / "results"
COLUMNS = 15
PARTS = 16 * COLUMNS
GUARANTEES = (("0.1", "1e-9"), ("1", "1e-9"), ("1", "1e-6"), ("3", "1e-9"), ("10", "1e-9"))
SELECT = ("0", "0.05", "0.1", "0.2")
TARGETS = {("1", "1e-9"): -0.035, ("1", "1e-6"): -0.05}
"""The largest changes of noise that are accepted at a select share of 0.05."""


def charged(counts: float, choices: float, select: Fraction, governor: Governor) -> int:
    """The units that the whole run costs at these scales of its marginals and of its selections."""
    rounds = PARTS - COLUMNS
    marginal = governor.units(laws.gaussian_loss(1, counts))
    selection = governor.units(laws.noisy_max_loss(1, choices)) if select else 0
    return (COLUMNS + rounds) * marginal + rounds * selection


def change_of_noise(epsilon: str, delta: str, select: Fraction) -> dict[str, float]:
    """The scales of the run under zCDP, and by how much GDP changes them."""
    zcdp, gdp = (budget_of(Fraction(epsilon), Fraction(delta), g) for g in (Governor.ZCDP, Governor.GDP))
    # One-way marginals cost what the marginal of a round costs: the parts of the run sum to the budget.
    part = Fraction(zcdp.rho) / ((1 - select) * COLUMNS + PARTS - COLUMNS)
    (counts,) = laws.measured_scales(Governor.ZCDP, 1, PrivacyLoss(rho=int(part * (1 - select))))
    choices = laws.selection_scale(Governor.ZCDP, 1, PrivacyLoss(rho=int(part * select))) if select else 1.0
    low, high = 0.5, 2.0
    for _ in range(60):
        factor = (low + high) / 2
        fits = charged(factor * counts, factor * choices, select, Governor.GDP) <= gdp.mu2
        low, high = (low, factor) if fits else (factor, high)
    return {"scale_zcdp": counts, "scale_gdp": high * counts, "change_of_noise": high - 1}


def rows() -> list[dict[str, Any]]:
    """One record for each guarantee and select share."""
    return [
        {"epsilon": epsilon, "delta": delta, "select": share, **change_of_noise(epsilon, delta, Fraction(share))}
        for epsilon, delta in GUARANTEES
        for share in SELECT
    ]


def main() -> int:
    """0 if the targets are met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    date = dt.datetime.now(dt.UTC).date().isoformat()
    target = parser.parse_args().output or RESULTS / f"accounting-{date}.json"
    found = rows()
    missed = 0
    for row in found:
        change, limit = row["change_of_noise"], TARGETS.get((row["epsilon"], row["delta"]))
        late = row["select"] == "0.05" and limit is not None and change > limit
        missed += late
        name = f"({row['epsilon']}, {row['delta']})  select {row['select']:>4}"
        print(f"{name:>25}  {100 * change:+.2f} % noise {'MISSED' if late else ''}".rstrip())
    content = {
        "benchmark": "accounting",
        "date": date,
        "command": "python bench/accounting.py",
        "columns": COLUMNS,
        "parts": PARTS,
        "targets_met": not missed,
        "rows": found,
        "versions": {"python": platform.python_version(), "dpsynth": version("dpsynth")},
    }
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(target)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
