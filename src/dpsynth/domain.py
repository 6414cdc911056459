"""Domain and clique algebra: which attributes a table has and how many values each can take. All of it is public."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dpsynth.errors import DomainError

Clique = tuple[str, ...]
"""Attribute names in axis order."""


@dataclass(frozen=True)
class Domain:
    """The attributes of a table, in order, and the number of codes (``0 .. size-1``) of each.

    Raises ``DomainError`` for duplicate attributes or sizes below 1.
    """

    attributes: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.attributes) != len(self.sizes):
            raise DomainError("a domain needs one size per attribute")
        if len(set(self.attributes)) != len(self.attributes):
            raise DomainError("an attribute appears twice in the domain")
        if any(size < 1 for size in self.sizes):
            raise DomainError("every attribute of a domain needs at least one value")

    @staticmethod
    def from_sizes(sizes: Mapping[str, int]) -> Domain:
        """The domain with these attributes, in the mapping's order."""
        return Domain(tuple(sizes), tuple(int(size) for size in sizes.values()))

    @cached_property
    def _position(self) -> dict[str, int]:
        return {attribute: axis for axis, attribute in enumerate(self.attributes)}

    def __contains__(self, attribute: object) -> bool:
        return attribute in self._position

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, attribute: str) -> int:
        """The number of codes of one attribute; ``DomainError`` if it is not in the domain."""
        try:
            return self.sizes[self._position[attribute]]
        except KeyError:
            raise DomainError("attribute not in the domain", where=str(attribute)) from None

    def shape(self, clique: Iterable[str]) -> tuple[int, ...]:
        """The shape of the marginal of a clique, axes in clique order."""
        return tuple(self[attribute] for attribute in clique)

    def cells(self, clique: Iterable[str]) -> int:
        """The number of cells of the marginal of a clique (1 for the empty clique); exact."""
        return math.prod(self.shape(clique))

    def axes(self, clique: Iterable[str]) -> tuple[int, ...]:
        """The axes of the clique's attributes in an array over the whole domain."""
        attributes = tuple(clique)
        self.shape(attributes)
        return tuple(self._position[attribute] for attribute in attributes)

    def canonical(self, attributes: Iterable[str]) -> Clique:
        """The distinct attributes as a clique in domain order; ``DomainError`` for an unknown one."""
        return tuple(self.attributes[axis] for axis in sorted(set(self.axes(attributes))))

    def cliques(self, ways: int) -> tuple[Clique, ...]:
        """All cliques of ``ways`` attributes, in domain order."""
        return tuple(itertools.combinations(self.attributes, ways))

    def check_clique(self, clique: Clique) -> None:
        """Raise ``DomainError`` unless the clique names known, distinct attributes."""
        if len(set(clique)) != len(clique):
            raise DomainError("a clique names an attribute twice", where=",".join(clique))
        self.shape(clique)
