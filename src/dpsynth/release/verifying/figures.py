"""Figures of the report that follow from the table that is shipped, and agreement among the documents of a package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.release.layout import REPORT_JSON, content_digest
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.opening import Package
from dpsynth.schema import Schema


def content_of(package: Package, block: Part) -> str:
    """What the ledger knows the content of this package by."""
    tables = {name: package.digests[name] for name in (package.csv, package.parquet)}
    return content_digest(tables, block.text("model_digest"), override=block.truth("override"))


def check_statements(package: Package, table: pa.Table, report: Part, described: Part) -> str:
    """In words that report and description state the same release, and the rows that are there; ``VerificationError``
    otherwise.
    """
    block = described.part("dpsynth")
    if report.text("edition") != "public":
        raise VerificationError("it is not the public edition", where=report.where)
    if report.truth("override") != block.truth("override"):
        raise VerificationError("it says otherwise than the report whether there was an override", where=block.where)
    if report.value.get("guarantee") != block.value.get("guarantee"):
        raise VerificationError("it states another guarantee than the report", where=block.where)
    if block.text("content") != content_of(package, block):
        raise VerificationError("its digest of the content is not that of these tables", where=block.where)
    for one in (report, block):
        if one.whole("synthetic_rows") != table.num_rows:
            raise VerificationError("it states another number of rows than the table has", where=one.where)
    return "report and description state the same guarantee and the rows that are there"


def check_marginals(table: pa.Table, report: Part, schema: Schema) -> tuple[dict[str, list[int]], str]:
    """The counts of every column of the table that is shipped, and in words that the report states them;
    ``VerificationError`` otherwise.
    """
    marginals, columns = report.parts("marginals"), [one.text("name") for one in report.parts("columns")]
    attributes = {one.name for one in schema.attributes}
    names = [_name(one, attributes) for one in marginals]
    if names != columns:
        raise VerificationError("its counts are not of the columns that it names", where=report.where)
    counted = _counts(schema, names, table)
    for name, one in zip(names, marginals, strict=True):
        if one.list("synthetic") != counted[name]:
            what = f"its counts of column {name!a} are not those of the table that is shipped"
            raise VerificationError(what, where=one.where)
        if any(len(one.list(key)) != len(counted[name]) for key in ("labels", "noisy", "low", "high")):
            raise VerificationError("its lists are of different lengths", where=one.where)
    return counted, f"the report's counts of {len(names)} columns are those of the table"


def _name(marginal: Part, attributes: set[str]) -> str:
    columns = marginal.list("columns")
    if len(columns) != 1 or columns[0] not in attributes:
        raise VerificationError("it counts a column that the schema does not know", where=marginal.where)
    return str(columns[0])


def read_schema(described: Part) -> Schema:
    """The public schema that a description holds: it says which cell a value falls into; ``VerificationError`` without
    one.
    """
    block = described.part("dpsynth")
    try:
        return Schema.from_dict(dict(block.part("schema").value), block.where)
    except (DpsynthError, TypeError):
        raise VerificationError("the schema in it is malformed", where=block.where) from None


def _counts(schema: Schema, names: list[str], table: pa.Table) -> dict[str, list[int]]:
    """The number of rows of every code of these attributes."""
    sizes = {name: schema.domain[name] for name in names}
    counts: dict[str, Any] = {name: np.zeros(size, dtype=np.int64) for name, size in sizes.items()}
    try:
        for batch in table.to_batches(max_chunksize=1 << 18):
            for name, codes in schema.encode(names, batch).items():
                counts[name] += np.bincount(codes, minlength=sizes[name])
    except (DpsynthError, KeyError, ValueError, pa.ArrowException):
        raise VerificationError("the table cannot be counted as its schema says", where=REPORT_JSON) from None
    return {name: found.tolist() for name, found in counts.items()}
