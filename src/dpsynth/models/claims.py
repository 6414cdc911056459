"""What somebody else measured and vouches for: noisy tables without a receipt, and the claim that they carry.

No table of a claim ever becomes an answer of the room, and no model that holds one states a guarantee of dpsynth:
``checked_claim`` refuses to build it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.errors import FileFormatError, NoGuaranteeError, UsageError
from dpsynth.privacy.answers import Coarsening

STAMP = "claimed by "
"""How the ``dp`` of a model begins whose guarantee is somebody else's word."""

NAME_LENGTH, TEXT_LENGTH = 200, 1000
"""The most characters of an owner's or a table's name, and of what an owner claims."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A guarantee that ``owner`` states, in their words (``text``) or without any. dpsynth neither checked it nor paid
    for it. Both are one line of printable text; ``UsageError`` otherwise.
    """

    owner: str
    text: str | None = None

    def __post_init__(self) -> None:
        _check_line(self.owner, "owner", NAME_LENGTH)
        if self.text is not None:
            _check_line(self.text, "claim", TEXT_LENGTH)

    @property
    def stamp(self) -> str:
        """What stands under ``dp``: ``claimed by OWNER``."""
        return STAMP + self.owner

    def record(self) -> dict[str, str | None]:
        """The claim as JSON-able data."""
        return {"owner": self.owner, "text": self.text}


def _check_line(text: Any, where: str, longest: int) -> None:
    if not isinstance(text, str) or text != text.strip() or not text.isprintable() or not 0 < len(text) <= longest:
        raise UsageError(
            f"this must be one line of 1 to {longest} printable characters, without spaces at its ends", where=where
        )


@dataclass(frozen=True, slots=True, eq=False)
class ClaimedMarginal:
    """Somebody else's table of the counts of a clique plus noise: no receipt, no sensitivity, no known sampler.

    ``name``: what its owner calls it. ``values``: float64, shape of the clique's domain, axes in clique order, rows;
    may be negative. ``scale``: the standard deviation of the noise of every cell, as stated.
    """

    name: str
    clique: Clique
    values: NDArray[np.float64]
    scale: float

    @property
    def coarsening(self) -> Coarsening:
        """Nothing: such tables are at the full resolution of their schema."""
        return ()

    @property
    def deviation(self) -> float:
        """The standard deviation of the noise of every cell, in rows."""
        return self.scale

    def record(self) -> dict[str, Any]:
        """Everything but the values as JSON-able data; the scale as exact hexadecimal."""
        return {
            "name": self.name,
            "clique": list(self.clique),
            "shape": list(self.values.shape),
            "scale": float(self.scale).hex(),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any], values: NDArray[np.float64]) -> ClaimedMarginal:
        """The table that ``record`` and its array describe; ``FileFormatError`` if they do not fit together."""
        try:
            name, scale = str(record["name"]), float.fromhex(record["scale"])
            if list(values.shape) != list(record["shape"]) or not np.isfinite(values).all():
                raise ValueError
            if not 0 < scale < float("inf") or len(record) != 4:
                raise ValueError
            return ClaimedMarginal(name, tuple(str(attribute) for attribute in record["clique"]), values, scale)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise FileFormatError("a claimed marginal is malformed") from None


def claim_of(provenance: Mapping[str, Any]) -> Claim | None:
    """The claim that a model's provenance records; ``None`` when its ``dp`` is no text.

    Raises ``FileFormatError`` when the stamp and the record of the claim contradict each other.
    """
    stamp = provenance.get("dp")
    if not isinstance(stamp, str):
        return None
    try:
        record = provenance["claim"]
        claim = Claim(record["owner"], record["text"])
    except (KeyError, TypeError, UsageError):
        raise FileFormatError("the record of a claimed guarantee is malformed") from None
    if claim.stamp != stamp:
        raise FileFormatError("the stamp of a claimed guarantee is not that of its owner")
    return claim


def checked_claim(
    provenance: Mapping[str, Any], claims: Sequence[ClaimedMarginal], answers: Sequence[object]
) -> Claim | None:
    """The claim of a model with these tables and answers.

    Raises ``NoGuaranteeError`` for claimed tables under any other ``dp`` than a claim, and for a claim beside answers
    that carry receipts: a guarantee of dpsynth never covers what somebody else measured.
    """
    claim = claim_of(provenance)
    if claims and claim is None:
        raise NoGuaranteeError("a model of somebody else's tables needs the claim of their owner")
    if claim is not None and answers:
        raise NoGuaranteeError("a claimed guarantee cannot stand beside answers that dpsynth charged")
    return claim
