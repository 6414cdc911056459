"""How well classifiers that saw only synthetic rows rank real ones: runs in the scorer's environment.

    python bench/peers/auc.py TRAIN.csv HOLDOUT.csv SIZES.json TARGET

Prints JSON: the area under the ROC curve of gradient boosting on the codes and of logistic regression on one-hot codes.
A training table in which the target has one value teaches nothing: 0.5.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def read(path: str, sizes: dict[str, int]) -> np.ndarray:
    """The codes of a CSV, one row a record; rows with a cell that is no code are left out."""
    codes = np.genfromtxt(path, delimiter=",", skip_header=1).reshape(-1, len(sizes))
    good = np.all((codes >= 0) & (codes < list(sizes.values())), axis=1)
    return codes[good].astype(np.int64)


def main() -> None:
    sizes = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    target = list(sizes).index(sys.argv[4])
    train, test = read(sys.argv[1], sizes), read(sys.argv[2], sizes)
    inputs, outputs = np.delete(train, target, axis=1), train[:, target]
    categories = [np.arange(size) for name, size in sizes.items() if name != sys.argv[4]]
    models = {
        "auc_boosting": HistGradientBoostingClassifier(random_state=0),
        "auc_logistic": make_pipeline(OneHotEncoder(categories=categories), LogisticRegression(max_iter=1000)),
    }
    scores = {}
    for name, model in models.items():
        if len(np.unique(outputs)) < 2:
            scores[name] = 0.5
            continue
        guesses = model.fit(inputs, outputs).predict_proba(np.delete(test, target, axis=1))[:, 1]
        scores[name] = round(float(roc_auc_score(test[:, target], guesses)), 4)
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
