"""The label that every preprocessing step carries: what it does to the guarantee of a later fit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.privacy.unit import Unit

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MERGED = rf"\[{_QUOTED}(?:, {_QUOTED})*\]"
_TEXT = re.compile(
    rf"(FREE|COSTS|POST|NON-DP|FREE\(merges ({_MERGED})\)|STABLE\((\d{{1,9}})(?: per ({_QUOTED}))?\))(?: (.*))?",
    re.DOTALL,
)
_ROW = Unit()


class LabelKind(StrEnum):
    """The five kinds of design section 3.7."""

    FREE = "FREE"
    STABLE = "STABLE"
    COSTS = "COSTS"
    POST = "POST"
    NON_DP = "NON-DP"


@dataclass(frozen=True, slots=True)
class Label:
    """One step's effect: FREE (row-wise, data-independent), STABLE(c) (sensitivities times c), COSTS, POST, NON-DP.

    ``unit``: whose coming or going changes at most ``stability`` units of the same kind, for STABLE only; the claim is
    about no other unit. Written as ``STABLE(5) step`` for rows, ``STABLE(9 per "patient:2") step`` for persons.
    """

    kind: LabelKind
    step: str
    stability: int = 1
    unit: Unit = _ROW
    merges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.stability < 1 or (self.kind is not LabelKind.STABLE and (self.stability, self.unit) != (1, _ROW)):
            raise UsageError("only a STABLE step has a stability, and it is at least 1", where=self.step)
        if self.merges and self.kind is not LabelKind.FREE:
            raise UsageError("only a FREE step says what it merges", where=self.step)

    @staticmethod
    def parse(text: str, where: str) -> Label:
        """The label that was written as this text; ``DataMismatchError`` for any other text, ``where`` it stands."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            kind = LabelKind(match[1].partition("(")[0])
            unit = Unit.parse(json.loads(match[4])) if match[4] else _ROW
            merges = tuple(json.loads(match[2])) if match[2] else ()
            return Label(kind, match[5] or "unnamed", int(match[3] or 1), unit, merges)
        except (ValueError, UsageError):
            raise DataMismatchError("the sidecar holds a label that is not known", where=where) from None

    def __str__(self) -> str:
        whose = "" if self.unit.column is None else f" per {json.dumps(str(self.unit), ensure_ascii=False)}"
        factor = f"({self.stability}{whose})" if self.kind is LabelKind.STABLE else ""
        factor = f"(merges {json.dumps(self.merges, ensure_ascii=False)})" if self.merges else factor
        return f"{self.kind}{factor} {self.step}"
