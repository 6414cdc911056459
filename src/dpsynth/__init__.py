"""dpsynth: differentially private synthetic tables, with a budget ledger that refuses to overspend.

>>> import dpsynth
>>> sorted(dpsynth.__all__)[:4]
['DpsynthError', 'Ledger', 'Model', 'PrivacyLoss']

Everything is imported on first use, so that ``import dpsynth`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.errors import DpsynthError as DpsynthError
    from dpsynth.ledger import Ledger as Ledger
    from dpsynth.models import Model as Model
    from dpsynth.models import load as load
    from dpsynth.pipeline.anonymize import anonymize as anonymize
    from dpsynth.pipeline.api import fit as fit
    from dpsynth.pipeline.estimate import estimate as estimate
    from dpsynth.pipeline.evaluate import evaluate as evaluate
    from dpsynth.pipeline.marginal_table import write_marginals as write_marginals
    from dpsynth.pipeline.mask import mask as mask
    from dpsynth.pipeline.plan import plan as plan
    from dpsynth.pipeline.risk import risk as risk
    from dpsynth.privacy.loss import PrivacyLoss as PrivacyLoss
    from dpsynth.privacy.unit import Unit as Unit
    from dpsynth.schema import Schema as Schema

__version__ = "0.1.0"

_HOMES = {
    "fit": "dpsynth.pipeline.api",
    "plan": "dpsynth.pipeline.plan",
    "evaluate": "dpsynth.pipeline.evaluate",
    "mask": "dpsynth.pipeline.mask",
    "anonymize": "dpsynth.pipeline.anonymize",
    "risk": "dpsynth.pipeline.risk",
    "estimate": "dpsynth.pipeline.estimate",
    "write_marginals": "dpsynth.pipeline.marginal_table",
    "load": "dpsynth.models",
    "Model": "dpsynth.models",
    "Ledger": "dpsynth.ledger",
    "Schema": "dpsynth.schema",
    "Unit": "dpsynth.privacy.unit",
    "PrivacyLoss": "dpsynth.privacy.loss",
    "DpsynthError": "dpsynth.errors",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """The public name, imported from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dpsynth' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
