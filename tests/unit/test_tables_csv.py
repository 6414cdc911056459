import csv
import errno
import gzip
import io
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import DataMismatchError, DpsynthError, FileFormatError, UsageError
from dpsynth.tables import csv_reader
from dpsynth.tables.csv_lines import LONGEST_LINE, header_line, line_blocks, parse_lines
from dpsynth.tables.csv_records import records
from dpsynth.tables.files import SpooledStream
from dpsynth.tables.reading import open_table

PIECES = st.sampled_from([b'"', b",", b"a", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b" ", b"\\", b"'"])
NAMES = ("x", "y", "z")


def rows_of(chunks, width):
    names = NAMES[:width]
    found = (parse_lines(block, names, names, ",").to_pylist() for block in line_blocks(iter(chunks)))
    return [tuple(row.values()) for rows in found for row in rows]


@given(st.lists(PIECES, max_size=40), st.integers(1, 3), st.lists(st.integers(0, 60), max_size=4))
def test_a_line_is_read_alike_alone_and_among_others(pieces, width, cuts):
    data = b"".join(pieces)
    alone = [row for line in re.split(rb"[\r\n]", data) for row in rows_of([line + b"\n"], width)]
    edges = [0, *sorted(cuts), len(data)]
    chunks = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    assert rows_of(chunks, width) == alone


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r\n\0"), max_size=6), min_size=2, max_size=2)))
def test_what_other_tools_write_is_read_back(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cells)
    expected = [tuple(cell.encode("utf-8", "surrogatepass") for cell in row) for row in cells]
    assert rows_of([text.getvalue().encode("utf-8", "surrogatepass")], 2) == expected


def test_lines_that_are_no_rows_are_left_out():
    lines = [b"1,2", b"short", b"too,many,cells", b'"open,3', b"\xff", b"", b'"x"y"z,1', b'say "hi",4', b"5,6"]
    assert rows_of([b"\n".join(lines)], 2) == [(b"1", b"2"), (b'say "hi"', b"4"), (b"5", b"6")]


@pytest.mark.parametrize("chunk", [1000, 1 << 19, 1 << 22])
@pytest.mark.parametrize("extra", [0, 1, LONGEST_LINE * 3])
def test_over_long_lines_are_left_out_however_they_are_cut(chunk, extra):
    fits = b"x" * (LONGEST_LINE + extra - 2) + b",1"
    data = b"1,2\n" + fits + b"\n3,4\n" + fits
    blocks = [data[start : start + chunk] for start in range(0, len(data), chunk)]
    lengths = [len(row[0]) for row in rows_of(blocks, 2)]
    assert lengths == ([1, 1] if extra else [1, LONGEST_LINE - 2, 1, LONGEST_LINE - 2])


def test_memory_is_a_block_whatever_a_line_holds():
    held = [len(block) for block in line_blocks(b"x" * 100_000 for _ in range(100))]
    assert held == []


def test_header_is_the_first_line_that_is_not_empty():
    line, rest = header_line(iter([b"\xef\xbb", b"\xbf\r\n", b"\na,", b"b\r", b"\n1,2"]))
    assert line.rstrip() == b"a,b"
    assert b"".join(rest) == b"\n1,2"


def read(path, **options):
    reader = open_table(path, **options)
    return [tuple(row.values()) for batch in reader.batches(reader.names) for row in batch.to_pylist()]


def test_file_is_read_again_and_in_any_column_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b' a ,"b,c"\n1,2\n3,4\n')
    reader = open_table(path)
    assert reader.names == ("a", "b,c")
    assert reader.types == {"a": "binary", "b,c": "binary"}
    for _ in range(2):
        batches = list(reader.batches(["b,c", "a"], batch_rows=1))
        assert [batch.to_pydict() for batch in batches] == [{"b,c": [b"2"], "a": [b"1"]}, {"b,c": [b"4"], "a": [b"3"]}]
    assert sum(batch.num_rows for batch in reader.batches([])) == 0
    with pytest.raises(DataMismatchError, match="no column 'd'"):
        reader.batches(["d"])


def test_delimiters(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a;b\n1;2\n")
    assert read(path, delimiter=";") == [(b"1", b"2")]
    with pytest.raises(DataMismatchError, match="delimiter seems to be a semicolon") as caught:
        open_table(path)
    assert caught.value.exit_code == 3
    assert read(path, delimiter=",") == [(b"1;2",)]
    tabs = tmp_path / "t.tsv"
    tabs.write_bytes(b"a\tb\n1\t2,5\n")
    assert read(tabs) == [(b"1", b"2,5")]
    for bad in ("", ";;", '"', "\n", "é"):
        if bad:
            with pytest.raises(UsageError):
                open_table(path, delimiter=bad)


def test_header_only_is_a_table_of_no_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b")
    assert read(path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\n\n", "empty"),
        (b"n\xe4me,b\n1,2\n", "not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        (b"a\0,b\n", "not UTF-8"),
        (b'"a,b\n1,2\n', "quotes of the header"),
        (b"a" * (LONGEST_LINE + 2), "too long"),
    ],
)
def test_unusable_headers(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        open_table(path)
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None


def test_duplicate_names_are_told_by_position_not_by_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"SecretPerson,39,SecretPerson\n")
    with pytest.raises(DataMismatchError, match="columns 1 and 3") as caught:
        open_table(path)
    assert "Secret" not in str(caught.value)


def test_missing_directory_device(tmp_path):
    for path, message in [(tmp_path / "no.csv", "no such file"), (tmp_path, "directory"), ("/dev/null", "regular")]:
        with pytest.raises(FileFormatError, match=message) as caught:
            open_table(path if path != tmp_path else _folder(tmp_path, "d.csv"))
        assert caught.value.exit_code == 3


def _folder(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")

    def denied(*_args, **_options):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(DpsynthError, match="no permission") as caught:
        open_table(path)
    assert caught.value.exit_code == 1


def big_gzip(tmp_path):
    path = tmp_path / "t.csv.gz"
    rows = b"".join(b"%d,%d\n" % (i * 7919 % 10007, i * i) for i in range(200_000))
    path.write_bytes(gzip.compress(b"a,b\n" + rows))
    return path


@pytest.mark.parametrize("damage", ["truncated", "corrupted"])
def test_a_damaged_gzip_is_one_constant_message(tmp_path, damage):
    path = big_gzip(tmp_path)
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] if damage == "truncated" else data[:half] + b"\0" * 999 + data[half + 999 :])
    reader = open_table(path)
    with pytest.raises(FileFormatError) as caught:
        list(reader.batches(["a"]))
    assert caught.value.message == "the table broke off while it was being read"
    assert caught.value.__suppress_context__
    assert not re.search(r"\d", caught.value.message + str(caught.value.hint))


def test_what_is_no_gzip_is_told_at_once(tmp_path):
    path = tmp_path / "t.csv.gz"
    for content in (b"a,b\n1,2\n", b"", b"\x1f\x8b\x08\x00garbage"):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="not a readable gzip"):
            open_table(path)


def test_gzip_members_are_read_one_after_another(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    assert read(path) == [(b"1", b"2"), (b"3", b"4")]


def test_a_file_that_changes_between_passes_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\n")
    reader = open_table(path)
    list(reader.batches(["a"]))
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    with pytest.raises(FileFormatError, match="broke off"):
        list(reader.batches(["a"]))


def test_standard_input_is_read_lazily_and_again(monkeypatch):
    class Pipe(io.BufferedIOBase):
        def __init__(self, data):
            self.data, self.position = data, 0

        def read1(self, size=-1):
            chunk = self.data[self.position : self.position + min(size, 1000)]
            self.position += len(chunk)
            return chunk

    pipe = Pipe(b"a,b\n" + b"1,2\n" * 50_000)
    reader = csv_reader.CsvReader(SpooledStream(pipe, "<stdin>"))
    assert pipe.position < 100_000
    for _ in range(2):
        assert sum(batch.num_rows for batch in reader.batches(["b"])) == 50_000
    assert reader.where == "<stdin>"


# --- tables that hold nobody's row -----------------------------------------------------------------------------


def whole(path):
    return read(path, quoted_line_breaks=True)


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=6), min_size=2, max_size=2)))
def test_records_with_line_ends_in_quotes_are_read_back(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(cells)
    data = text.getvalue().encode("utf-8", "surrogatepass")
    found = [tuple(row.values()) for batch in records(iter([data]), ("x", "y"), ("x", "y"), ",") for row in
             batch.to_pylist()]  # fmt: skip
    assert found == [tuple(cell.encode("utf-8", "surrogatepass") for cell in row) for row in cells]


def test_line_breaks_in_quotes_belong_to_the_cell_only_where_that_is_asked(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'\na,b\n"1\n2",x\r\n3,"y""\r\n"\n\n\xff,\n')
    assert read(path) == [(b'2"', b"x"), (b"\xff", b"")]
    assert whole(path) == [(b"1\n2", b"x"), (b"3", b'y"\r\n'), (b"\xff", b"")]
    zipped = tmp_path / "t.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    reader = open_table(zipped, quoted_line_breaks=True)
    batches = list(reader.batches(["b"], batch_rows=2))
    assert [batch.to_pydict() for batch in batches] == [{"b": [b"x", b'y"\r\n']}, {"b": [b""]}]
    assert sum(batch.num_rows for batch in reader.batches(["b"])) == 3


@pytest.mark.parametrize("rows", [b"", b"\n\r\n"])
def test_records_of_a_header_alone(tmp_path, rows):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b" + rows)
    assert whole(path) == []


@pytest.mark.parametrize("rows", [b"1,2\n3\n", b'1,"2\n3,4\n5",6,7\n', b"\xff\n"])
def test_records_that_are_none_are_an_error_where_nobody_s_row_is_read(tmp_path, rows):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + rows)
    with pytest.raises(FileFormatError, match="another number of cells") as caught:
        whole(path)
    assert str(path) in str(caught.value)
