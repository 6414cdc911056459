"""After TOUCH nothing may raise: whatever a table holds and the noise does, discovery ends in a schema that loads and
can be afforded, or in nothing learned.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.discovery import Discovery, Purse, discover, document
from dpsynth.pipeline.discovery import Learned, affordable
from dpsynth.pipeline.discovery_plan import discovery_loss
from dpsynth.pipeline.plan import Price
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import synthesizer
from fake_discoverable import FakeDiscoverable

COUNT = 1000
DELTA = Fraction(1, 10**9)
EPSILONS = [Fraction(1, 1000), Fraction(1), Fraction(3), Fraction(10), Fraction(100)]
SHARES = [Fraction(1, 100), Fraction(1, 4), Fraction(9, 10), Fraction(1)]


def halves(*values) -> list:
    """The values in turns, as often as there are rows."""
    return [values[index % len(values)] for index in range(COUNT)]


def texts(**columns) -> pa.Table:
    return pa.table({name: pa.array(halves(*cells), pa.string()) for name, cells in columns.items()})


@cache
def hostile() -> dict[str, pa.Table]:
    draw = np.random.default_rng(0)
    names = ["x", " ", "a: b", "- x", "#", "'", '"', "{", "null", "true", "--epsilon", "=1+1", "é\u2028", "_", "other"]
    words = ["TODO", "null", "Null", "- a", "{", "a: b", "#x", "!!python/object", "~", "&a", "*a", "%", "other", "yes",
             "1_000", "\u2028x", "\ufeffy", "\xa0 x", "missing", "<null>", "\x85z", "2020-01-01x", "0x1f"]  # fmt: skip
    reals = [1e18, 1e300, -1e300, float("inf"), float("nan"), 1e-300, 0.1234567891, 1e12 + 0.5]
    return {
        "no row": texts(a="x", b="1")[:0],
        "one row": texts(a="x", b="1", c=["2020-01-01"], d=["true"], e=["0.5"])[:1],
        "all null": pa.table({"a": pa.nulls(COUNT), "b": pa.nulls(COUNT, pa.int64()), "c": [""] * COUNT}),
        "constant": texts(a="x", b="7", c=["1.5"], d=["2020-01-01"], e=["true"], f=["0001"], g="0", h=["1,000"]),
        "names": pa.table([halves("x", "y")] * len(names), names=names),
        "words": pa.table({f"w{number}": halves(word, "x") for number, word in enumerate(words)}),
        "numbers in text": texts(a=["1e400", "-1e400"], b=["9" * 18], c=["9" * 19], d=["123456789012345678.5"],
                                 e=["999999999999.999999", "0.000001"], f=["inf", "1"], g=["1,000,000.5", "2"]),
        "whole numbers": pa.table({"a": halves(10**18), "b": halves(-(10**18), 10**18), "c": halves(2**63 - 1),
                                   "d": halves(-(2**63), 0), "e": halves(700_001, 700_002), "f": halves(0)}),
        "reals": pa.table({f"r{number}": halves(real, -1.5) for number, real in enumerate(reals)}),
        "frequent reals": pa.table({"a": halves(12345678901.123456, *(draw.random(9) * 1e11)),
                                    "b": halves(2.0**32 + 0.5, 1.5, *draw.random(9)),
                                    "c": halves("999999999999.999999", "1.5", "0.000001")}),
        "dates": texts(a=["0001-01-01"], b=["9999-12-31"], c=["0001-01-01", "9999-12-31"], d=["0000-01-01"],
                       e=["01/02/0001"], f=["31/12/9999", "12/31/9999"], g=["9999-12-31T23:59:59Z"],
                       h=["0001-01-01 00:00:00"], i=["20000101", "2020-01-01"], j=["1-Jan-2000", "31-Dec-9999"],
                       k=["2000-01-01T00:00:00+05:00", "1999-01-01T00:00:00"]),
        "instants": pa.table({"a": pa.array(halves(-719162, 2932896), pa.date32()),
                              "b": pa.array(halves(-(2**62), 2**62), pa.timestamp("us")),
                              "c": pa.array(halves(-(2**62), 2**62), pa.timestamp("ns", "UTC"))}),
        "lists": texts(a=["Ohio", "Iowa"], b=["January", "May"], c=["FRANCE", "CHAD"], d=["DE", "FR"]),
        "mixed": pa.table({"a": halves("1", "x"), "b": halves("1", "1.5", "2020-01-01"), "c": halves("x" * 5000),
                           "d": halves("x" * 150, "y"), "e": pa.array(halves(b"\xff\xfe")), "f": halves([1]),
                           "g": halves("a\x00b", "t\tb")}),
        "ordinary": pa.table({"a": draw.normal(size=COUNT).round(2), "b": draw.integers(0, 100, COUNT),
                              "c": np.where(draw.random(COUNT) < 0.9, 0, draw.integers(1, 99999, COUNT)),
                              "d": draw.choice(["a", "b", "c"], COUNT), "e": draw.normal(size=COUNT) * 1e6,
                              "f": [f"{number}@x.com" for number in draw.integers(0, 9, COUNT)]}),
    }  # fmt: skip


def ended(table: pa.Table, epsilon: Fraction, share: Fraction, seed: int, governor: Governor) -> Learned | None:
    """What a fit would model after this discovery, ``None`` for nothing; checked on the way."""
    unit = Unit()
    loss = discovery_loss(epsilon, DELTA, governor)
    asker = FakeDiscoverable(table, seed=seed, governor=governor)
    found = discover(asker, Purse(loss, governor, 1, share))
    spent = [asked for _, _, asked in asker.asked]
    assert sum(map(governor.units, spent)) <= governor.units(loss) * share
    assert sum(one.delta for one in spent) <= loss.delta
    schema = loaded(found, asker.names)
    if not any(one.modeled for one in found.findings):
        return None
    schema.require_fit()
    assert set(schema.domain) == {one.name for one in found.findings if one.modeled}
    learned = Learned(schema, found, loss, share)
    left = Price(epsilon, DELTA, loss.share(Fraction(1, 2)), governor)
    learned, _, priced = affordable(learned, synthesizer("mst"), left, unit=unit, memory_limit=1 << 16)
    assert priced.plan.bytes <= 1 << 16
    return learned


def loaded(found: Discovery, names) -> Schema:
    """The schema of a discovery: it loads, again from its own text, and every field says where it comes from."""
    schema = Schema.from_dict(document(found, name="table", unit=Unit(), header=names))
    assert Schema.loads(schema.dump()).to_dict() == schema.to_dict()
    assert [field.name for field in schema.fields] == list(names)
    return schema


@pytest.mark.parametrize("name", hostile())
@settings(max_examples=max(settings().max_examples // 8, 1))
@given(data=st.data())
def test_discovery_ends_in_a_schema_or_in_nothing(name, data):
    epsilon, share = data.draw(st.sampled_from(EPSILONS)), data.draw(st.sampled_from(SHARES))
    governor = data.draw(st.sampled_from([Governor.GDP, Governor.ZCDP]))
    ended(hostile()[name], epsilon, share, data.draw(st.integers(0, 2**32 - 1)), governor)


@pytest.mark.parametrize("epsilon", [Fraction(1, 10), Fraction(1)])
def test_many_different_texts_end_in_a_schema_or_in_nothing(epsilon):
    numbers = np.arange(100_000)
    table = pa.table({"a": pa.array(numbers).cast(pa.string()), "b": [f"v{number}" for number in numbers.tolist()]})
    learned = ended(table, epsilon, Fraction(1, 4), 1, Governor.GDP)
    assert learned is None or "b" not in learned.schema.domain
