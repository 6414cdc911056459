"""What people write against the public names type-checks without a cast."""

from pathlib import Path

import dpsynth


def journey(frame: object, folder: Path) -> dpsynth.Model:
    schema = dpsynth.Schema.load(folder / "schema.yaml")
    model = dpsynth.fit(frame, schema, epsilon=1, ledger=folder / "ledger.db")
    model.save(folder / "model.dps")
    return dpsynth.load(folder / "model.dps")


def widest(model: dpsynth.Model, column: str) -> float:
    around = model.marginal(column, interval=0.95)
    plain = model.marginal(column)
    return float((around.upper - around.lower).max() / max(plain.values.sum(), 1.0))
