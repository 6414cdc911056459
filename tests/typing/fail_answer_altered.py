"""A released answer cannot be built without a receipt, and cannot be changed afterwards."""

import numpy as np

from dpsynth.privacy.answers import NoisyMarginal, Selection


def forge(answer: NoisyMarginal, selection: Selection) -> None:
    answer.values = np.zeros(2, dtype=np.int64)  # type: ignore[misc]
    answer.scale = 0.0  # type: ignore[misc]
    selection.receipt = answer.receipt  # type: ignore[misc]
    NoisyMarginal(("sex",), answer.values, 1.0, 1)  # type: ignore[call-arg]
