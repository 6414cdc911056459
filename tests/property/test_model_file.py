"""A damaged model file is refused with one error, or reads as a model; nothing else ever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import FileFormatError
from dpsynth.models import Model, load

FIXTURE = (Path(__file__).resolve().parents[1] / "data" / "model-v1.dps").read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "m.dps"


@given(edits=st.lists(st.tuples(st.integers(0, len(FIXTURE) - 1), st.binary(min_size=1, max_size=4)), max_size=4))
def test_damaged_bytes(path, edits):
    data = bytearray(FIXTURE)
    for place, patch in edits:
        data[place : place + len(patch)] = patch
    path.write_bytes(data)
    try:
        model = load(path)
    except FileFormatError:
        return
    assert isinstance(model, Model)
    assert len(model.sample(3, seed=0)) == 3


@given(length=st.integers(0, len(FIXTURE) - 1))
def test_truncated_bytes(path, length):
    path.write_bytes(FIXTURE[:length])
    with pytest.raises(FileFormatError):
        load(path)
