"""smartnoise-synth: MST or AIM; codes are handed over as categories, so that no budget goes to preprocessing.

The library takes the values of a column from the rows it protects; there is no way to hand it the sizes.
Its rows are drawn by the faulty rounding of mbi 1.1.0 that ``run_opendp.py`` describes; there is no option to avoid it.
"""

from __future__ import annotations

import sys

import pandas as pd
from request import Request
from snsynth import Synthesizer


def main() -> None:
    request = Request.read(sys.argv[1])
    table = pd.read_csv(request.table)
    synthesizer = Synthesizer.create(request.method, epsilon=request.epsilon, delta=request.delta)
    synthesizer.fit(table, categorical_columns=list(request.sizes), preprocessor_eps=0.0)
    synthesizer.sample(request.rows).to_csv(request.output, index=False)


if __name__ == "__main__":
    main()
