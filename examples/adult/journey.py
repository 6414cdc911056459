"""From census records to a synthetic table, in Python: what it costs, what it gives, and why it cannot go on forever.

dpsynth demo --files-only -o adult        # the data: UCI Adult, 48,842 records
python journey.py adult                   # about ten seconds
"""

from __future__ import annotations

import sys
from pathlib import Path

import dpsynth


def main(folder: Path) -> None:
    """The journey; it leaves a ledger, a model and a synthetic table in the folder of the data."""
    data, schema = folder / "adult.csv.gz", dpsynth.Schema.load(folder / "schema.yaml")
    ledger = folder / "ledger.db"

    # 1. The price. No record is read, nothing is spent.
    plan = dpsynth.plan(schema, epsilon=1).plan
    print(f"method {plan.method}, {len(plan.steps)} steps, {plan.cells} cells")

    # 2. The model. The ledger reserves the budget before the first record is read, and remembers it.
    model = dpsynth.fit(data, schema, epsilon=1, purpose="example", ledger=ledger)
    model.save(folder / "model.dps", force=True)

    # 3. As many synthetic records as you like, of whom you like: they cost nothing more.
    model.sample(seed=1).to_csv(folder / "synthetic.csv", index=False)
    women = model.sample(5, where="sex=Female", seed=1)
    print(women[["age", "education", "sex", "income"]].to_string(index=False))

    # 4. What the model knows about two columns together: expected counts, free as well.
    print(model.marginal(("sex", "income")).values.round())

    # 5. The budget of these people is used up: a second model is refused, and nothing was read for it.
    try:
        dpsynth.fit(data, schema, epsilon=1, ledger=ledger)
    except dpsynth.DpsynthError as refusal:
        print(f"refused: {refusal}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "adult"))
