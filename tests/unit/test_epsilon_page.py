"""The picture and the table of the guide's page on the choice of epsilon are those of the committed figures."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # bench/ is no part of the package

from bench import epsilon  # noqa: E402

PAGE = (ROOT / "docs" / "guide" / "choose-epsilon.md").read_text(encoding="utf-8")
SOURCE = re.search(r"bench/results/epsilon-[0-9-]+\.json", PAGE)
assert SOURCE is not None
FIGURES = json.loads((ROOT / SOURCE[0]).read_text(encoding="utf-8"))


def test_the_picture_is_drawn_from_the_figures() -> None:
    assert epsilon.PICTURE.read_text(encoding="utf-8") == epsilon.picture(FIGURES)
    assert epsilon.PICTURE.name in PAGE


def test_the_table_holds_the_figures() -> None:
    shown = dict(re.findall(r"^\| ([^|]+?) \| ([0-9.]+ \| [0-9.]+) \|$", PAGE, re.MULTILINE))
    told = {case["epsilon"]: case["mean"] for case in FIGURES["cases"]}
    marks = FIGURES["yardsticks"]
    told["exact columns, independent of each other"] = marks["independent"]
    told["as many rows drawn again from the real table"] = marks["resampled"]
    assert shown == {key: f"{value['tvd2']:.4f} | {value['largest_tvd2']:.4f}" for key, value in told.items()}
    fits = {len(case["fits"]) for case in FIGURES["cases"]}
    assert f"mean of {fits.pop()} fits" in PAGE
    assert not fits


def test_what_the_page_reads_from_the_picture_is_there() -> None:
    error = {float(case["epsilon"]): case["mean"]["tvd2"] for case in FIGURES["cases"]}
    for small, large in ((0.1, 1), (0.3, 3), (1, 10)):
        assert error[small] / error[large] == pytest.approx(3, abs=0.3)
    marks = FIGURES["yardsticks"]
    assert error[3] > marks["resampled"]["tvd2"] > error[10]
    assert error[0.1] == pytest.approx(marks["independent"]["tvd2"], abs=0.003)


def test_the_yardsticks_of_the_bundled_table() -> None:
    _, _, real = epsilon.bundled()
    assert real.rows == FIGURES["rows"]
    assert epsilon.summary(epsilon.independent_distances(real)) == FIGURES["yardsticks"]["independent"]
    assert epsilon.summary(epsilon.pair_distances(real, real)) == {"tvd2": 0.0, "largest_tvd2": 0.0}
