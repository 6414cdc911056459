"""What must be said of a pool wherever its total is: words that README and ``verify`` share."""

from __future__ import annotations


def beyond_cap(*, late: bool, disclosures: int) -> tuple[str, ...]:
    """What the cap of a pool does not say: that it was raised late, and what was disclosed without DP."""
    said = ["the cap was raised after outputs had been seen"] if late else []
    if disclosures:
        what = "disclosure" if disclosures == 1 else "disclosures"
        said.append(f"plus {disclosures:,} {what} without DP: no bound holds for the total")
    return tuple(said)
