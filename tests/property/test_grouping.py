"""Grouping at a node: equal records and no others share a class, whichever way the keys are numbered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization import grouping
from dpsynth.anonymization.distinct import distinct
from dpsynth.anonymization.grouping import at_node, bundled
from recoding_examples import tables


@pytest.mark.parametrize("cells", [1, 64, grouping.CELLS])
@pytest.mark.parametrize("dense", [0, grouping.DENSE, None])
@given(table=tables().filter(lambda table: table.rows), choice=st.data())
def test_classes_at_a_node_are_equal_nodes(cells, dense, table, choice) -> None:
    """``dense`` None: as if there were more combinations than a key of 64 bits can tell apart."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grouping, "CELLS", cells)
        patched.setattr(grouping, "DENSE", dense)
        if dense is None:
            patched.setattr(grouping, "BITS", 0)
        bundles = bundled(table.hierarchies)
        node = np.array([choice.draw(st.integers(0, one.height - 1)) for one in table.hierarchies], np.uint8)
        records, _ = distinct(table)
        of, number = at_node(bundles, np.stack([bundle.keys(records.codes) for bundle in bundles]), node)
    shown = [
        tuple(one.nodes[level][code] for one, level, code in zip(table.hierarchies, node, leaves, strict=True))
        for leaves in records.codes.T
    ]
    assert len(set(zip(shown, of.tolist(), strict=True))) == len(set(shown)) == number
    assert set(of.tolist()) == set(range(number))
