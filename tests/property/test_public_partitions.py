"""Claims of docs/proofs/codecs.md about partitions: every cell has one class, whatever stands around it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.discovery.questions import Partition, ordered_partition
from dpsynth.schema.kinds import KINDS, KindCodec
from dpsynth.schema.scales import DateScale, IntegerScale, RealScale

PARTITIONS: dict[str, Partition] = {
    "kinds": KindCodec(),
    "whole numbers": ordered_partition(IntegerScale(","), np.array([-10, 0, 1, 5, 1000])),
    "numbers": ordered_partition(RealScale(), np.array([-1.5, 0.0, 0.25, 1e6])),
    "days": ordered_partition(DateScale("day"), np.array([-30_000, 0, 15_000, 20_000])),
}
ODD = [b"", b"?", b"NaN", b"-inf", b"1e400", b"1,234", b"007", b"0000-01-01", b"9999-12-31", b"31/02/2020", b"\xff\xfe"]
cells = st.none() | st.sampled_from(ODD) | st.binary(max_size=12) | st.from_regex(rb"[-+]?[0-9,./:eT-]{1,14}")


@pytest.mark.parametrize("name", PARTITIONS)
@given(column=st.lists(cells, min_size=1, max_size=30), place=st.integers(0, 29))
def test_a_cell_has_one_class_alone_and_among_others(name: str, column: list[bytes | None], place: int) -> None:
    partition, place = PARTITIONS[name], place % len(column)
    codes = partition.encode(pa.array(column, pa.binary()))
    assert len(codes) == len(column)
    assert ((codes >= 0) & (codes < partition.size)).all()
    (alone,) = partition.encode(pa.array([column[place]], pa.binary()))
    assert alone == codes[place]


def test_padding_and_length_do_not_divide_long_text() -> None:
    column = pa.array(["x" * 101, "x" * 5000, " " * 5000, " " * 200 + "7"], pa.string())
    kinds = [KINDS[code] for code in KindCodec().encode(column)]
    assert kinds == ["long text", "long text", "long text", "integer"]
