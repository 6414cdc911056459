"""Records of losses, exact numbers and receipts: round trips, and nothing but the one spelling is accepted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from dpsynth.errors import FileFormatError
from dpsynth.privacy.conversions import exact_from_record
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt, loss_from_record, loss_record

LOSS = PrivacyLoss(1 << 70, 2, 3)


def test_round_trips() -> None:
    receipt = Receipt("t", 3, "ab" * 32, LOSS)
    assert Receipt.from_record(receipt.record()) == receipt
    assert loss_from_record(loss_record(LOSS)) == LOSS
    assert exact_from_record("9/10") == Fraction(9, 10)
    assert exact_from_record("7") == 7


@pytest.mark.parametrize(
    "record",
    [
        {"rho": "1", "mu2": "2"},
        {"rho": "1", "mu2": "2", "delta": "3", "more": "4"},
        {"rho": 1, "mu2": "2", "delta": "3"},
        {"rho": "-1", "mu2": "2", "delta": "3"},
        {"rho": "01", "mu2": "2", "delta": "3"},
        {"rho": "1.5", "mu2": "2", "delta": "3"},
        {"rho": "٣", "mu2": "2", "delta": "3"},
        {"rho": "9" * 5000, "mu2": "2", "delta": "3"},
        ["1", "2", "3"],
        None,
    ],
)
def test_a_malformed_loss_is_refused(record: Any) -> None:
    with pytest.raises(FileFormatError):
        loss_from_record(record)


@pytest.mark.parametrize("text", ["", "1e9", "1e999999999", "0.5", "-1", "1/0", "1/", " 1", "9" * 201, None, 1])
def test_a_malformed_exact_number_is_refused(text: Any) -> None:
    with pytest.raises(FileFormatError):
        exact_from_record(text)


@pytest.mark.parametrize("missing", ["transaction", "draw", "event", "loss"])
def test_a_receipt_needs_all_its_fields(missing: str) -> None:
    record = Receipt("t", 1, "ab", LOSS).record()
    del record[missing]
    with pytest.raises(FileFormatError):
        Receipt.from_record(record)
