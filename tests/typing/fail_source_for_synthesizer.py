"""A synthesizer is fitted to a ``Queryable``: neither a source of exact counts nor rows will do."""

import pyarrow as pa

from dpsynth.curator.sources import MarginalSource, MemorySource
from dpsynth.models import Model
from dpsynth.synthesizers import Synthesizer


def short_cut(method: Synthesizer, source: MarginalSource, held: MemorySource, rows: list[dict[str, int]]) -> Model:
    method.fit(source)  # type: ignore[arg-type]
    method.fit(rows)  # type: ignore[arg-type]
    return method.fit(held)  # type: ignore[arg-type]


def wrong_thing(source: MarginalSource) -> pa.Table:
    return source.rows  # type: ignore[attr-defined]
