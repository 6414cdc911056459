"""One table in every form a source can take: the counts are those of one hand-written table of codes."""

import datetime as dt
import gzip
import io
import itertools
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from dpsynth.curator.bounding import BoundedSource
from dpsynth.curator.counting import code_dtype
from dpsynth.curator.sources import MemorySource, StreamSource
from dpsynth.errors import DomainError, ResourceLimitError
from dpsynth.schema import Schema
from dpsynth.tables import open_table

PUBLIC = {"source": "public"}
SCHEMA = Schema.from_dict(
    {
        "dpsynth": {"version": 1, "name": "contract"},
        "missingValues": ["", "?"],
        "fields": [
            {
                "name": "kind",
                "type": "string",
                "constraints": {"enum": ["a", "b", "absent"]},
                "dpsynth": {**PUBLIC, "overflow": "other"},
            },
            {
                "name": "size",
                "type": "integer",
                "constraints": {"minimum": 0, "maximum": 9},
                "dpsynth": {**PUBLIC, "bins": {"width": 1}},
            },
            {
                "name": "weight",
                "type": "number",
                "constraints": {"minimum": 0, "maximum": 10},
                "dpsynth": {**PUBLIC, "bins": {"edges": [0, 1, 5, 10]}},
            },
            {"name": "flag", "type": "boolean", "dpsynth": PUBLIC},
            {
                "name": "day",
                "type": "date",
                "constraints": {"minimum": "2020-01-01", "maximum": "2021-12-31"},
                "dpsynth": {**PUBLIC, "bins": "year"},
            },
        ],
    }
)
NAMES = SCHEMA.domain.attributes
OLD, FIRST, LAST, NEW = dt.date(1999, 1, 1), dt.date(2020, 1, 1), dt.date(2021, 12, 31), dt.date(2030, 1, 1)
A, B, OTHER, NO_KIND = 0, 1, 3, 4
ROWS = [  # what a typed table holds, and the codes: null, unknown and out-of-domain values, edges, NaN, infinities, -0
    (("a", 0, 0.0, True, FIRST), (A, 0, 0, 1, 0)),
    (("a", 0, -0.0, False, FIRST), (A, 0, 0, 0, 0)),
    (("b", 9, 1.0, True, LAST), (B, 9, 1, 1, 1)),
    (("b", 12, 4.999, None, NEW), (B, 9, 1, 2, 1)),
    (("b", -4, 5.0, True, OLD), (B, 0, 2, 1, 0)),
    (("unknown", 5, 10.0, True, FIRST), (OTHER, 5, 2, 1, 0)),
    ((None, None, None, None, None), (NO_KIND, 10, 3, 2, 2)),
    (("a", 3, float("nan"), False, LAST), (A, 3, 3, 0, 1)),
    (("a", 3, float("inf"), False, LAST), (A, 3, 2, 0, 1)),
    (("a", 3, -float("inf"), False, LAST), (A, 3, 0, 0, 1)),
    (('é, "quoted"', 3, -11.5, False, LAST), (OTHER, 3, 0, 0, 1)),
]
SAME_IN_CSV = [  # more spellings that only text has, and lines that are no rows
    (b" a ,0,0,TRUE,2020-01-01", (A, 0, 0, 1, 0)),
    (b"\xff\xfe,7,1e0,0,2021-01-01", (OTHER, 7, 1, 0, 1)),
    (b"?,x,--1,maybe,2020-13-45", (NO_KIND, 10, 3, 2, 2)),
    (b'"b",3.0,5,1,2021-06-30', (B, 3, 2, 1, 1)),
    (b"", None),
    (b"a,1", None),
    (b"a,1,1,true,2020-01-01,more", None),
    (b"\xff\xfe", None),
    (b'"a,1,1,true,2020-01-01', None),
    (b"a,0,0,true,2020-01-01\r", (A, 0, 0, 1, 0)),
    (b"x" * (1 << 20) + b",1,1,true,2020-01-01", None),
]
FORMS = {}


def form(build):
    FORMS[build.__name__] = build
    return build


def arrow_table(rows):
    columns = list(zip(*rows, strict=True)) or [()] * 5
    kinds = pa.array([None if kind is None else kind.encode() for kind in columns[0]], pa.binary()).view(pa.string())
    types = [pa.int64(), pa.float64(), pa.bool_(), pa.date32()]
    return pa.table([kinds, *map(pa.array, columns[1:], types)], names=NAMES)


def csv_bytes(rows, lines=()):
    out = io.StringIO(newline="")
    frame = pd.DataFrame(rows, columns=NAMES, dtype=object)
    frame.to_csv(out, index=False, lineterminator="\n")
    nan_written = out.getvalue().replace(",3,,False", ",3,nan,False")
    return nan_written.encode() + b"\n".join(lines)


@form
def memory(rows, folder):
    columns = {name: SCHEMA.codec(name).encode(arrow_table(rows)[name].combine_chunks()) for name in NAMES}
    return MemorySource(SCHEMA.domain, {n: c.astype(code_dtype(SCHEMA.domain[n])) for n, c in columns.items()})


@form
def csv(rows, folder):
    (folder / "t.csv").write_bytes(csv_bytes(rows))
    return StreamSource(open_table(folder / "t.csv"), SCHEMA)


@form
def csv_with_bom_and_crlf(rows, folder):
    (folder / "t.csv").write_bytes(b"\xef\xbb\xbf" + csv_bytes(rows).replace(b"\n", b"\r\n"))
    return StreamSource(open_table(folder / "t.csv"), SCHEMA, batch_rows=3)


@form
def csv_gz(rows, folder):
    (folder / "t.csv.gz").write_bytes(gzip.compress(csv_bytes(rows)))
    return StreamSource(open_table(folder / "t.csv.gz"), SCHEMA, kept_bytes=0)


@form
def stdin(rows, folder):
    class Stdin:
        buffer = io.BytesIO(csv_bytes(rows))

    before, sys.stdin = sys.stdin, Stdin()
    try:
        return StreamSource(open_table("-"), SCHEMA, kept_bytes=0)
    finally:
        sys.stdin = before


@form
def parquet_file(rows, folder):
    parquet.write_table(arrow_table(rows), folder / "t.parquet", row_group_size=4)
    return StreamSource(open_table(folder / "t.parquet"), SCHEMA, batch_rows=3)


@form
def arrow_file(rows, folder):
    batches = arrow_table(rows).to_batches(max_chunksize=4)
    with ipc.new_file(folder / "t.arrow", arrow_table([]).schema) as file:
        for batch in [arrow_table([]).combine_chunks().to_batches(), batches, arrow_table([]).to_batches()]:
            for one in batch:
                file.write_batch(one)
                file.write_batch(one.slice(0, 0))
    return StreamSource(open_table(folder / "t.arrow"), SCHEMA)


@form
def arrow_stream_file(rows, folder):
    with ipc.new_stream(folder / "t.arrows", arrow_table([]).schema) as file:
        file.write_table(arrow_table(rows))
    return StreamSource(open_table(folder / "t.arrows"), SCHEMA, kept_bytes=1)


@form
def pandas(rows, folder):
    frame = pd.DataFrame(rows, columns=NAMES)
    return StreamSource(open_table(frame.set_index(pd.Index(["i"] * len(frame), name="index"))), SCHEMA)


@form
def pandas_objects(rows, folder):
    return StreamSource(open_table(pd.DataFrame(rows, columns=NAMES, dtype=object)), SCHEMA)


@form
def pandas_arrow(rows, folder):
    frame = pd.DataFrame({n: pd.Series(pd.arrays.ArrowExtensionArray(c)) for n, c in _columns(rows)})
    return StreamSource(open_table(frame.astype({"kind": "category"})), SCHEMA)


@form
def polars(rows, folder):
    table = {name: column.to_pylist() for name, column in _columns(rows)}
    types = [pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date]
    return StreamSource(open_table(pl.DataFrame(table, schema=dict(zip(NAMES, types, strict=True)))), SCHEMA)


@form
def polars_categorical(rows, folder):
    frame = pl.DataFrame({name: column.to_pylist() for name, column in _columns(rows)}, schema_overrides={
        "kind": pl.Categorical, "size": pl.Int16, "weight": pl.Float32, "flag": pl.Boolean, "day": pl.Date,
    })  # fmt: skip
    return StreamSource(open_table(frame), SCHEMA, kept_bytes=0)


@form
def pyarrow_table(rows, folder):
    return StreamSource(open_table(arrow_table(rows)), SCHEMA, kept_bytes=0)


@form
def one_shot_stream(rows, folder):
    table = arrow_table(rows)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2))
    return StreamSource(open_table(reader), SCHEMA, kept_bytes=0)


@form
def bounded(rows, folder):
    table = arrow_table(rows).append_column("person", pa.array(range(len(rows)), pa.int64()))
    return BoundedSource(open_table(table), SCHEMA, column="person", max_rows=1)


def _columns(rows):
    return zip(NAMES, arrow_table(rows).combine_chunks().columns, strict=True)


@pytest.fixture(params=FORMS, name="build")
def source_builder(request, tmp_path):
    """Make a source of this form from typed rows."""
    return lambda rows: FORMS[request.param](rows, tmp_path)


def expected(codes, clique):
    counts = np.zeros(SCHEMA.domain.shape(clique), dtype=np.int64)
    for row in codes:
        counts[tuple(row[NAMES.index(attribute)] for attribute in clique)] += 1
    return counts


CLIQUES = [(), ("kind",), ("weight", "kind"), ("day", "flag", "size"), ("size",), NAMES, NAMES[::-1]]


def assert_counts(source, codes, cliques=CLIQUES):
    for clique, counts in zip(cliques, source.counts(cliques), strict=True):
        assert counts.dtype == np.int64
        assert counts.shape == SCHEMA.domain.shape(clique)
        np.testing.assert_array_equal(counts, expected(codes, clique))


def test_counts_are_those_of_the_rows(build):
    source = build([row for row, _ in ROWS])
    assert source.domain == SCHEMA.domain
    assert_counts(source, [codes for _, codes in ROWS])


def test_asking_again_and_prefetching_change_nothing(build):
    source = build([row for row, _ in ROWS])
    codes = [codes for _, codes in ROWS]
    source.prefetch([("kind", "size"), ("flag",)])
    assert_counts(source, codes, [("size", "kind"), ("flag",), ("day",)])
    assert_counts(source, codes, [("size", "kind"), ("flag",), ("day",), ("day", "weight")])


def test_zero_rows_are_a_table(build):
    assert_counts(build([]), [])


def test_one_row_of_nulls(build):
    row, codes = ROWS[6]
    assert_counts(build([row]), [codes])


def test_answers_cannot_be_changed_by_the_asker(build):
    counts = build([row for row, _ in ROWS]).counts([("kind",)])[0]
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 99


def test_malformed_questions_are_refused(build):
    source = build([])
    with pytest.raises(DomainError):
        source.counts([("kind", "kind")])
    with pytest.raises(DomainError):
        source.counts([("person",)])
    assert source.counts([]) == []


def test_too_many_cells_are_refused():
    wide = Schema.from_domain({f"x{i}": 1000 for i in range(5)}, public="made up")
    source = StreamSource(open_table(pa.table({f"x{i}": [0] for i in range(5)})), wide)
    with pytest.raises(ResourceLimitError):
        source.counts([wide.domain.attributes])


def test_lines_that_are_no_rows_change_no_other_row(tmp_path):
    """Each odd line between good ones: its own row or none, and nobody else's."""
    good = [row for row, _ in ROWS[:6]]
    base = csv_bytes(good).splitlines(keepends=True)
    for (line, codes), place in itertools.product(SAME_IN_CSV, (1, 4, len(base))):
        path = tmp_path / "t.csv"
        path.write_bytes(b"".join([*base[:place], line, b"\n", *base[place:]]))
        rows = [codes for _, codes in ROWS[:6]] + ([codes] if codes else [])
        assert_counts(StreamSource(open_table(path), SCHEMA), rows)
