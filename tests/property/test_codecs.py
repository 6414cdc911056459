"""What docs/proofs/codecs.md claims of ``encode``, and that ``decode`` and ``evidence`` agree with it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema import Condition, Schema
from dpsynth.schema.codecs import Codec

SCHEMA = Schema.loads("""
dpsynth: {version: 1, name: t}
missingValues: ["?", "-9", "1999-12-31"]
fields:
- {name: age, type: integer, constraints: {minimum: 17, maximum: 90}, dpsynth: {source: public}}
- name: pay
  type: integer
  constraints: {minimum: -50, maximum: 9999}
  dpsynth: {source: public, bins: {count: 13}, null: 0, overflow: "null"}
- {name: sex, type: string, constraints: {enum: [yes, no, Zürich]}, dpsynth: {source: public, overflow: other}}
- {name: code, type: string, constraints: {enum: ["1", "2"]}, dpsynth: {source: public, null: "2"}}
- {name: kids, type: integer, constraints: {enum: [7, 0, 3]}, dpsynth: {source: public}}
- {name: rate, type: number, constraints: {enum: [0.5, -1.25]}, dpsynth: {source: public}}
- name: x
  type: number
  constraints: {minimum: -2, maximum: 7.3}
  dpsynth: {source: public, bins: {width: 0.7}}
- name: cost
  type: number
  constraints: {minimum: 0, maximum: 99.5}
  dpsynth: {source: public, bins: {count: 9}, decimals: 2, overflow: "null"}
- {name: ok, type: boolean, dpsynth: {source: public}}
- name: day
  type: date
  constraints: {minimum: "1999-11-15", maximum: "2001-02-03"}
  dpsynth: {source: public, bins: month}
- name: us
  type: date
  format: "%m/%d/%y"
  constraints: {minimum: "1999-11-15", maximum: "2001-02-03"}
  dpsynth: {source: public, bins: week}
- name: at
  type: datetime
  constraints: {minimum: "2020-03-28", maximum: "2020-10-26"}
  dpsynth: {source: public, bins: hour, zone: Europe/Paris, decimals: 3}
- name: then
  type: datetime
  constraints: {minimum: "2020-03-28", maximum: "2020-10-26"}
  dpsynth: {source: public, bins: quarter}
""")
NAMES = [field.name for field in SCHEMA.modeled]
every_field = pytest.mark.parametrize("name", NAMES)

NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.from_regex(r"[ \t]?[+-]?[0-9]{0,6}\.?[0-9]{0,4}([eE][+-]?[0-9]{1,6})?[ \r]?", fullmatch=True),
)
DATES = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    fullmatch=True,
)
CELLS = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.one_of(NUMBERS, DATES, st.text(max_size=8)).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"?", b"-9", b" yes ", b"no", "Zürich".encode(), b"1", b"true", b"0.5", b"1999-12-31", b"02/29/00"]
    ),
)
ARRAYS = st.one_of(
    st.lists(CELLS, max_size=30).map(lambda cells: pa.array(cells, pa.binary())),
    st.lists(st.one_of(st.none(), st.text(max_size=6)), max_size=30).map(lambda cells: pa.array(cells, pa.string())),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=30).map(
        lambda cells: pa.array(cells, pa.int64())
    ),
    st.lists(st.one_of(st.none(), st.floats(allow_subnormal=True)), max_size=30).map(
        lambda cells: pa.array(cells, pa.float64())
    ),
    st.tuples(
        st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=30),
        st.sampled_from(["s", "ms", "us", "ns"]),
        st.sampled_from([None, "Asia/Kolkata"]),
    ).map(lambda parts: pa.array(parts[0], pa.int64()).view(pa.timestamp(parts[1], tz=parts[2]))),
    st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), max_size=30).map(
        lambda cells: pa.array(cells, pa.int32()).view(pa.date32())
    ),
    st.lists(st.one_of(st.none(), st.booleans()), max_size=30).map(lambda cells: pa.array(cells, pa.bool_())),
)


def decoded(codec: Codec, codes: np.ndarray, seed: int = 0, condition: Condition | None = None) -> pa.Array:
    return codec.decode(codes, np.random.default_rng(seed), condition)


@every_field
@given(column=ARRAYS)
def test_encode_is_total(name: str, column: pa.Array) -> None:
    codec = SCHEMA.codec(name)
    codes = codec.encode(column)
    assert codes.dtype == np.int32
    assert codes.shape == (len(column),)
    assert ((codes >= 0) & (codes < codec.size)).all()


@every_field
@given(column=ARRAYS, data=st.data())
def test_encode_is_row_wise(name: str, column: pa.Array, data: st.DataObject) -> None:
    codec = SCHEMA.codec(name)
    codes = codec.encode(column)
    order = data.draw(st.permutations(range(len(column))))
    assert codec.encode(column.take(pa.array(order, pa.int64()))).tolist() == [codes[row] for row in order]
    cut = data.draw(st.integers(0, len(column)))
    assert [*codec.encode(column[:cut]), *codec.encode(column[cut:])] == codes.tolist()
    assert [int(codec.encode(column[row : row + 1])[0]) for row in range(len(column))] == codes.tolist()
    chunks = pa.chunked_array([column[:cut], column[cut:]], column.type)
    assert codec.encode(chunks).tolist() == codes.tolist()


@every_field
@given(column=ARRAYS)
def test_encode_does_not_see_the_physical_layout(name: str, column: pa.Array) -> None:
    codec = SCHEMA.codec(name)
    codes = codec.encode(column).tolist()
    padded = pa.concat_arrays([column[:1], column, column[:1]])
    assert codec.encode(padded[len(column[:1]) : len(column[:1]) + len(column)]).tolist() == codes
    assert codec.encode(column.dictionary_encode()).tolist() == codes
    if pa.types.is_string(column.type):
        for kind in (pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()):
            assert codec.encode(column.cast(kind)).tolist() == codes
    if pa.types.is_int64(column.type):
        text = column.cast(pa.string())
        assert codec.encode(text).tolist() == codes or name in {"ok", "us", "at", "then", "day"}


@every_field
@given(seed=st.integers(0, 2**32), data=st.data())
def test_decode_then_encode_is_the_identity(name: str, seed: int, data: st.DataObject) -> None:
    codec = SCHEMA.codec(name)
    codes = np.array(data.draw(st.lists(st.integers(0, codec.size - 1), max_size=40)), dtype=np.uint16)
    column = decoded(codec, codes, seed)
    assert column.type == codec.arrow_type
    assert codec.encode(column).tolist() == codes.tolist()
    assert column.null_count == (int((codes == codec.size - 1).sum()) if codec.nullable else 0)


@every_field
def test_decoded_columns_survive_text(name: str) -> None:
    codec = SCHEMA.codec(name)
    codes = np.repeat(np.arange(codec.size), 5)
    column = decoded(codec, codes)
    cells = (
        column.cast(pa.string())
        if name != "us"
        else pa.array([v and v.strftime("%m/%d/%y") for v in column.to_pylist()])
    )
    assert codec.encode(cells.cast(pa.binary())).tolist() == codes.tolist()


@given(low=st.integers(-60, 10_010), span=st.integers(0, 3000), seed=st.integers(0, 2**32))
def test_evidence_counts_whole_numbers_exactly(low: int, span: int, seed: int) -> None:
    codec = SCHEMA.codec("pay")
    condition = Condition("pay", "range", (str(low), str(low + span)))
    every = np.arange(-50, 10_000)
    codes = codec.encode(pa.array(every))
    inside = (every >= low) & (every <= low + span)
    sizes = np.bincount(codes, minlength=13)
    assert codec.evidence(condition).tolist() == (np.bincount(codes[inside], minlength=13) / sizes).tolist()
    drawn = decoded(codec, codes, seed, condition).to_numpy()
    possible = np.isin(codes, codes[inside])
    assert ((drawn >= low) & (drawn <= low + span))[possible].all()


@given(texts=st.lists(st.integers(-60, 400).map(str), min_size=1, max_size=6))
def test_a_list_weighs_as_much_as_its_distinct_values(texts: list[str]) -> None:
    codec = SCHEMA.codec("pay")
    apart = sum(codec.evidence(Condition("pay", "eq", (text,))) for text in set(texts))
    assert codec.evidence(Condition("pay", "in", tuple(texts))) == pytest.approx(apart)


def test_draws_are_uniform_within_a_bin() -> None:
    codec = SCHEMA.codec("pay")
    drawn = decoded(codec, np.full(200_000, 4), seed=3).to_numpy()
    counts = np.unique(drawn, return_counts=True)[1]
    size = int((codec.encode(pa.array(np.arange(-50, 10_000))) == 4).sum())
    assert len(counts) == size
    expected = 200_000 / size
    assert abs(((counts - expected) ** 2 / expected).sum() - size) < 6 * np.sqrt(2 * size)


def test_declared_rounding_is_honored() -> None:
    cost = decoded(SCHEMA.codec("cost"), np.arange(9).repeat(500)).to_numpy()
    assert (np.round(cost, 2) == cost).all()
    moments = decoded(SCHEMA.codec("at"), np.arange(100).repeat(20)).view(pa.int64()).to_numpy()
    assert (moments % 1000 == 0).all()
    assert (moments % 1_000_000 != 0).any()
