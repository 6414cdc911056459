"""Drawings of the internal edition, and texts that stand in both editions."""

from __future__ import annotations

import itertools
import re

import pytest

from dpsynth.report.audit_drawings import heat_svg
from dpsynth.report.drawing import GLYPH
from dpsynth.report.reference import REGULATIONS


@pytest.mark.parametrize("count", [1, 2, 9, 18, 30])
def test_numbers_below_a_heat_map_do_not_touch(count):
    names = [f"column {place}" for place in range(count)]
    found = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)</text>', heat_svg("t", names, {}))
    shown = [(float(x), GLYPH * len(text), int(text)) for x, text in found]
    assert [number for *_, number in shown] == sorted({number for *_, number in shown})
    assert shown[0][2] == 1
    assert len(shown) >= count / 2
    for (x, wide, _), (y, broad, _) in itertools.pairwise(shown):
        assert y - x >= (wide + broad) / 2
    rows = re.findall(r"(\d+) \u2068column \d+", heat_svg("t", names, {}))
    assert [int(number) for number in rows] == list(range(1, count + 1))


def test_the_map_of_regulations_says_nothing_of_what_this_audit_did():
    assert not [text for _, text in REGULATIONS if re.search(r"\bthe audit\b", text) or "measures" in text]
