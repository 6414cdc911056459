"""The label that every preprocessing step carries: what it does to the guarantee of a later fit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dpsynth.errors import UsageError


class LabelKind(StrEnum):
    """The five kinds of design section 3.7."""

    FREE = "FREE"
    STABLE = "STABLE"
    COSTS = "COSTS"
    POST = "POST"
    NON_DP = "NON-DP"


@dataclass(frozen=True, slots=True)
class Label:
    """One step's effect: FREE (row-wise, data-independent), STABLE(c) (sensitivities times c), COSTS, POST, NON-DP."""

    kind: LabelKind
    step: str
    stability: int = 1

    def __post_init__(self) -> None:
        if self.stability < 1 or (self.stability != 1 and self.kind is not LabelKind.STABLE):
            raise UsageError("only a STABLE step has a stability, and it is at least 1", where=self.step)

    def __str__(self) -> str:
        factor = f"({self.stability})" if self.kind is LabelKind.STABLE else ""
        return f"{self.kind}{factor} {self.step}"
