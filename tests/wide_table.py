"""A small table of five columns with 20 bins each, too many for a joint table, and its schema: for the command line."""

import json
from pathlib import Path


def write_wide_table() -> None:
    """``wide.csv`` (400 rows) and ``wide.yaml`` in the working directory."""
    fields = [
        {
            "name": name,
            "type": "integer",
            "constraints": {"required": True, "minimum": 0, "maximum": 99},
            "dpsynth": {"source": "public", "null": 0, "bins": {"width": 5}},
        }
        for name in "abcde"
    ]
    Path("wide.yaml").write_text(json.dumps({"dpsynth": {"version": 1, "name": "wide"}, "fields": fields}))
    lines = ["a,b,c,d,e", *(",".join(str((row * step) % 100) for step in (1, 3, 7, 9, 11)) for row in range(400))]
    Path("wide.csv").write_text("\n".join(lines) + "\n")
