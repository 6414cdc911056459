"""Kinds of cells: total and elementwise on anything that a column may hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.kinds import KINDS, KindCodec

CODEC = KindCodec()
LIKELY = st.text(alphabet="0123456789+-.,/:eETZ \ttruefalsnNA?{}@", max_size=24).map(str.encode)
CELLS = (
    st.none() | LIKELY | st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))
)
TYPES = st.sampled_from([pa.binary(), pa.large_binary(), pa.binary_view()])
NUMBERS = st.none() | st.floats(width=64)
WHOLE = st.none() | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(CELLS, max_size=30), TYPES)
def test_any_bytes_have_a_kind(cells, kind):
    codes = CODEC.encode(pa.array(cells, kind))
    assert codes.shape == (len(cells),)
    assert ((codes >= 0) & (codes < len(KINDS))).all()


def check_elementwise(first: pa.Array, second: pa.Array) -> None:
    """Cells side by side, alone and through dictionaries have the kinds that they have apart."""
    apart = np.concatenate([CODEC.encode(first), CODEC.encode(second)])
    both = pa.concat_arrays([first, second])
    assert np.array_equal(CODEC.encode(both), apart)
    assert np.array_equal(CODEC.encode(pa.chunked_array([first, second])), apart)
    assert np.array_equal(CODEC.encode(both.dictionary_encode()), apart)
    single = [CODEC.encode(both[index : index + 1]) for index in range(len(both))]
    assert np.array_equal(np.concatenate([*single, apart[:0]]), apart)


@given(st.lists(CELLS, max_size=12), st.lists(CELLS, max_size=12), st.sampled_from([pa.binary(), pa.large_binary()]))
def test_text_is_classed_cell_by_cell(first, second, kind):
    check_elementwise(pa.array(first, kind), pa.array(second, kind))


@given(st.lists(NUMBERS, max_size=12), st.lists(NUMBERS, max_size=12))
def test_numbers_are_classed_cell_by_cell(first, second):
    check_elementwise(pa.array(first, pa.float64()), pa.array(second, pa.float64()))


@given(st.lists(WHOLE, max_size=12), st.sampled_from([pa.int64(), pa.timestamp("ns"), pa.timestamp("s", "UTC")]))
def test_every_instant_and_whole_number_has_one_kind(numbers, kind):
    codes = CODEC.encode(pa.array(numbers, kind))
    present = np.array([number is not None for number in numbers], dtype=bool)
    assert len(set(codes[present].tolist())) <= 1
    assert (codes[~present] == KINDS.index("missing")).all()
