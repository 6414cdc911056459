"""The proof of a charge, free of numpy so that the ledger stays light. Receipts are minted by the ledger alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dpsynth.errors import FileFormatError
from dpsynth.privacy.loss import PrivacyLoss

_EXACT = re.compile(r"[0-9]{1,200}(/[1-9][0-9]{0,199})?")


def loss_record(loss: PrivacyLoss) -> dict[str, str]:
    """The loss as JSON-able data: decimal strings of 2**-64 units, because JSON readers round large integers."""
    return {"rho": str(loss.rho), "mu2": str(loss.mu2), "delta": str(loss.delta)}


def loss_from_record(record: Mapping[str, Any]) -> PrivacyLoss:
    """The loss that ``record`` describes; ``FileFormatError`` if it is not one."""
    try:
        texts = [record[key] for key in ("rho", "mu2", "delta")]
        if len(record) != 3 or not all(text.isascii() and text.isdigit() and str(int(text)) == text for text in texts):
            raise ValueError
        return PrivacyLoss(*(int(text) for text in texts))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FileFormatError("a privacy loss is malformed") from None


def exact_from_record(text: Any) -> Fraction:
    """The number written as ``7`` or ``7/10``, at most 200 digits a part; ``FileFormatError`` if it is not one."""
    if not isinstance(text, str) or not _EXACT.fullmatch(text):
        raise FileFormatError("an exact number is malformed")
    return Fraction(text)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of a charge: one DRAW of the ledger. ``event`` is the SHA-256 of that event; all of it is public."""

    transaction: str
    draw: int
    event: str
    loss: PrivacyLoss

    def record(self) -> dict[str, Any]:
        """The receipt as JSON-able data (losses as decimal strings of 2**-64 units)."""
        return {
            "transaction": self.transaction,
            "draw": self.draw,
            "event": self.event,
            "loss": loss_record(self.loss),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Receipt:
        """The receipt that ``record`` describes; ``FileFormatError`` if it is not one."""
        try:
            loss = loss_from_record(record["loss"])
            return Receipt(str(record["transaction"]), int(record["draw"]), str(record["event"]), loss)
        except (KeyError, TypeError, ValueError):
            raise FileFormatError("a receipt is malformed") from None
