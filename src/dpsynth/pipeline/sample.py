"""The journey of a sample: from a released model to a synthetic table. Post-processing: free and repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dpsynth.models import Model, load
from dpsynth.models.distribution import Method
from dpsynth.models.origin import drawing
from dpsynth.models.regeneration import invented
from dpsynth.models.where import Where, in_words
from dpsynth.pipeline.origin import model_digest
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.schema.restoring import as_text
from dpsynth.tables import Written, is_csv, write_sidecar, write_table


@dataclass(frozen=True)
class SampleOutcome:
    """What was written, and under which seed it can be repeated (``None``: fresh entropy).

    ``left_out``: the values of the balanced column that the model has no rows of.
    """

    written: Written
    rows: int
    seed: int | None
    left_out: tuple[str, ...] = ()


def sample(
    model: Model | str | Path,
    output: str | Path,
    *,
    n: int | None = None,
    where: Where = None,
    seed: int | None = None,
    method: Method = "rounding",
    balance: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> SampleOutcome:
    """Write ``n`` synthetic rows (default: the noisy total) to ``output``, with a sidecar that carries their label.

    The label of rows names the model by its digest and whose claim they stand under, when the tables were somebody
    else's, and says ``dp: false`` for a model that states no guarantee; it names the columns whose values are invented,
    the conditions that the rows meet, and the column that they are balanced by. Raises ``UsageError`` for a negative
    ``n``, an unknown column or an impossible condition, ``OutputExistsError`` if the output exists, ``FileFormatError``
    for a hostile model file.
    """
    loaded = model if isinstance(model, Model) else load(model)
    rows = loaded.default_rows if n is None else n
    drawn = loaded.sample_batches(rows, where=where, seed=seed, method=method, balance=balance)
    left_out = () if balance is None else loaded.absent_values(balance, where)
    batches = _reported(drawn, rows, progress)
    made_up = "".join(["; invented: ", ", ".join(names)] if (names := invented(loaded.schema)) else [])
    if loaded.schema is not None and is_csv(output):
        fields = loaded.schema.output
        batches = (as_text(fields, batch) for batch in batches)
    stamp = loaded.claim.stamp if loaded.claim else "" if loaded.dp else "false"
    met = in_words(where)
    how = (f" where {met}" if met else "") + ("" if balance is None else f" balanced by {balance!r}")
    kind = f"a model, dp: {stamp}" if stamp else "a differentially private model"
    written = write_table(
        batches,
        loaded.arrow_schema,
        str(output),
        force=force,
        metadata={"dpsynth": f"{LabelKind.POST} sample{how} of {kind}{made_up}"},
    )
    if str(output) != "-":
        step = f"{drawing(model_digest(model))}{how}{f', dp: {stamp}' if stamp else ''}{made_up}"
        write_sidecar(output, [str(Label(LabelKind.POST, step))], written.sha256)
    return SampleOutcome(written, rows, seed, left_out)


def _reported(batches: Iterator[pa.RecordBatch], rows: int, progress: Progress) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        progress("sampling", done / max(rows, 1))
