"""Names, addresses, sentences from Faker, an optional library that invents them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dpsynth.errors import UsageError
from dpsynth.schema.identifiers import Fake, Identifier


class FakeValues:
    """The values of one provider, one call per row: about 10 to 200 microseconds each."""

    def __init__(self, rule: Fake, name: str, rng: np.random.Generator) -> None:
        """Raises ``UsageError`` when Faker is not installed, or has no such provider of text."""
        made, self._call = _provider(rule, name)
        made.seed_instance(int(rng.integers(0, 1 << 63)))

    def draw(self, first: int, count: int, rng: np.random.Generator) -> pa.Array:
        """The next ``count`` texts."""
        del first, rng
        return pa.array([self._call() for _ in range(count)], pa.string())


def seeded_fakes(rule: Fake, name: str) -> Callable[[int], str]:
    """What the provider invents from a seed alone; raises as ``FakeValues`` does."""
    made, call = _provider(rule, name)

    def invent(seed: int) -> str:
        made.seed_instance(seed)
        return call()

    return invent


def fake_problems(identifiers: Mapping[str, Identifier]) -> list[str]:
    """What Faker does not give although a field asks for it, in words; empty where Faker is not installed: a model may
    be made without it, and sampled where it is.
    """
    if importlib.util.find_spec("faker") is None:
        return []
    found = []
    for name, rule in identifiers.items():
        try:
            if isinstance(rule, Fake):
                _provider(rule, name)
        except UsageError as error:
            found.append(f"field {name!r}: generate: {error.message}.")
    return found


def _provider(rule: Fake, name: str) -> tuple[Any, Callable[[], str]]:
    """Faker for the locale, and its provider."""
    try:
        from faker import Faker
    except ImportError:
        hint = "Install it: pip install 'dpsynth[faker]'."
        raise UsageError("the column is invented by Faker, which is not installed", where=name, hint=hint) from None
    try:
        made: Any = Faker(rule.locale)
    except (AttributeError, ImportError, ValueError):
        raise UsageError(f"Faker has no locale {rule.locale!r}", where=name) from None
    # Of Faker's own methods none is a provider: only what a provider defines may be called.
    known = any(callable(getattr(one, rule.provider, None)) for one in made.factories[0].providers)
    made.seed_instance(0)
    try:
        example = getattr(made, rule.provider)() if known else None
    except Exception:  # a provider that needs arguments may raise anything
        example = None
    if not isinstance(example, str):
        hint = "For example name, street_address, phone_number, email, sentence."
        raise UsageError(f"Faker has no provider {rule.provider!r} of text", where=name, hint=hint)
    call: Callable[[], str] = getattr(made, rule.provider)
    return made, call
