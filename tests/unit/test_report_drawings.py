"""The drawings of a report: what they name, where things stand, and that no text in them can be more than a text."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.report.audit_drawings import heat_svg, risks_svg, roc_svg
from dpsynth.report.audit_facts import Curve, Risk
from dpsynth.report.count_drawings import LINES, Counts, counts_svg
from dpsynth.report.drawing import GLYPH, WIDTH, short, ticks
from dpsynth.report.markdown import escaped
from dpsynth.report.meaning import meaning, percent_up
from dpsynth.report.pool_drawings import parts_svg, spending_svg
from dpsynth.report.reference import REGULATIONS

HOSTILE = "</text><script>alert(1)</script>\u202e&\"'"


def texts(svg: str) -> list[str]:
    """The texts of a drawing, isolation marks removed."""
    root = ET.fromstring(svg)  # noqa: S314 (written by this process)
    assert {one.tag for one in root.iter()} <= {"svg", "title", "text", "path", "rect", "polyline"}
    return [(one.text or "").strip("\u2068\u2069") for one in root.iter("text")]


def counts(size: int, **wishes: object) -> Counts:
    given = {"labels": [f"c{place}" for place in range(size)], "noisy": [10.0 * place for place in range(size)]}
    around = {"low": [10.0 * place - 5 for place in range(size)], "high": [10.0 * place + 5 for place in range(size)]}
    return Counts(**{**given, **around, "made": list(range(size)), **wishes})  # type: ignore[arg-type]


def risk(**wishes: object) -> Risk:
    found = {"risk": "membership", "attack": "a", "group": "random", "measure": "advantage", "value": 0.02}
    more = {
        "low": 0.0,
        "high": 0.06,
        "threshold": 0.2,
        "verdict": "PASS",
        "ceiling": 0.9,
        "words": "",
        "demanded": True,
        "facts": {},
    }
    return Risk(**{**found, **more, **wishes})  # type: ignore[arg-type]


def every_drawing(name: str) -> list[str]:
    return [
        counts_svg(name, counts(2, labels=[name, "b"])),
        counts_svg(name, counts(LINES + 1, labels=[name] * (LINES + 1))),
        parts_svg(name, [(name, 0.5)], 1.0),
        spending_svg(name, [(name, 0.5)], [(0, name)], [name], 1.0),
        risks_svg(name, [risk(attack=name, group=name, measure=name, verdict="PASS")]),
        roc_svg(name, [Curve(name, name, ((0.0, 0.0), (1.0, 1.0)))]),
        heat_svg(name, [name, "b"], {(name, "b"): 0.3}),
    ]


def test_no_name_is_more_than_a_text():
    for svg in every_drawing(HOSTILE):
        assert "<script" not in svg
        texts(svg)
        assert "\u202e" not in "".join(texts(svg))


@given(st.floats(1e-6, 1e12))
def test_axes_begin_at_zero_end_beyond_the_largest_and_have_round_steps(most):
    found = ticks(most)
    assert found[0] == 0
    assert 2 <= len(found) <= 6
    assert found[-1] >= most * (1 - 1e-9)
    assert found[-2] < most
    step = found[1] / 10 ** math.floor(math.log10(found[1]) + 1e-9)
    assert min(abs(step - one) for one in (1, 2, 5, 10)) < 1e-6


def test_few_cells_stand_below_each_other_under_their_whole_names_and_many_beside_each_other():
    few = texts(counts_svg("few", counts(LINES)))
    assert [f"c{place}" for place in range(LINES)] == [one for one in few if one.startswith("c")]
    many = counts_svg("many", counts(60))
    named = [one for one in texts(many) if one.startswith("c")]
    places = [float(x) for x in re.findall(r"translate\(([\d.]+) ", many)]
    assert named[0] == "c0"
    assert 20 <= len(named) < 60
    assert min(b - a for a, b in pairwise(places)) >= 14
    assert "600" in texts(many)


def test_bars_ticks_and_intervals_stand_where_their_counts_are():
    svg = counts_svg("one", Counts(["a"], [50.0], [20.0], [80.0], [100.0]))
    bar = re.search(r'class="band"[^>]*d="M([\d.]+) [\d.]+H([\d.]+)"', svg)
    interval = re.search(r'class="interval" d="M([\d.]+) [\d.]+H([\d.]+)"', svg)
    tick = re.search(r'class="tick" d="M([\d.]+) ', svg)
    assert bar
    assert interval
    assert tick
    start, end = float(bar[1]), float(bar[2])
    at = [start + (end - start) * share for share in (0.2, 0.8, 0.5)]
    assert [float(interval[1]), float(interval[2]), float(tick[1])] == pytest.approx(at, abs=0.2)
    assert 'class="band"' not in counts_svg("one", Counts(["a"], [50.0], [20.0], [80.0], None))


def test_the_timeline_rises_by_every_charge_up_to_its_share_of_the_cap():
    svg = spending_svg("spent", [("a", 1.0), ("b", 1.0)], [(0, "2026-01-01")], ["a", "b"], 4.0)
    ends = [float(y) for y in re.findall(r"V([\d.]+)H[\d.]+V158Z", svg)]
    assert ends == [158 - 140 * 0.25, 158 - 140 * 0.5]
    assert {"the cap", "2026-01-01", "100 %"} <= set(texts(svg))
    assert {"a", "left"} <= set(texts(parts_svg("parts", [("a", 1.0)], 4.0)))


def test_every_measure_has_its_axis_and_every_risk_its_verdict():
    risks = [
        risk(),
        risk(measure="true positives at 1% false positives", high=0.004, threshold=0.003, verdict="INCONCLUSIVE"),
        risk(measure="true positives at 1% false positives", high=0.004, ceiling=0.002, verdict="FAIL"),
    ]
    svg = risks_svg("risks", risks)
    found = texts(svg)
    assert "membership: advantage" in found
    assert "membership: true positives at 1% false positives" in found
    assert [one for one in found if one in {"PASS", "FAIL", "INCONCLUSIVE"}] == ["PASS", "INCONCLUSIVE", "FAIL"]
    assert svg.count('class="ceiling"') == 1
    assert svg.count('class="limit"') == 3
    assert max(float(x) for x in re.findall(r'class="limit" d="M([\d.]+) ', svg)) <= WIDTH


def test_attackers_on_one_column_are_told_apart():
    attackers = ("linear reconstruction", "linear reconstruction from the model", "nearest neighbor")
    svg = risks_svg("r", [risk(group="column capital-loss", attack=one) for one in attackers])
    named = [one for one in re.findall(r'text-anchor="end">([^<]*)<', svg) if "capital-loss" in one]
    assert len(set(named)) == 3
    assert all("…" not in one for one in named)


def test_curves_are_read_between_their_points_and_by_their_area():
    curve = Curve("a", "random", ((0.0, 0.0), (0.5, 0.8), (1.0, 1.0)))
    assert curve.area == pytest.approx(0.5 * 0.8 / 2 + 0.5 * 1.8 / 2)
    assert curve.at(0.25) == pytest.approx(0.4)
    assert "a, random" in texts(roc_svg("roc", [curve]))


def test_shares_are_rounded_up_and_persons_are_named_only_where_the_unit_is_one():
    assert percent_up(Decimal("0.73101")) == "73.11 %"
    assert percent_up(Decimal("0.999999")) == "almost 100 %"
    stated = {"epsilon": "1", "delta": "0"}
    pool = {"cap": stated, "disclosures": 0}
    for unit, noun in (("row", "row"), ("who:3", "person")):
        said = meaning({**stated, "unit": unit}, pool, 3, override=False)
        assert f"whether one {noun} is" in str(said["release"])
        assert f"whether one {noun} is" in str(said["pool"])
    over = meaning({**stated, "unit": "row"}, {**pool, "disclosures": 1}, 3, override=True)
    assert over["pool"] is None
    assert "override" in str(over["candidates"])
    assert "conditional" not in str(over["candidates"])


def test_markdown_spells_turning_marks_out_and_leaves_no_isolation():
    assert escaped("\u2068adult\u2069: real") == "adult: real"
    assert escaped("\u2068a\u202eb\u2069") == "a(U+202E)b"


@pytest.mark.parametrize("count", [1, 2, 9, 18, 30])
def test_numbers_below_a_heat_map_do_not_touch(count):
    names = [f"column {place}" for place in range(count)]
    found = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)</text>', heat_svg("t", names, {}))
    shown = [(float(x), GLYPH * len(text), int(text)) for x, text in found]
    assert [number for *_, number in shown] == sorted({number for *_, number in shown})
    assert shown[0][2] == 1
    assert len(shown) >= count / 2
    for (x, wide, _), (y, broad, _) in pairwise(shown):
        assert y - x >= (wide + broad) / 2
    rows = re.findall(r"(\d+) \u2068column \d+", heat_svg("t", names, {}))
    assert [int(number) for number in rows] == list(range(1, count + 1))


def test_the_map_of_regulations_says_nothing_of_what_this_audit_did():
    assert not [text for _, text in REGULATIONS if re.search(r"\bthe audit\b", text) or "measures" in text]


def test_names_cannot_turn_the_text_around_them() -> None:
    steering = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    assert short("a\u2069\u202eb", 9) == "\u2068a\ufffd\ufffdb\u2069"
    assert short("".join(map(chr, steering)), 9) == f"\u2068{chr(0xFFFD) * 9}\u2069"
    assert short("\u05d0\u200f", 9) == "\u2068\u05d0\u200f\u2069"
