"""Optimal generalization against the enumeration of all nodes, on small random tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization import optimal as search
from dpsynth.anonymization import rollup
from dpsynth.anonymization.appraisal import Appraiser
from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.lattice import lattice_of
from dpsynth.anonymization.optimal import optimal
from dpsynth.anonymization.privacy_models import Closeness, PrivacyModel
from dpsynth.anonymization.records import Generalized, Records, Sensitive
from dpsynth.errors import GateError
from lattice_examples import MODELS, fitting, kept_rows, least_loss, loss_of, tables

limits = st.sampled_from([0.0, 0.1, 0.3, 1.0])
any_models = st.sampled_from(list(MODELS.values()))
every_model = pytest.mark.parametrize("models", MODELS.values(), ids=MODELS)


@st.composite
def ranges(draw: st.DrawFn, records: Records) -> dict[int, tuple[int, int]]:
    """Levels allowed of some attributes."""
    fixed = {}
    for axis, one in enumerate(records.hierarchies):
        if draw(st.integers(0, 3)) == 0:
            low = draw(st.integers(0, one.height - 1))
            fixed[axis] = (low, draw(st.integers(low, one.height - 1)))
    return fixed


def outcome(records: Records, models: Sequence[PrivacyModel], suppression: float) -> Generalized | str:
    """The generalization, or why there is none."""
    try:
        return optimal(records, models, suppression=suppression)
    except GateError as error:
        return str(error)


@every_model
@given(data=st.data(), suppression=limits)
def test_no_node_loses_less(models, data, suppression):
    records = data.draw(tables(models))
    fixed = data.draw(ranges(records))
    least = least_loss(records, models, suppression, fixed)
    if math.isinf(least):
        with pytest.raises(GateError):
            optimal(records, models, suppression=suppression, fixed=fixed)
        return
    found = optimal(records, models, suppression=suppression, fixed=fixed)
    kept = kept_rows(records, models, found.levels)
    assert found.loss == pytest.approx(least, abs=1e-9)
    assert found.loss == pytest.approx(loss_of(records, found.levels, kept), abs=1e-9)
    assert found.bound == found.loss
    assert (found.suppressed == ~kept).all()
    assert all(low <= found.levels[axis] <= high for axis, (low, high) in fixed.items())
    assert [set(level) for level in found.of] == [{level} for level in found.levels]


@every_model
@given(data=st.data(), suppression=limits)
def test_no_node_of_a_box_loses_less_than_its_bound(models, data, suppression):
    records = data.draw(tables(models))
    lattice = lattice_of(records, {})
    losses = {node: loss for loss, node in fitting(records, models, suppression, {})}
    appraiser = Appraiser(records, lattice, models, suppression)
    steps = search._Search(
        lattice, appraiser, progress=lambda _: None, clock=lambda: 0.0, checks=math.inf, time_limit=math.inf
    )
    entries, halved = list(steps._entries), 0
    while entries:
        bound, _, box, extra = entry = entries.pop()
        nodes = itertools.product(*(range(low, high + 1) for low, high in zip(box.low, box.high, strict=True)))
        assert bound <= min((losses[node] for node in nodes if node in losses), default=math.inf) + 1e-9
        halved += extra is not None and box.low != box.high
        entries += [(bound, 0, box, extra) for bound, box, extra in steps._branches(*entry)]
    assert halved < lattice.size


@given(models=any_models, data=st.data(), suppression=limits, checks=st.integers(1, 12))
def test_a_search_cut_short_states_a_bound_that_holds(models, data, suppression, checks):
    records = data.draw(tables(models))
    least = least_loss(records, models, suppression)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "CHECKS", checks)
        try:
            found = optimal(records, models, suppression=suppression, nodes=1)
        except GateError:
            return
    assert found.bound <= least + 1e-9
    assert found.loss >= least - 1e-9
    assert found.checked <= checks
    assert (found.suppressed == ~kept_rows(records, models, found.levels)).all()


@given(models=any_models, data=st.data(), suppression=limits, seconds=st.integers(1, 30))
def test_a_time_limit_ends_with_the_best_so_far(models, data, suppression, seconds):
    records = data.draw(tables(models))
    least, told, ticks = least_loss(records, models, suppression), [], itertools.count()
    try:
        found = optimal(
            records,
            models,
            suppression=suppression,
            time_limit=seconds,
            clock=lambda: float(next(ticks)),
            progress=told.append,
        )
    except GateError:
        return
    finally:
        assert told == sorted(told)
        assert 0 <= told[0] <= told[-1] == 1
    assert found.bound <= least + 1e-9
    assert found.loss >= least - 1e-9
    assert found.checked <= seconds


@given(models=any_models, data=st.data(), suppression=limits, seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(models, data, suppression, seed):
    records = data.draw(tables(models))
    order = np.random.default_rng(seed).permutation(records.rows)
    other = replace(
        records,
        codes=tuple(codes[order] for codes in records.codes),
        sensitive=tuple(replace(one, codes=one.codes[order]) for one in records.sensitive),
        persons=None if records.persons is None else records.persons[order],
    )
    one, another = (outcome(table, models, suppression) for table in (records, other))
    if isinstance(one, str) or isinstance(another, str):
        assert one == another
        return
    assert (one.loss, one.levels, one.checked) == (another.loss, another.levels, another.checked)
    assert (one.suppressed[order] == another.suppressed).all()


@given(models=any_models, data=st.data(), suppression=limits)
def test_what_is_kept_to_be_rolled_up_changes_nothing(models, data, suppression):
    records = data.draw(tables(models))
    found = set()
    for keys, kept in ((4, 200), (0, 200), (10**6, 0), (0, 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollup, "KEYS_A_RECORD", keys)
            patch.setattr(rollup, "KEPT", kept)
            one = outcome(records, models, suppression)
        found.add(one if isinstance(one, str) else (one.loss, one.levels, one.checked, one.suppressed.tobytes()))
    assert len(found) == 1


def test_where_no_row_may_go_a_class_that_is_too_uneven_rules_out_the_nodes_below():
    rng = np.random.default_rng(3)
    paths = {name: [[f"{name}{n}", f"half {n // 8}", "*"] for n in range(16)] for name in "ab"}
    known = tuple(Hierarchy.from_paths(name, lines) for name, lines in paths.items())
    codes = tuple(rng.integers(0, 16, 400).astype(np.int32) for _ in known)
    sensitive = Sensitive("s", ((codes[0] >= 8) ^ (codes[1] >= 8)).astype(np.int32), ("x", "y"))
    rows = Records(known, codes, (sensitive,))
    # Every row is a person, which nothing tells the search.
    people = replace(rows, persons=np.arange(400))
    one, another = (optimal(records, [Closeness("s", 0.1)], suppression=0.0) for records in (rows, people))
    assert (one.levels, one.loss) == (another.levels, another.loss)
    assert one.checked < another.checked
