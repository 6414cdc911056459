"""The journey of a plan without a schema: the header of the table, and public arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dpsynth.errors import UsageError
from dpsynth.pipeline.discovery import check_affordable, check_discoverable, discover_share
from dpsynth.pipeline.discovery_plan import DiscoveryPlan, discovery_loss, plan_discovery
from dpsynth.pipeline.plan import Number, Price, privacy_parameters
from dpsynth.pipeline.preprocessing import MAX_STABILITY, preprocessing_of
from dpsynth.pipeline.serving import check_workload
from dpsynth.pipeline.table_questions import asked_columns
from dpsynth.privacy.governor import Governor, governor_of
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from dpsynth.tables import open_table


def plan_undescribed(
    data: Any,
    *,
    epsilon: Number,
    delta: Number,
    governor: Governor | str | None,
    method: str,
    settings: Mapping[str, Any],
    rows: int | None,
    unit: Unit | None,
    share: Number | None,
    delimiter: str | None,
    memory_limit: int,
    max_stability: int = MAX_STABILITY,
) -> DiscoveryPlan:
    """The plan of a fit that discovers its domain. Reads the header of the table and its sidecar."""
    exact_epsilon, exact_delta = privacy_parameters(epsilon, delta)
    governed = governor_of(exact_delta, governor)
    check_discoverable(governed)
    loss = discovery_loss(exact_epsilon, exact_delta, governed)
    if governed.units(loss) == 0:
        raise UsageError("epsilon and delta are too small: they buy no budget at all")
    before = preprocessing_of(data, unit or Unit(), max_stability=max_stability, unread=True)
    whom = before.seen(unit or Unit())
    columns = asked_columns(open_table(data, delimiter=delimiter), whom)
    check_workload(synthesizer(method, **settings), columns)
    tag = Price(exact_epsilon, exact_delta, loss, governed)
    part = discover_share(share)
    check_affordable(columns, tag, part, unit=whom, memory_limit=memory_limit)
    drawn = plan_discovery(tag, columns=len(columns), unit=whom, method=method, share=part, rows=rows)
    return replace(drawn, labels=before.labels)
