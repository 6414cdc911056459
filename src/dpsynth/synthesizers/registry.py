"""Synthesizers by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from dpsynth.errors import UsageError
from dpsynth.synthesizers.aim import AdaptiveIterative
from dpsynth.synthesizers.auto import Auto
from dpsynth.synthesizers.direct import Direct
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MaximumSpanningTree
from dpsynth.synthesizers.privbayes import PrivBayes
from dpsynth.synthesizers.protocol import Synthesizer

_KINDS: dict[str, Callable[..., Synthesizer]] = {
    "aim": AdaptiveIterative,
    "auto": Auto,
    "direct": Direct,
    "independent": Independent,
    "mst": MaximumSpanningTree,
    "privbayes": PrivBayes,
}

NAMES: tuple[str, ...] = tuple(_KINDS)
"""The names that ``synthesizer`` knows."""


def names_without_delta() -> tuple[str, ...]:
    """The names of the methods that work in pools of pure epsilon."""
    return tuple(name for name in NAMES if synthesizer(name).without_delta)


def settings_of(name: str) -> tuple[str, ...]:
    """The names of the settings of a method."""
    return tuple(field.name for field in dataclasses.fields(_KINDS[name]) if field.init)  # type: ignore[arg-type]


def synthesizer(name: str, **settings: Any) -> Synthesizer:
    """The synthesizer of this name; ``UsageError`` for an unknown name, an unknown setting or a bad value."""
    kind = _KINDS.get(name)
    if kind is None:
        raise UsageError(f"unknown method {name!r}", hint=f"Known: {', '.join(NAMES)}.")
    known = settings_of(name)
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        listed = ", ".join(known) if known else "none"
        raise UsageError(f"unknown setting {unknown[0]!r}", where=name, hint=f"Settings: {listed}.")
    return kind(**settings)
