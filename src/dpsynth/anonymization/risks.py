"""How likely somebody is found in a table: prosecutor, journalist and marketer risk, and who is alone in it.

Definitions: El Emam, Guide to the de-identification of personal health information, 2013; Dankar & El Emam, 2010. They
are by person where the unit is a person: whoever stands in several classes runs the greatest of their risks. Exact
figures of a table are no output under differential privacy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Counts
from dpsynth.errors import UsageError

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Risk:
    """Of an attack: the highest and the average probability of a match, and the share of people above the threshold."""

    highest: float
    average: float
    above: float


@dataclass(frozen=True)
class Risks:
    """Risks of re-identification.

    ``prosecutor``: the attacker knows that somebody is in the table: 1 / people in the class. ``journalist``: the
    attacker does not: 1 / people of the population with the features of the class. ``population``: False when none is
    known, so that the table is taken for it and the two are equal. ``unmatched``: classes of which the population has
    fewer people than the table, which contradicts itself: the table's number counts for them.
    """

    threshold: float
    prosecutor: Risk
    journalist: Risk
    population: bool
    unmatched: int

    @property
    def marketer(self) -> float:
        """The expected share of people matched rightly by an attacker who matches everybody: the journalist average."""
        return self.journalist.average


@dataclass(frozen=True)
class Uniqueness:
    """Rows equal to no other, and people of whom a class has no other; as numbers and as shares."""

    rows: int
    row_share: float
    persons: int
    person_share: float


def risks(classes: Classes, threshold: float = 0.2) -> Risks:
    """All risks; ``threshold`` is the probability that nobody should run. All are 0 for a table without rows."""
    check_share("the threshold", threshold)
    units = classes.units
    everybody = units if classes.population is None else np.maximum(units, classes.population)
    return Risks(
        threshold,
        _risk(classes, units, threshold),
        _risk(classes, everybody, threshold),
        classes.population is not None,
        0 if classes.population is None else int(np.count_nonzero(classes.population < units)),
    )


def uniqueness(classes: Classes) -> Uniqueness:
    """Who is alone in the table."""
    rows = int(np.count_nonzero(classes.rows == 1))
    alone, weights = by_person(classes, (classes.units == 1).astype(np.float64))
    persons = float(alone @ weights)
    return Uniqueness(
        rows, rows / max(int(classes.rows.sum()), 1), int(persons), persons / max(float(weights.sum()), 1.0)
    )


def by_person(classes: Classes, figures: Figures) -> tuple[Figures, Figures]:
    """The greatest figure of the classes that a person stands in, and for how many people each entry stands.

    An entry is a person, or a class whose rows are people. ``figures``: by class, none below 0.
    """
    if classes.persons is None:
        return figures, classes.rows.astype(np.float64)
    who, codes = np.unique(classes.persons, return_inverse=True)
    found = np.zeros(len(who))
    np.maximum.at(found, codes, figures[classes.of])
    return found, np.ones(len(who))


def people_share(classes: Classes, flags: NDArray[np.bool_]) -> float:
    """The share of people who stand in one of the flagged classes; 0 for a table without rows."""
    found, weights = by_person(classes, flags.astype(np.float64))
    return float(found @ weights) / max(float(weights.sum()), 1.0)


def check_share(name: str, value: float) -> None:
    """Raises ``UsageError`` for what is no number from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise UsageError(f"{name} is a number from 0 to 1")


def _risk(classes: Classes, candidates: Counts, threshold: float) -> Risk:
    found, weights = by_person(classes, 1.0 / candidates)
    people = max(float(weights.sum()), 1.0)
    return Risk(
        float(found.max(initial=0.0)), float(found @ weights) / people, float((found > threshold) @ weights) / people
    )
