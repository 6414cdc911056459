"""Attribute disclosure: what a class tells of everybody in it, although nobody is found."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.anonymization.records import Classes
from dpsynth.anonymization.risks import check_share, people_share
from dpsynth.anonymization.tallies import greatest
from dpsynth.errors import SchemaError


@dataclass(frozen=True)
class Disclosure:
    """What is learned of a sensitive attribute by knowing somebody's class.

    ``homogeneous_classes``: classes in which all people have one value in common; ``homogeneous``: the share of people
    who stand in one. ``above``: the share who stand in a class of whose people at least ``threshold`` have one value.
    """

    field: str
    threshold: float
    classes: int
    homogeneous_classes: int
    homogeneous: float
    above: float


def disclosures(classes: Classes, threshold: float = 0.8) -> tuple[Disclosure, ...]:
    """The disclosure of each sensitive attribute (homogeneity attack: Machanavajjhala et al., l-diversity, 2007)."""
    return tuple(disclosure(classes, one.name, threshold) for one in classes.sensitive)


def disclosure(classes: Classes, field: str, threshold: float = 0.8) -> Disclosure:
    """The disclosure of one sensitive attribute; raises ``SchemaError`` when the table has none of this name."""
    check_share("the threshold", threshold)
    if field not in {one.name for one in classes.sensitive}:
        raise SchemaError("the table has no sensitive attribute of this name", where=f"field {field!r}")
    tab = classes.tally(field)
    highest = greatest(tab, classes.number, tab.rows / classes.units[tab.classes])
    homogeneous = highest == 1.0
    return Disclosure(
        field,
        threshold,
        classes.number,
        int(homogeneous.sum()),
        people_share(classes, homogeneous),
        people_share(classes, highest >= threshold),
    )
