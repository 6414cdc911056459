"""dpsynth: the whole pipeline as a user calls it, with a ledger on disk and OpenDP's noise."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
from request import Request

import dpsynth


def settings_of(request: Request) -> tuple[str, dict[str, str]]:
    """The method and the settings that a variant's name stands for."""
    method, _, variant = request.method.partition("-")
    settings = {
        "": {},
        "fast": {"effort": "fast"},
        "pairs": {"workload": "all-2way"},
        "target": {"workload": f"target:{request.target}"},
    }
    return method, settings[variant]


def main() -> None:
    request = Request.read(sys.argv[1])
    method, settings = settings_of(request)
    schema = dpsynth.Schema.from_domain(request.sizes, public="the sizes are published")
    ledger = Path(request.output).with_name("ledger.db")
    model = dpsynth.fit(
        request.table,
        schema,
        epsilon=repr(request.epsilon),
        delta=repr(request.delta),
        method=method,
        ledger=ledger,
        **settings,
    )
    pyarrow.csv.write_csv(pa.table(model.sample(request.rows, output="pyarrow")), request.output)


if __name__ == "__main__":
    main()
