"""The journey of an anonymization: a table under a policy in, a table that meets the policy's models out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from dpsynth.anonymization.decoding import fresh_order, plain_batches, plain_table, released_table
from dpsynth.anonymization.encoding import Encoded, persons_of, records_of
from dpsynth.anonymization.fixed_levels import at_levels
from dpsynth.anonymization.loss import losses
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.masks.values import compact
from dpsynth.anonymization.mondrian import mondrian
from dpsynth.anonymization.optimal import optimal
from dpsynth.anonymization.policy import Policy
from dpsynth.anonymization.policy_document import Method
from dpsynth.anonymization.privacy_models import PrivacyModel, satisfied
from dpsynth.anonymization.recoding import swept
from dpsynth.anonymization.records import Classes, Generalized, Ranges
from dpsynth.anonymization.tallies import distributions
from dpsynth.anonymization.verifying import seen_classes
from dpsynth.curator.table_bounding import bounded_rows
from dpsynth.errors import DpsynthError, GateError, SchemaError, UsageError
from dpsynth.pipeline.anonymize_label import labels_of
from dpsynth.pipeline.anonymized import AnonymizeOutcome, ColumnOutcome
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.pipeline.lost_lines import lost_lines
from dpsynth.pipeline.mask_key import find_key
from dpsynth.pipeline.mask_plan import MaskPlan, Others, plan_masks
from dpsynth.pipeline.policies import policy_for, population_path, population_table, whole_table
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import (
    TableReader,
    check_format,
    check_not_itself,
    check_output,
    is_csv,
    label_metadata,
    open_table,
    write_table,
)

_STREAM = "-"


@dataclass(frozen=True, eq=False)
class _Prepared:
    """The masked table as records, and how many of its rows are left out because a person has too many."""

    encoded: Encoded
    bounded_away: int


def anonymize(
    data: Any,
    policy: Policy | Mapping[str, Any] | str | Path,
    output: str | Path | None = None,
    *,
    schema: Schema | str | Path | None = None,
    table: str | None = None,
    method: Method | None = None,
    time_limit: float | None = None,
    key: bytes | str | MaskKey | None = None,
    key_file: str | Path | None = None,
    others: Others = "refuse",
    force: bool = False,
    delimiter: str | None = None,
    progress: Progress = silent,
) -> AnonymizeOutcome:
    """Mask, generalize and suppress one table until it meets the privacy models of its policy.

    ``data``: a path, ``-`` or a frame. ``output``: a path, ``-``, or None to get an Arrow table in the outcome.
    ``method`` (default: the policy's): ``optimal`` finds the levels that lose least, ``local`` lets every class have
    levels of its own, ``mondrian`` makes ranges of values, ``fixed`` takes the levels of the policy. ``time_limit``:
    seconds after which ``optimal`` stops with the best found. ``table``: which of the policy's tables this is, by
    default that of the file's name. ``key``, ``key_file`` and ``others`` as of ``mask``.

    The table that was made is judged once more before it is written; its rows are in a fresh random order, suppressed
    rows and identifiers are left out. A table made by looking at the rows carries the label NON-DP; fixed levels of
    public hierarchies are FREE, the rows dropped by k-anonymity then STABLE; all is POST on a synthetic table.

    Raises ``GateError`` (5) when the models cannot be met within the limit on suppressed rows, or only by an empty
    table; ``SchemaError`` and ``DataMismatchError`` for a policy or a table that do not fit, ``UsageError`` for
    settings, ``OutputExistsError`` if the output exists. Memory: the whole table, several times.
    """
    target = _target(data, output, force=force)
    said = policy_for(policy, schema, data, table)
    chosen = method or said.limits.method
    _check(said, chosen, time_limit)
    reader = open_table(data, delimiter=delimiter)
    found_key = find_key(key, key_file)
    plan = plan_masks("table", reader, said, found_key, others=others, csv_output=target is not None and is_csv(target))
    chain, listed = (chain_of(one) or () for one in (data, population_path(said)))
    progress("reading the table", 0.0)
    ready = _prepared(reader, plan, said, chosen)
    released = _recode(ready.encoded, said, chosen, time_limit, progress)
    _check_limit(said, released)
    progress("checking what was made", 0.85)
    order = fresh_order(released)
    made = released_table(ready.encoded, released, order)
    classes = seen_classes(made, ready.encoded, released, order)
    _verify(said.models, classes)
    labels = (*chain, *plan.labels(found_key), *map(str, labels_of(ready.encoded, chosen, chain, listed)))
    if target is not None:
        _write(made, target, labels, force=force)
    progress("done", 1.0)
    outcome = _outcome(_Made(ready, released, made, classes), plan, chosen)
    labeled = plain_table(made).replace_schema_metadata(label_metadata(labels)) if target is None else None
    return replace(outcome, path=target, labels=labels, table=labeled)


@dataclass(frozen=True, eq=False)
class _Made:
    """The records, how they were recoded, and the table that it made with its classes."""

    ready: _Prepared
    released: Generalized | Ranges
    table: pa.Table
    classes: Classes


def _outcome(made: _Made, plan: MaskPlan, method: Method) -> AnonymizeOutcome:
    """What became of the table, apart from where it went and the chain of labels."""
    encoded, released, policy = made.ready.encoded, made.released, made.ready.encoded.policy
    rows = made.ready.bounded_away + encoded.left_out + encoded.records.rows
    return AnonymizeOutcome(
        method=method,
        path=None,
        rows=rows,
        released=made.table.num_rows,
        suppressed=int(released.suppressed.sum()),
        left_out=encoded.left_out,
        lines_lost=lost_lines(plan.reader, rows),
        bounded_away=made.ready.bounded_away,
        limit=policy.limits.suppression,
        models=_judged(policy.models, made.classes),
        columns=_columns(encoded, released),
        classes=made.classes.number,
        smallest=int(made.classes.units.min()) if made.classes.number else 0,
        unit=policy.unit.column,
        bound=released.bound if isinstance(released, Generalized) else 0.0,
        checked=released.checked if isinstance(released, Generalized) else 0,
        losses=losses(encoded.records, released),
        labels=(),
        unnamed=tuple(one.name for one in plan.columns if one.name not in policy.by_name),
        uncounted=_uncounted(made.table, policy),
        dropped=(*plan.dropped, *plan.unsaid, *plan.others),
        linked=policy.unit.column is not None and policy.unit.column in made.table.column_names,
    )


def _uncounted(table: pa.Table, policy: Policy) -> tuple[str, ...]:
    """The columns of the table that the policy names and no model looks at; that of the unit has a word of its own."""
    looked_at = ("quasi", "sensitive")
    named = (policy.by_name[name] for name in table.column_names if name in policy.by_name)
    return tuple(one.name for one in named if one.role not in looked_at and one.name != policy.unit.column)


def _target(data: Any, output: str | Path | None, *, force: bool) -> str | None:
    """Where to write, checked before anything is read."""
    if output is None:
        return None
    target = os.fspath(output)
    if target != _STREAM:
        check_format(target)
        check_not_itself(data, target)
        check_output(target, force=force)
    return target


def _check(policy: Policy, method: Method, time_limit: float | None) -> None:
    if method not in get_args(Method):
        raise UsageError(f"the method is one of {', '.join(get_args(Method))}", where="method")
    if time_limit is not None and method != "optimal":
        raise UsageError(f"method {method} has no time limit", hint="Leave it out, or use method optimal.")
    if not policy.models and method != "fixed":
        hint = "Such as models: [{k-anonymity: {k: 5}}]."
        raise SchemaError("the policy has no models to meet", where=policy.name, hint=hint)
    levels = policy.fixed
    settled = [at for at, (low, high) in levels.items() if low == high]
    if method == "fixed" and len(settled) < len(policy.quasi):
        hint = "Give every quasi-identifier level: N."
        raise SchemaError("method fixed needs one level for every quasi-identifier", where=policy.name, hint=hint)
    if method in ("local", "mondrian") and levels:
        hint = "Leave level and levels out, or use method optimal or fixed."
        raise SchemaError(f"method {method} cannot keep to levels", where=policy.name, hint=hint)


def _prepared(reader: TableReader, plan: MaskPlan, policy: Policy, method: Method) -> _Prepared:
    """The table, masked; persons by the ids as they were before; of a person at most ``max_rows`` rows if fixed."""
    column = policy.unit.column
    population = population_table(policy)
    table = _masked(plan)
    if column is None:
        return _Prepared(records_of(table, policy, population), 0)
    ids = whole_table(reader, [column]).column(column)
    if method != "fixed":
        return _Prepared(records_of(table, policy, population, persons=persons_of(ids, policy.missing, column)), 0)
    others = [name for name in table.column_names if name != column]
    raw = table.select(others).append_column(column, ids)
    kept, persons = bounded_rows(raw, Unit(column, policy.unit.max_rows), policy.missing)
    encoded = records_of(table.take(pa.array(kept)), policy, population, persons=persons)
    return _Prepared(encoded, table.num_rows - len(kept))


def _masked(plan: MaskPlan) -> pa.Table:
    """The masked rows in memory, text that repeats as dictionaries: a quarter of the bytes."""
    batches = [[compact(column) for column in batch.columns] for batch in plan.batches()]
    chunks = zip(*batches, strict=True) if batches else [[] for _ in plan.columns]
    pairs = zip(chunks, plan.schema.types, strict=True)
    columns = [_chunked(list(parts), kind) for parts, kind in pairs]
    return pa.table(columns, names=plan.schema.names).unify_dictionaries()


def _chunked(parts: list[pa.Array], kind: pa.DataType) -> pa.ChunkedArray:
    """One column: dictionaries where every part is one, else all of the type."""
    if parts and all(pa.types.is_dictionary(part.type) for part in parts):
        return pa.chunked_array(parts)
    return pa.chunked_array([part.cast(kind) for part in parts], kind)


def _recode(
    encoded: Encoded, policy: Policy, method: Method, time_limit: float | None, progress: Progress
) -> Generalized | Ranges:
    """The table recoded by the method, which is told how far it is."""
    records, models, limits = encoded.records, policy.models, policy.limits

    def report(share: float) -> None:
        progress({"optimal": "searching the levels", "local": "recoding"}.get(method, "cutting"), 0.2 + 0.6 * share)

    if method == "fixed":
        return at_levels(records, models, [policy.fixed[at][0] for at in range(len(policy.quasi))])
    if method == "local":
        return swept(records, models, progress=report)
    if method == "mondrian":
        return mondrian(records, models, progress=report)
    return optimal(
        records,
        models,
        suppression=limits.suppression,
        fixed=policy.fixed,
        nodes=limits.nodes,
        time_limit=time_limit,
        progress=report,
    )


def _check_limit(policy: Policy, released: Generalized | Ranges) -> None:
    """``GateError`` when no row is left, or more are suppressed than the policy allows."""
    rows, gone = len(released.suppressed), int(released.suppressed.sum())
    words = " and ".join(map(str, policy.models)) or "the policy"
    if rows and gone == rows:
        hint = "Coarser levels, weaker models, or fewer quasi-identifiers would leave some."
        raise GateError(f"{words} would suppress every row; nothing was written", where=policy.name, hint=hint)
    if gone > policy.limits.suppression * rows:
        raise GateError(
            f"{words} needs {gone / rows:.1%} of the rows suppressed, and the policy allows "
            f"{policy.limits.suppression:.1%}; nothing was written",
            where=policy.name,
            hint="Raise limits.suppression, allow coarser levels, or choose another method.",
        )


def _verify(models: Sequence[PrivacyModel], classes: Classes) -> None:
    if classes.number and not satisfied(models, classes).all():
        raise DpsynthError(
            "the table that was made does not meet the models; nothing was written",
            hint="This is a fault of dpsynth: please report it with the policy.",
        )


def _write(table: pa.Table, target: str, labels: Sequence[str], *, force: bool) -> None:
    schema = plain_table(table.slice(0, 0)).schema
    write_table(plain_batches(table), schema, target, force=force, labels=labels)


def _judged(models: Sequence[PrivacyModel], classes: Classes) -> dict[str, float]:
    """Each model in words, and the parameter that the released table reaches."""
    shares = distributions(classes, np.ones(classes.number, np.bool_))
    return {str(model): model.reached(classes, shares) for model in models}


def _columns(encoded: Encoded, released: Generalized | Ranges) -> tuple[ColumnOutcome, ...]:
    """What became of each quasi-identifier, over the rows that are left."""
    kept = ~released.suppressed
    found = []
    for at, one in enumerate(encoded.quasi):
        hierarchy, codes = one.hierarchy, encoded.records.codes[at][kept]
        if isinstance(released, Ranges):
            width = (released.high[at][kept] - released.low[at][kept]) / max(hierarchy.leaves - 1, 1)
            found.append(ColumnOutcome(one.name, None, hierarchy.height - 1, _mean(width)))
            continue
        levels = released.of[at][kept]
        lost = np.stack([hierarchy.penalties(level) for level in range(hierarchy.height)])[levels, codes]
        span = None if not len(levels) else (int(levels.min()), int(levels.max()))
        found.append(ColumnOutcome(one.name, span, hierarchy.height - 1, _mean(lost)))
    return tuple(found)


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else 0.0
