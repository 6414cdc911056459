"""How much work the fit of a mixture may be, and what it comes to: public arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.errors import UsageError

MODEL_SIZE = 80_000_000
"""The published limit of AIM's junction tree in bytes (McKenna et al. 2022)."""

_CODES_AT_FULL_SIZE = 1024
"""With more codes the number of components falls in proportion, so that work grows with the codes, not their square."""

_RATE, _BESIDES = 1.2e11, 500
"""Single-precision operations a second of one core, and the codes that everything but matrix products is worth: as
measured between 50 and 1500 codes.
"""


@dataclass(frozen=True)
class Effort:
    """``fits`` mixtures are averaged, each of at most ``components`` products, fitted by ``steps`` of descent.

    ``model_size``: bytes of a junction tree, unless the user names a limit. ``sweeps``: over it between rounds of AIM.
    """

    components: int
    steps: int
    fits: int
    model_size: int = MODEL_SIZE
    sweeps: int = 3

    def components_for(self, codes: int) -> int:
        """The components of one mixture over this many codes."""
        return max(self.components * _CODES_AT_FULL_SIZE // max(codes, _CODES_AT_FULL_SIZE), 1)

    def cells(self, codes: int) -> int:
        """The parameters of the model."""
        return self.fits * self.components_for(codes) * (codes + 1)

    def seconds(self, codes: int) -> float:
        """About how many CPU seconds all fits take: two products of components x codes x codes a step, and the rest."""
        return 4 * self.fits * self.steps * self.components_for(codes) * codes * (codes + _BESIDES) / _RATE

    def bytes(self, codes: int) -> int:
        """The peak of goals, descent (float32) and the finished model (float64)."""
        return 24 * codes**2 + 40 * self.components_for(codes) * codes + 24 * self.cells(codes)


EFFORTS = {
    "fast": Effort(300, 400, 2, model_size=8_000_000, sweeps=1),
    "default": Effort(500, 500, 4),
    "max": Effort(1000, 600, 8, model_size=400_000_000, sweeps=10),
}
"""By name. Components, steps and fits were chosen on the tables of ``docs/guide/estimation.md``."""


def effort_of(name: str) -> Effort:
    """The effort of this name; ``UsageError`` for any other."""
    if name not in EFFORTS:
        raise UsageError("the effort is fast, default or max", where="auto.effort")
    return EFFORTS[name]
