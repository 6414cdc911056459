"""What a discovery will cost, and what it learned, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dpsynth.cli.labels import label_words
from dpsynth.cli.layout import at_most, table

if TYPE_CHECKING:
    from dpsynth.pipeline.discovery_plan import DiscoveryPlan

PUBLIC = "Only the header, the names of the columns, is taken as public."


def describe_discovery(drawn: DiscoveryPlan) -> str:
    """The price of a fit without a schema."""
    price = drawn.price
    columns = f"{drawn.columns} column" + ("s" if drawn.columns != 1 else "")
    guarantee = f"epsilon {at_most(price.epsilon)}, delta {at_most(price.delta)}"
    share = f"At most {float(drawn.share):.0%} of the budget goes to learning what {columns} hold; the rest to the fit."
    lines = [
        f"Price of one {drawn.method} fit without a schema: {guarantee}.",
        f"Accounting: {price.governor.words}: {at_most(price.governor.amount(price.loss))}.",
        f"It {drawn.unit.description}.{label_words(drawn.labels, drawn.unit.stability)}",
        f"{PUBLIC} {share}",
        f"Noise: at least ±{drawn.vote:,.0f} rows in each count of the vote on types.",
    ]
    if drawn.threshold is not None:
        lines.append(f"A value of a column is learned when about {drawn.threshold:,} rows have it, or more.")
    return "\n".join([*lines, *_verdict(drawn)])


def _verdict(drawn: DiscoveryPlan) -> list[str]:
    if drawn.rows is None:
        return []
    if drawn.enough:
        return [f"With {drawn.rows:,} rows that is enough to learn a domain from."]
    would = "a schema, which costs nothing, is the way"
    if drawn.needed is not None:
        would = f"epsilon {at_most(drawn.needed)} would do; a schema costs nothing"
    return [f"With {drawn.rows:,} rows this epsilon is too small to learn much: {would}."]


def discovery_record(drawn: DiscoveryPlan) -> dict[str, object]:
    """The price for ``--json``."""
    price = drawn.price
    return {
        "method": drawn.method,
        "epsilon": float(price.epsilon),
        "delta": float(price.delta),
        "governor": str(price.governor),
        "amount": float(price.governor.amount(price.loss)),
        "unit": str(drawn.unit),
        "protects": drawn.unit.description,
        "labels": list(drawn.labels),
        "stability": drawn.unit.stability,
        "columns": drawn.columns,
        "discover_share": float(drawn.share),
        "vote_noise": drawn.vote,
        "threshold": drawn.threshold,
        "rows": drawn.rows,
        "enough": drawn.enough,
        "epsilon_needed": None if drawn.needed is None else float(drawn.needed),
    }


def learned_words(record: Mapping[str, Any]) -> str:
    """What was learned, what it cost and what was dropped, from the record that the model carries."""
    columns = record["columns"]
    kept = sum(column["dropped"] is None for column in columns)
    head = (
        f"Learned with {record['share']:.1%} of the budget: {kept} of {len(columns)} columns are modeled; "
        f"about {record['rows']:,} rows. {PUBLIC}"
    )
    if record["threshold"] is not None:
        head += f" Values that fewer than about {record['threshold']:,} rows have stayed unknown."
    rows = [(column["column"], column["kind"], _outcome(column)) for column in columns]
    return f"{head}\n{table(('column', 'holds', 'outcome'), rows, '  ')}"


def _outcome(column: Mapping[str, Any]) -> str:
    if column["dropped"]:
        invented = f"; invented after the fit ({column['generate']})" if column["generate"] else ""
        return f"not modeled: {column['dropped']}{invented}"
    if column["values"]:
        values = f"{column['values']:,} value{'s' if column['values'] != 1 else ''}"
        listing = f", completed from a public list ({column['listing']})" if column["listing"] else ""
        return f"{values}{', and other' if column['other'] else ''}{listing}"
    if column["bins"] == 1:
        return "one bin: noise hides all but its range"
    return f"{column['bins']:,} bins" if column["bins"] else "true or false"
