"""Masks of a million distinct values: whole Arrow columns in, whole Arrow columns out, one core.

    python bench/anonymize_masks.py [--runs 3] [--values 1000000]

The column is made here: ``patient-000000000`` and so on for pseudonyms, numbers of nine digits in the form of social
security numbers, card numbers with their check digit, ISO dates of as many people. CPU seconds of the call alone, the
least of the runs (other jobs share the cache of a busy machine); printed, and written to bench/results.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from dpsynth.anonymization.masks.building import build_mask
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.schema.mask_parts import Mask

RESULTS = Path(__file__).resolve().parent / "results"
LIMIT_PSEUDONYMS = 1_000_000
"""Keyed pseudonyms of distinct values per CPU second: at least so many."""

CARD_DIGITS = 15


def columns(values: int) -> dict[str, tuple[Any, pa.Array, pa.Array | None]]:
    """For each job the mask as a policy says it, the column, and the column of persons if it needs one."""
    numbers = pa.array(np.arange(values, dtype=np.int64))
    digits = pc.utf8_lpad(numbers.cast(pa.string()), 9, "0")
    ids = pc.binary_join_element_wise("patient", digits, "-")
    parts = [pc.utf8_slice_codeunits(digits, start, stop) for start, stop in ((0, 3), (3, 5), (5, 9))]
    dates = pa.array((np.arange(values) % 20_000).astype("datetime64[D]")).cast(pa.string())
    shift = {"shift": {"days": [-60, 60], "by": "id"}}
    plain = {
        "pseudonym": ("pseudonym", ids),
        "format": ("format", pc.binary_join_element_wise(*parts, "-")),
        "format with a Luhn digit": ({"format": {"check": "luhn"}}, cards(values)),
        "redact": ({"redact": {"first": 3}}, ids),
        "replace by a pattern": ({"replace": {"regex": "[A-Z][a-z]{7}"}}, ids),
    }
    jobs: dict[str, tuple[Any, pa.Array, pa.Array | None]] = {
        name: (said, column.cast(pa.binary()), None) for name, (said, column) in plain.items()
    }
    return {**jobs, "date shift of as many persons": (shift, dates.cast(pa.binary()), ids.cast(pa.binary()))}


def cards(values: int) -> pa.Array:
    """Numbers of sixteen digits, the last of which is their Luhn digit."""
    payload = np.arange(values, dtype=np.int64) * 7_919 + 4 * 10 ** (CARD_DIGITS - 1)
    total = np.zeros(values, dtype=np.int64)
    rest = payload.copy()
    for place in range(CARD_DIGITS):
        rest, digit = np.divmod(rest, 10)
        doubled = 2 * digit if place % 2 == 0 else digit
        total += doubled - 9 * (doubled > 9)
    return pa.array(payload * 10 + -total % 10).cast(pa.string())


def measured(values: int, runs: int) -> list[dict[str, Any]]:
    """One record a job: the CPU seconds of every run, and distinct values a second in the quickest."""
    key, found = MaskKey(os.urandom(32)), []
    for name, (said, column, persons) in columns(values).items():
        seconds = []
        for _ in range(runs):
            # A new mask each time: nothing is kept from the run before.
            mask = build_mask(TypeAdapter(Mask).validate_python(said), "column", key, "policy")
            if mask is None:
                raise SystemExit("this benchmark drops nothing")
            start = time.process_time()
            result = mask.masked(column, *([] if persons is None else [persons]))
            seconds.append(round(time.process_time() - start, 3))
            if result.null_count:
                raise SystemExit(f"{name}: cells that the mask does not fit")
        rate = round(values / min(seconds))
        found.append({"mask": name, "values": values, "cpu_seconds": seconds, "values_per_second": rate})
        print(f"{name:30s} {min(seconds):7.3f} CPU seconds {rate:>12,} values a second")
    return found


def record(arguments: list[str], jobs: list[dict[str, Any]], target: Path) -> None:
    """One dated JSON file: the figure beside its limit, every run, and the command that made it."""
    reached = jobs[0]["values_per_second"]
    content = {
        "benchmark": "anonymize_masks",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": " ".join(["python bench/anonymize_masks.py", *arguments]),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "numpy", "pyarrow")},
        },
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "figures": {"pseudonyms_per_second": {"reached": reached, "limit": LIMIT_PSEUDONYMS}},
        "jobs": jobs,
    }
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    verdict = "" if reached >= LIMIT_PSEUDONYMS else " MISSED"
    print(f"pseudonyms: {reached:,} a second, limit {LIMIT_PSEUDONYMS:,}{verdict}")
    print(f"wrote {target}")


def main() -> None:
    parser = argparse.ArgumentParser(description="masks of a million distinct values")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    jobs = measured(arguments.values, arguments.runs)
    date = dt.datetime.now(dt.UTC).date().isoformat()
    record(sys.argv[1:], jobs, arguments.output or RESULTS / f"anonymize-masks-{date}.json")


if __name__ == "__main__":
    main()
