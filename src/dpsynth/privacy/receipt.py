"""The proof of a charge, free of numpy so that the ledger stays light. Receipts are minted by the ledger alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.privacy.loss import PrivacyLoss


def loss_record(loss: PrivacyLoss) -> dict[str, str]:
    """The loss as JSON-able data: decimal strings of 2**-64 units, because JSON readers round large integers.

    A loss without pure epsilon does not name it: chains that are older than it keep their hashes.
    """
    return {name: str(units) for name, units in asdict(loss).items() if units or name != "epsilon"}


def loss_from_record(record: Mapping[str, Any]) -> PrivacyLoss:
    """The loss that ``record`` describes; ``FileFormatError`` if it is not one."""
    try:
        loss = PrivacyLoss(**{name: int(text) for name, text in record.items()})
    except (TypeError, ValueError, AttributeError, UsageError):
        raise FileFormatError("a privacy loss is malformed") from None
    if loss_record(loss) != record:
        raise FileFormatError("a privacy loss is malformed")
    return loss


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
