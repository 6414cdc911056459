"""The result of an evaluation: watermarked in both forms, JSON-able, readable."""

import json

import pytest

from dpsynth.evidence import INTERNAL_WATERMARK, Color
from dpsynth.metrics import ColumnDistance, WayDistances
from dpsynth.pipeline.evaluation import ColumnResult, Evaluation

EVERYTHING = WayDistances(1, 2, 2, 0, None, 0.25, 0.0, 0.375, ("age",))
SAMPLE = WayDistances(2, 20_000, 1_313_400, 0, 7, 0.5, 0.0125, 0.75, ("age", "city"))
LEFT_OUT = WayDistances(3, 3, 5, 2, None, 0.5, None, 0.75, ("age", "city", "sex"))


@pytest.fixture
def evaluation():
    columns = (
        ColumnResult(ColumnDistance("age", 0.375, 3, -0.125), "[30, 40)"),
        ColumnResult(ColumnDistance("city", 0.125, 0, 0.0625), "x" * 100),
    )
    return Evaluation("people", "real.csv", "model.dps", "model", (EVERYTHING, SAMPLE, LEFT_OUT), columns, ("A note.",))


def nodes(value):
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from nodes(child)
    if isinstance(value, list):
        for child in value:
            yield from nodes(child)


def test_the_text_starts_and_ends_with_the_watermark(evaluation):
    paragraphs = evaluation.render().split("\n\n")
    assert paragraphs[0] == paragraphs[-1] == INTERNAL_WATERMARK
    assert "A note." in paragraphs


def test_the_text_says_how_many_marginals_were_compared(evaluation):
    lines = {line.split()[0]: line for line in evaluation.render().splitlines() if line}
    assert lines["1-way"].split() == ["1-way", "2", "0.2500", "0.3750", "age"]
    assert "20,000 of 1,313,400" in lines["2-way"]
    assert "0.5000 ± 0.0125" in lines["2-way"]
    assert "3 of 5" in lines["3-way"]
    assert "±" not in lines["3-way"]
    assert "-0.1250 at [30, 40)" in lines["age"]
    assert max(map(len, lines["city"].split())) == 40


def test_every_number_in_the_json_form_stands_under_the_internal_color(evaluation):
    content = json.loads(json.dumps(evaluation.to_dict()))
    assert next(iter(content)) == "watermark"
    assert (content["watermark"], content["color"]) == (INTERNAL_WATERMARK, "internal")
    figures = [node for node in nodes(content) if "value" in node]
    assert len(figures) == 2 * 3 + 2 * 2
    assert {figure["color"] for figure in figures} == {"internal"}
    bare = [node for node in nodes(content) if node.keys() - {"low", "high", "level", "value"} == node.keys()]
    assert not any(isinstance(value, float) for node in bare for value in node.values())


def test_a_sampled_mean_carries_its_interval(evaluation):
    first, second, third = (entry["mean"]["interval"] for entry in evaluation.to_dict()["marginals"])
    assert first is None
    assert second == {"low": 0.4875, "high": 0.5125, "level": 0.95}
    assert third is None


def test_all_figures_are_internal(evaluation):
    assert [figure.value for figure in evaluation.figures] == [0.25, 0.375, 0.5, 0.75, 0.5, 0.75, 0.375, 0.125]
    assert {figure.color for figure in evaluation.figures} == {Color.INTERNAL}
