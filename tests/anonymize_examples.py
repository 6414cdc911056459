"""A small table of people, and policies for it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

AGES: dict[str, Any] = {"role": "quasi", "hierarchy": {"intervals": {"levels": [10, 50]}}}
PLAIN: dict[str, Any] = {"role": "quasi"}


def policy(fields: dict[str, dict[str, Any]], models: list[Any], **more: Any) -> dict[str, Any]:
    head = {"version": 1, **more.pop("head", {})}
    listed = [{"name": name, "dpsynth": block} for name, block in fields.items()]
    return {"dpsynth": head, "fields": listed, "models": models, **more}


def people(rows: int = 200) -> pa.Table:
    return pa.table(
        {
            "name": [f"n{row}" for row in range(rows)],
            "age": [20 + row * 7 % 60 for row in range(rows)],
            "sex": ["f" if row % 3 else "m" for row in range(rows)],
            "ill": [["flu", "cold", "gout"][(row * 5 + row // 7) % 3] for row in range(rows)],
        }
    )


FIELDS = {"name": {"role": "direct-id"}, "age": AGES, "sex": PLAIN, "ill": {"role": "sensitive"}}
FIVE = policy(FIELDS, [{"k-anonymity": {"k": 5}}], limits={"suppression": 0.2})
