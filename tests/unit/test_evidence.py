"""Figures carry their color, finite values and intervals."""

import dataclasses
import json

import pytest

from dpsynth.errors import UsageError
from dpsynth.evidence import INTERNAL_WATERMARK, Color, Figure, InternalFigure, Interval


def test_a_figure_shows_its_color_and_interval():
    figure = Figure("mean", 0.25, "", Color.INTERNAL, "real rows", Interval(0.2, 0.3, 0.95))
    assert json.loads(json.dumps(figure.to_dict())) == {
        "name": "mean",
        "value": 0.25,
        "unit": "",
        "color": "internal",
        "source": "real rows",
        "interval": {"low": 0.2, "high": 0.3, "level": 0.95},
    }


def test_a_figure_cannot_be_recolored():
    figure = InternalFigure("mean", 0.25, "", Color.INTERNAL, "real rows")
    with pytest.raises(dataclasses.FrozenInstanceError):
        figure.color = Color.RELEASED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_is_finite(value):
    with pytest.raises(UsageError, match="finite"):
        Figure("mean", value, "", Color.RELEASED, "noisy answers")


@pytest.mark.parametrize("bounds", [(1.0, 0.0, 0.95), (0.0, 1.0, 0.0), (0.0, 1.0, 1.0), (float("nan"), 1.0, 0.5)])
def test_an_interval_is_ordered_and_has_a_level(bounds):
    with pytest.raises(UsageError, match="interval"):
        Interval(*bounds)


def test_the_watermark_says_all_three_things():
    assert INTERNAL_WATERMARK.startswith("INTERNAL")
    for words in ("without differential privacy", "not covered by any epsilon", "must not enter a release"):
        assert words in INTERNAL_WATERMARK
