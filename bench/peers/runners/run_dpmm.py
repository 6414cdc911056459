"""dpmm: MST, PrivBayes or AIM on codes whose sizes are given; no binning, so no budget goes there."""

from __future__ import annotations

import sys

import pandas as pd
from dpmm.pipelines.aim import AIMPipeline
from dpmm.pipelines.mst import MSTPipeline
from dpmm.pipelines.priv_bayes import PrivBayesPipeline
from request import Request

KINDS = {"mst": MSTPipeline, "privbayes": PrivBayesPipeline, "aim": AIMPipeline}


def main() -> None:
    request = Request.read(sys.argv[1])
    # AIM's published model size; the pipeline's own default would lift AIM's limit altogether.
    size = {"max_model_size": 80} if request.method == "aim" else {}
    pipeline = KINDS[request.method](
        epsilon=request.epsilon, delta=request.delta, disable_processing=True, n_jobs=1, **size
    )
    pipeline.fit(pd.read_csv(request.table), domain=request.sizes)
    pipeline.generate(n_records=request.rows).to_csv(request.output, index=False)


if __name__ == "__main__":
    main()
