"""Masks without a key and without numbers: a constant, a partial redaction, ZIP codes of three digits."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.masks.values import decoded

SMALL_ZIP3 = (
    "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()  # noqa: SIM905
)
"""The areas with 20,000 people or fewer in the census of 2000, as listed by the US Department of Health and Human
Services, Guidance Regarding Methods for De-identification of Protected Health Information in Accordance with the
HIPAA Privacy Rule (26 November 2012), section on the Safe Harbor method, 45 CFR 164.514(b)(2)(i)(B). The rule asks
for the current census: a policy may give a newer list."""

_ZIP = r"^[0-9]{5}(-?[0-9]{4})?$"


@dataclass(frozen=True)
class Constant:
    """Every cell becomes the same text."""

    text: str

    def __call__(self, cells: pa.Array) -> pa.Array:
        """As many copies as there are cells."""
        return pa.repeat(pa.scalar(self.text), len(cells))


@dataclass(frozen=True)
class Redaction:
    """The first and the last characters stay; a text too short to hide anything between them is hidden whole."""

    first: int
    last: int
    filler: str

    def __call__(self, cells: pa.Array) -> pa.Array:
        """The redacted texts, as long as they were; null for what is not UTF-8."""
        texts = decoded(cells)
        lengths = pc.utf8_length(texts)
        hidden = pc.subtract(lengths, self.first + self.last)
        whole = pc.less_equal(hidden, 0)
        fillers = pc.binary_repeat(self.filler, pc.if_else(whole, lengths, hidden))
        head = pc.utf8_slice_codeunits(texts, 0, self.first)
        tail = pc.utf8_slice_codeunits(texts, -self.last) if self.last else pa.scalar("", texts.type)
        joined = pc.binary_join_element_wise(head, fillers.cast(texts.type), tail, pa.scalar("", texts.type))
        return pc.if_else(whole, fillers.cast(texts.type), joined)


@dataclass(frozen=True)
class Zip3:
    """The first three digits of a US ZIP code, 000 for the areas that are listed as small."""

    small: tuple[str, ...]

    def __call__(self, cells: pa.Array) -> pa.Array:
        """Three digits; null for what is no ZIP code of five or nine digits."""
        texts = pc.utf8_trim_whitespace(decoded(cells))
        areas = pc.utf8_slice_codeunits(texts, 0, 3)
        small = pc.is_in(areas, value_set=pa.array(self.small, areas.type))
        fits = pc.fill_null(pc.match_substring_regex(texts, _ZIP), fill_value=False)
        return pc.if_else(fits, pc.if_else(small, pa.scalar("000", areas.type), areas), pa.scalar(None, areas.type))
