"""Option values: exact fractions from decimal text, one clear message for everything else."""

from fractions import Fraction

import click
import pytest

from dpsynth.cli.layout import at_least, at_most, size, table
from dpsynth.cli.parameters import COUNT, DELTA, EPSILON, MEMORY, SEED, SHARE, UNIT
from dpsynth.privacy.unit import Unit


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (EPSILON, "1", Fraction(1)),
        (EPSILON, "0.1", Fraction(1, 10)),
        (EPSILON, "1e-1", Fraction(1, 10)),
        (EPSILON, ".5", Fraction(1, 2)),
        (DELTA, "1e-9", Fraction(1, 10**9)),
        (DELTA, "0", Fraction(0)),
        (SHARE, "1/5", Fraction(1, 5)),
        (SHARE, "0.2", Fraction(1, 5)),
        (SHARE, "20%", Fraction(1, 5)),
        (SHARE, "1", Fraction(1)),
        (COUNT, "1", 1),
        (SEED, "0", 0),
        (MEMORY, "4GB", 4 * 10**9),
        (MEMORY, "1.5 MiB", 3 * 2**19),
        (MEMORY, "100", 100),
        (UNIT, "row", Unit()),
        (UNIT, "patient:id:4", Unit("patient:id", 4)),
    ],
)
def test_good_values_are_exact(kind: click.ParamType, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *[(EPSILON, text) for text in ("0", "-1", "nan", "inf", "-inf", "one", "", "1e99", "1_0", "1/2", "0x1", "١")],
        *[(DELTA, text) for text in ("1", "-1", "2", "nan", "inf", "tiny")],
        *[(SHARE, text) for text in ("0", "1/0", "6/5", "-1/5", "120%", "fifth", "%", "0/5")],
        *[(COUNT, text) for text in ("0", "-1", "1.5", "ten", "nan", "1000000000001", "²")],
        *[(SEED, text) for text in ("-1", str(2**63), "x")],
        *[(MEMORY, text) for text in ("0", "-1", "4XB", "GB", "lots", "inf")],
        *[(UNIT, text) for text in ("", "rows", "id:0", "id:-1", ":3", "id:")],
    ],
)
def test_bad_values_are_usage_errors(kind: click.ParamType, text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert "\n" not in caught.value.message


def test_spent_is_rounded_up_and_left_is_rounded_down() -> None:
    assert at_most(Fraction(1, 3)) == "0.3334"
    assert at_least(Fraction(1, 3)) == "0.3333"
    assert at_most(1) == at_least(1) == "1"
    assert at_most(Fraction(1, 10**9)) == "1e-9"
    assert at_least(0) == "0"


def test_tables_align_and_sizes_read_well() -> None:
    assert table(("a", "b"), [("long", "x")]) == "a     b\nlong  x"
    assert table(("", ""), []) == ""
    assert [size(5), size(1_500), size(2 * 10**9)] == ["5 bytes", "1.5 kB", "2.0 GB"]
