"""A damaged model file is refused with one error, or reads as a model; nothing else ever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import FileFormatError
from dpsynth.models import Model, load

DATA = Path(__file__).resolve().parents[1] / "data"
FIXTURES = [(DATA / name).read_bytes() for name in ("model-v1.dps", "model-mixture-v2.dps", "model-network-v3.dps")]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "m.dps"


@pytest.mark.parametrize("fixture", FIXTURES, ids=["field", "mixture", "network"])
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4))
def test_damaged_bytes(path, fixture, edits):
    data = bytearray(fixture)
    for share, patch in edits:
        place = round(share * (len(data) - len(patch)))
        data[place : place + len(patch)] = patch
    path.write_bytes(data)
    try:
        model = load(path)
    except FileFormatError:
        return
    assert isinstance(model, Model)
    assert len(model.sample(3, seed=0)) == 3


@pytest.mark.parametrize("fixture", FIXTURES, ids=["field", "mixture", "network"])
@given(share=st.floats(0, 1))
def test_truncated_bytes(path, fixture, share):
    path.write_bytes(fixture[: int(share * (len(fixture) - 1))])
    with pytest.raises(FileFormatError):
        load(path)
