import datetime as dt
import errno
import gzip
import hashlib
import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import csv, ipc, parquet

from dpsynth.errors import DataMismatchError, DpsynthError, FileFormatError, OutputExistsError, UsageError
from dpsynth.tables import (
    Sidecar,
    check_format,
    label_metadata,
    open_table,
    read_sidecar,
    verify_sidecar,
    write_sidecar,
    write_table,
)

TABLE = pa.table(
    {
        "int": [1, None, -3],
        "text, odd": ['say "hi", you', "", None],
        "category": pa.array(["x", None, "a\nb"]).dictionary_encode(),
        "float": [0.1, -0.0, 1e300],
        "bool": [True, False, None],
        "day": [dt.date(2020, 2, 29), None, dt.date(1999, 1, 1)],
    }
)


def write(path, table=TABLE, **options):
    options.setdefault("force", False)
    return write_table(table.to_batches(max_chunksize=2), table.schema, path, **options)


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.parquet", "o.arrow", "o.feather"])
def test_what_is_written_can_be_read_and_its_hash_is_told(tmp_path, name):
    written = write(tmp_path / name)
    assert written.rows == 3
    assert written.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = write(tmp_path / name, force=True)
    assert again == written


@pytest.mark.parametrize("name", ["o.parquet", "o.arrow"])
def test_types_nulls_and_metadata_survive(tmp_path, name):
    write(tmp_path / name, metadata={**label_metadata(["FREE x"]), "k": "v"})
    path = tmp_path / name
    table = parquet.read_table(path) if name == "o.parquet" else ipc.open_file(path).read_all()
    assert table.to_pydict() == TABLE.to_pydict()
    assert table.schema.metadata[b"k"] == b"v"
    assert json.loads(table.schema.metadata[b"dpsynth.labels"]) == ["FREE x"]
    assert table.schema.equals(TABLE.schema)


def test_csv_is_plain_and_quotes_only_where_needed(tmp_path):
    write(tmp_path / "o.csv")
    text = (tmp_path / "o.csv").read_text()
    assert text == (
        'int,"text, odd",category,float,bool,day\n'
        '1,"say ""hi"", you",x,0.1,true,2020-02-29\n'
        ',"",,-0,false,\n'
        '-3,,"a\nb",1e+300,,1999-01-01\n'
    )
    options = csv.ParseOptions(newlines_in_values=True)
    nulls = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    read = csv.read_csv(tmp_path / "o.csv", parse_options=options, convert_options=nulls)
    assert read.to_pydict() == TABLE.to_pydict()
    write(tmp_path / "o.csv.gz")
    assert gzip.decompress((tmp_path / "o.csv.gz").read_bytes()).decode() == text


def test_a_lone_column_keeps_its_empty_rows(tmp_path):
    table = pa.table({"a": pa.array([1, None, 2])})
    write(tmp_path / "o.csv", table)
    reader = open_table(tmp_path / "o.csv")
    assert [cell for batch in reader.batches(["a"]) for cell in batch["a"].to_pylist()] == [b"1", b"", b"2"]


def test_zero_rows_and_zero_batches(tmp_path):
    for name in ("o.csv", "o.parquet", "o.arrow"):
        written = write_table(iter(()), TABLE.schema, tmp_path / name, force=False)
        assert written.rows == 0
        assert len(open_table(tmp_path / name).names) == 6
        write(tmp_path / name, TABLE.slice(0, 0), force=True)


def test_parquet_row_groups_gather_small_batches(tmp_path):
    batch = pa.record_batch({"a": list(range(1000))})
    write_table((batch for _ in range(30)), batch.schema, tmp_path / "o.parquet", force=False)
    assert parquet.ParquetFile(tmp_path / "o.parquet").num_row_groups == 1


def test_existing_and_unknown_outputs(tmp_path):
    write(tmp_path / "o.csv")
    with pytest.raises(OutputExistsError):
        write(tmp_path / "o.csv")
    with pytest.raises(UsageError, match="unknown output format"):
        write(tmp_path / "o.xlsx")
    with pytest.raises(UsageError):
        check_format("o.txt")
    check_format("-")
    check_format("x.CSV")
    assert not (tmp_path / "o.xlsx").exists()


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    def batches():
        yield TABLE.to_batches()[0]
        raise KeyboardInterrupt

    for name in ("o.csv", "o.csv.gz", "o.parquet", "o.arrow"):
        with pytest.raises(KeyboardInterrupt):
            write_table(batches(), TABLE.schema, tmp_path / name, force=False)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, sys
import pyarrow as pa
from dpsynth.errors import DpsynthError
from dpsynth.tables import write_table
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
batch = pa.record_batch({"a": [f"{i * 7919 % 10007}-{i}" for i in range(100_000)]})
try:
    write_table([batch] * 3, batch.schema, sys.argv[1], force=True)
except DpsynthError as error:
    print(type(error).__name__, error.exit_code, error.message)
"""


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.parquet", "o.arrow"])
def test_a_full_disk_is_one_plain_error_and_the_old_file_stays(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / name)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "DpsynthError 1 the disk is full\n"
    assert (tmp_path / name).read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_standard_output(capfdbinary, monkeypatch):
    written = write("-")
    out = capfdbinary.readouterr().out
    assert out.startswith(b'int,"text, odd"')
    assert (written.path, written.rows, written.sha256) == ("-", 3, hashlib.sha256(out).hexdigest())

    class Full:
        buffer = type("Buffer", (), {"write": lambda _, data: (_ for _ in ()).throw(OSError(errno.ENOSPC, ""))})()

    monkeypatch.setattr(sys, "stdout", Full)
    with pytest.raises(DpsynthError, match="<stdout>: the disk is full"):
        write("-")


def test_sidecar_ties_labels_to_the_file(tmp_path):
    path = tmp_path / "o.csv"
    assert read_sidecar(path) is None
    assert verify_sidecar(path) is None
    written = write(path)
    write_sidecar(path, ["FREE masked", "POST sampled"], written.sha256)
    assert (tmp_path / "o.csv.dpsynth.json").is_file()
    assert verify_sidecar(path) == Sidecar(("FREE masked", "POST sampled"), written.sha256)
    with path.open("a") as file:
        file.write("4,,,,,\n")
    assert read_sidecar(path) == Sidecar(("FREE masked", "POST sampled"), written.sha256)
    with pytest.raises(DataMismatchError, match="not the one its sidecar describes") as caught:
        verify_sidecar(path)
    assert caught.value.exit_code == 3
    write_sidecar(path, [], hashlib.sha256(path.read_bytes()).hexdigest())
    assert verify_sidecar(path) is not None
    os.remove(path)  # noqa: PTH107
    with pytest.raises(FileFormatError, match="no such file"):
        verify_sidecar(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\xff", '{"dpsynth_sidecar": 2}', '{"dpsynth_sidecar": 1, "labels": "x", "sha256": "y"}',
     '{"dpsynth_sidecar": 1, "labels": [1], "sha256": "y"}', '{"dpsynth_sidecar": 1, "labels": []}', "[" * 100_000],
)  # fmt: skip
def test_malformed_sidecars_are_refused(tmp_path, text):
    (tmp_path / "o.csv.dpsynth.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match="not a sidecar"):
        read_sidecar(tmp_path / "o.csv")
