"""The facts about a fit that its model carries: all of them public. No actor, purpose or path."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from dpsynth.ledger import Ledger, Transaction
from dpsynth.pipeline.plan import PricedPlan
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import loss_record
from dpsynth.report.meaning import NEIGHBORS

_STATED = Context(prec=12, rounding=ROUND_CEILING)


def versions() -> dict[str, str]:
    """The versions of everything that computed an answer."""
    names = ("dpsynth", "opendp", "numpy", "pyarrow")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def provenance_of(
    priced: PricedPlan,
    *,
    ledger: Ledger,
    transaction: Transaction,
    spent: PrivacyLoss,
    labels: Sequence[str],
) -> dict[str, Any]:
    """The manifest facts of a fit: its guarantee (the reservation), what was drawn, the labels and the versions."""
    return {
        "dp": True,
        "guarantee": {
            "epsilon": decimal_text(priced.epsilon),
            "delta": decimal_text(priced.delta),
            "governor": str(transaction.pool.governor),
            "neighbors": NEIGHBORS,
            "unit": str(priced.unit),
            "protects": priced.protects,
            "stability": priced.unit.stability,
            "reservation": loss_record(transaction.reservation),
        },
        "spent": loss_record(spent),
        "labels": list(labels),
        "ledger": "ephemeral" if ledger.ephemeral else "durable",
        "pool": hashlib.sha256(transaction.pool.pool_id.encode()).hexdigest(),
        "transaction": transaction.id,
        "versions": versions(),
    }


def decimal_text(value: Fraction) -> str:
    """At most 12 digits, rounded up: a guarantee is never stated stronger than it is."""
    return f"{_STATED.divide(Decimal(value.numerator), Decimal(value.denominator)):g}"
