"""What a verification found: one line a check, the first failure, and what all of it does and does not prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dpsynth.errors import VerificationError

PROVES = {
    "integrity: every file is, bit for bit, the one that was signed": ("sums", "signature"),
    "rows: both forms hold the same rows, and each fits the schema": ("rows",),
    "arithmetic: the rows, the facts of the report, the recorded noise scales, the ledger and the guarantee agree": (
        *("statements", "synthetic figures", "ledger", "losses", "pool", "guarantee", "answers", "facts", "release"),
    ),
    "counts: the noisy counts and intervals of the report are those of the model": ("model",),
    "texts: README.md, report.html and the descriptions say what those facts say": ("texts",),
}
"""What is proved when all of these checks hold."""

RESTS = (
    "that the noise was drawn as recorded, from a good source of randomness",
    "that the ledger is complete: the same rows under another ledger, or a withdrawal cut from its end, are not seen",
    "that the answers were computed from the rows they should be, and that the unit of privacy is the true one",
    "its own words: the title, and a license that it wrote itself",
)
"""What no check can tell: it rests on the publisher."""

UNCHECKED = {
    "guarantee": "the guarantee: it is a claim, which nothing in the package proves",
    "model": "the noisy counts and intervals of the report: the package ships no model to compare them with",
    "facts": "the sentences of the report and its facts beside the guarantee, the pool and the counts",
    "texts": "the prose of README.md and report.html: the facts that were checked are those of report.json",
}
"""What rests on the publisher where a check could not be made."""


class Outcome(StrEnum):
    """How a check ended."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Why a check could not be made on a package in which nothing is wrong."""

    words: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it ended, and one sentence of what was found."""

    name: str
    outcome: Outcome
    words: str

    def record(self) -> dict[str, str]:
        """The check as JSON-able data."""
        return {"check": self.name, "outcome": str(self.outcome), "words": self.words}


@dataclass(frozen=True, slots=True)
class Verified:
    """All checks in order, and ``facts`` about the release as far as they were established.

    ``facts``: ``key_id`` (of the key that signed), ``key_given`` (whether that key was asked for), ``override``,
    ``guarantee``, ``claim`` (where there is none), ``rows``, ``content``, ``pool`` (``raised_after_outputs``,
    ``disclosures``). ``failure`` is the first failed check's error, None when all that could be checked holds; the
    checks after a failure are ``not checked``.
    """

    checks: tuple[Check, ...]
    facts: Mapping[str, Any]
    failure: VerificationError | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.failure is None

    @property
    def rests(self) -> tuple[str, ...]:
        """What rests on the publisher, in words."""
        whose = "whose the key is: ask the publisher for its key id by another way"
        nobody = "who signed: without the publisher's key (--key) the signature proves nothing about who made this"
        open_ = [one.name for one in self.checks if one.outcome is Outcome.NOT_CHECKED]
        more = [words for name, words in UNCHECKED.items() if self.ok and name in open_]
        return (*RESTS, *more, whose if self.facts.get("key_given") else nobody)

    @property
    def proves(self) -> tuple[str, ...]:
        """What the checks that hold prove, in words; nothing once one failed."""
        held = {one.name for one in self.checks if one.outcome is Outcome.HOLDS}
        return tuple(what for what, needed in PROVES.items() if self.ok and held.issuperset(needed))

    def record(self) -> dict[str, Any]:
        """The outcome as JSON-able data."""
        return {
            "verified": self.ok,
            "checks": [check.record() for check in self.checks],
            **self.facts,
            "failure": None if self.failure is None else str(self.failure),
            "proves": list(self.proves),
            "rests_on_the_publisher": list(self.rests),
        }
