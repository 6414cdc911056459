"""Masks of single columns: what they give, what they refuse, and that no row looks at another."""

import copy
import datetime as dt
import hashlib
import string
import sys
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from dpsynth.anonymization.masks.building import build_mask
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.masks.plain import SMALL_ZIP3
from dpsynth.curator.bounding import canonical_ids
from dpsynth.errors import DataMismatchError, SchemaError, UsageError
from dpsynth.pipeline.mask_key import find_key
from dpsynth.schema.mask_parts import Mask

SECRET = bytes(range(100, 132))
KEY = MaskKey(SECRET)
SAID = TypeAdapter(Mask)


def text(*cells):
    return pa.array([cell.encode() if isinstance(cell, str) else cell for cell in cells], pa.binary())


def masked(said, column, *others, key=KEY):
    mask = build_mask(SAID.validate_python(said), "column", key, "policy.yaml")
    found = mask.masked(column, *others)
    assert found.type == mask.output(column.type, "column")
    assert len(found) == len(column)
    found.validate(full=True)
    return found.to_pylist()


# --- keys and pseudonyms ---------------------------------------------------------------------------------------


def test_a_pseudonym_is_keyed_blake2b_of_the_bytes():
    label = hashlib.blake2b(b"pseudonym\0ward", key=SECRET, digest_size=32, person=b"dpsynth masks").digest()
    expected = hashlib.blake2b(b"caf\xe9", key=label, digest_size=16).hexdigest()
    assert masked({"pseudonym": {"namespace": "ward"}}, text(b" caf\xe9 ", b"caf\xe9")) == [expected, expected]


@pytest.mark.parametrize("said", ["pseudonym", "format"])
def test_whom_a_fit_takes_for_one_person_stays_one_person(said):
    cells = text("123456", " 123456", "123456 ", "123457", None, " 123457")
    before, after = (canonical_ids(column).to_pylist() for column in (cells, pa.array(masked(said, cells))))
    assert [before.index(one) for one in before] == [after.index(one) for one in after]


def test_a_key_is_bytes_or_text_and_an_interval_no_cell():
    assert find_key(bytearray(SECRET), None).id == KEY.id
    with pytest.raises(UsageError, match="neither bytes nor text"):
        find_key(7, None)
    with pytest.raises(DataMismatchError, match="does not apply"):
        build_mask("pseudonym", "column", KEY, "policy.yaml").output(pa.month_day_nano_interval(), "column")


def test_a_time_zone_that_nobody_knows_is_no_fault():
    plain = pa.array([0, None], pa.int64()).view(pa.timestamp("s"))
    unknown = pa.array([0, None], pa.int64()).view(pa.timestamp("s", "Mars/Base"))
    assert masked("pseudonym", unknown) == masked("pseudonym", plain)


def test_white_space_about_an_id_moves_no_date():
    column, ids = text("2020-02-28", "2020-02-28"), text("p1", " p1\t")
    first, second = masked({"shift": {"days": [-400, 400], "by": "id"}}, column, ids)
    assert first == second


def test_equal_cells_of_a_namespace_and_key_get_equal_pseudonyms_and_others_do_not():
    cells = text("a", "b", None, "a")
    first, second, null, again = masked("pseudonym", cells)
    assert (first, null) == (again, None)
    assert first != second
    assert masked("pseudonym", pa.array([None, "b", "a"]))[1:] == [second, first]
    assert masked({"pseudonym": {"namespace": "other"}}, cells)[0] != first
    assert masked("pseudonym", cells, key=MaskKey(SECRET[::-1]))[0] != first
    assert masked({"replace": {"regex": "[0-9a-f]{32}"}}, cells)[0] != first


def test_pseudonyms_have_the_length_and_prefix_that_were_asked_for():
    (found,) = masked({"pseudonym": {"length": 17, "prefix": "Pé-"}}, text("a"))
    assert found.startswith("Pé-")
    assert len(found) == 20
    assert set(found[3:]) <= set(string.hexdigits.lower())


def test_a_number_has_one_pseudonym_whatever_holds_it():
    kinds = (pa.int8(), pa.int64(), pa.float64(), pa.float32())
    found = {masked("pseudonym", pa.array([7, None], kind))[0] for kind in kinds}
    assert found == {masked("pseudonym", text("7"))[0]}
    dictionary = pa.array(["7", None, "8", "7"]).dictionary_encode()
    assert masked("pseudonym", dictionary) == masked("pseudonym", text("7", None, "8", "7"))


def test_a_million_distinct_cells_and_a_few_go_the_same_way():
    many = pa.array([f"id-{number}" for number in range(20_000)])
    few = many.take(pa.array([3, 5, None, 3]))
    found = masked("pseudonym", many)
    assert masked("pseudonym", few) == [found[3], found[5], None, found[3]]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("00" * 31, "too short"),
        ("ab" * 65, "longer"),
        ("ab" * 40, "not random"),
        ("what is this?", "neither hex nor base64"),
    ],
)
def test_a_key_that_is_none_is_refused_and_never_shown(written, said):
    with pytest.raises(UsageError, match=said) as raised:
        MaskKey.parse(written, "mask.key")
    assert not written.strip() or written not in str(raised.value)


def test_a_key_shows_its_id_alone_and_is_written_nowhere():
    written = SECRET.hex()
    base64 = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
    assert MaskKey.parse(written, "x").id == MaskKey.parse(base64, "x").id == KEY.id
    assert KEY.id != MaskKey(SECRET[::-1]).id
    assert repr(KEY) == f"MaskKey(id={KEY.id})"
    assert KEY.id not in written
    with pytest.raises(TypeError, match="not written"):
        copy.copy(KEY)


def test_a_keyed_mask_without_a_key_is_refused():
    for said in ("pseudonym", "format", {"shift": {"days": [-1, 1], "by": "id"}}, {"replace": {"regex": "[0-9]"}}):
        with pytest.raises(UsageError, match="needs a key"):
            build_mask(SAID.validate_python(said), "column", None, "policy.yaml")


# --- redaction, constants, places, numbers ---------------------------------------------------------------------


def test_redaction_keeps_the_ends_and_hides_what_is_too_short_whole():
    cells = text("Donnington", "abcd", "abc", "ab", "", None, "été-à-la", b"\xff\xfe\xfd\xfc")
    expected = ["Do*******n", "ab*d", "***", "**", "", None, "ét*****a", None]
    assert masked({"redact": {"first": 2, "last": 1}}, cells) == expected
    assert masked({"redact": {"with": "é"}}, text("abc")) == ["ééé"]


def test_a_constant_replaces_every_cell_but_null():
    assert masked({"constant": "X"}, pa.array([1.5, None, 2.0])) == ["X", None, "X"]


def test_small_zip_areas_are_those_of_the_guidance():
    assert len(SMALL_ZIP3) == len(set(SMALL_ZIP3)) == 17
    cells = text("02138", "03601", "03601-1234", " 893011234 ", "2138", "ABCDE", None)
    assert masked("zip3", cells) == ["021", "000", "000", "000", None, None, None]
    assert masked("zip3", pa.array([2138, 3601, None])) == ["021", "000", None]
    assert masked({"zip3": {"small": ["021"]}}, cells)[:2] == ["000", "036"]


def test_ages_from_the_top_on_are_one_group():
    cells = text("89", "90", "102.5", " 12 ", "-1", "old", None)
    assert masked("ages", cells) == ["89", "90+", "90+", "12", None, None, None]
    assert masked({"ages": {"top": 80}}, pa.array([79, 80, None])) == ["79", "80+", None]


def test_top_and_bottom_coding_keep_the_type():
    assert masked({"top": 100}, pa.array([3, 200, None], pa.int16())) == [3, 100, None]
    assert masked({"bottom": 0.5}, pa.array([0.25, 7.0, float("nan")])) == [0.5, 7.0, None]
    found = masked({"top": 100, "bottom": 1.5}, text("99", "1e9", "1", "01.750", "x", None))
    assert found == ["99", "100", "1.5", "01.750", None, None]
    with pytest.raises(DataMismatchError, match="whole numbers"):
        masked({"top": 1.5}, pa.array([1]))


def test_rounding_goes_to_the_nearest_multiple_halves_upwards():
    assert masked({"round": {"to": 5}}, text("2.5", "7", "-2.5", "1e3", "inf")) == ["5", "5", "0", "1000", None]
    assert masked({"round": {"to": 0.05}}, text("2.524", "7.026")) == ["2.50", "7.05"]
    assert masked({"round": {"to": 10}}, pa.array([4, 5, -5, 127, None], pa.int8())) == [0, 10, 0, None, None]
    assert masked({"round": {"to": 100}}, pa.array([150, 2**64 - 1], pa.uint64())) == [200, None]
    assert masked({"round": {"to": 0.5}}, pa.array([1.3, None])) == [1.5, None]


# --- dates -----------------------------------------------------------------------------------------------------

SHIFT = {"shift": {"days": [-30, 30], "by": "id"}}
DAYS = 40


def test_all_dates_of_a_person_move_by_the_same_days_within_the_window():
    people = text(*(f"p{number}" for number in range(200)))
    before = dt.date(2020, 2, 28)
    dates = masked(SHIFT, pa.array([before] * 200), people)
    moved = [(after - before).days for after in dates]
    assert -30 <= min(moved) < -20
    assert 20 < max(moved) <= 30
    texts = masked(SHIFT, text(*["2020-02-28T23:59:59.5+02:00"] * 200), people)
    assert texts == [f"{day.isoformat()}T23:59:59.5+02:00" for day in dates]
    moments = masked(
        SHIFT, pa.array([dt.datetime(2020, 2, 28, 12, 30, tzinfo=dt.UTC)] * 200, pa.timestamp("ms", "UTC")), people
    )
    assert [moment.date() for moment in moments] == dates
    assert {moment.time() for moment in moments} == {dt.time(12, 30)}
    written = masked(
        {"shift": {**SHIFT["shift"], "format": "%d.%m.%Y %H:%M"}}, text(*["28.02.2020 07:05"] * 200), people
    )
    assert written == [day.strftime("%d.%m.%Y 07:05") for day in dates]
    assert masked(SHIFT, pa.array([before] * 200), people.dictionary_encode()) == dates


def test_a_window_of_one_sign_moves_every_date():
    moved = masked(
        {"shift": {"days": [3, 4], "by": "id"}}, pa.array([dt.date(2020, 1, 1)] * 50), text(*map(str, range(50)))
    )
    assert set(moved) == {dt.date(2020, 1, 4), dt.date(2020, 1, 5)}


def test_dates_that_cannot_be_moved_are_null():
    forward = {"shift": {"days": [10, 20], "by": "id"}}
    back = {"shift": {"days": [-20, -10], "by": "id"}}
    cells = text("9999-12-31", "2020-02-30", "soon", None, "2020-01-01", b"\xff")
    people = text("p", "p", "p", "p", None, "p")
    assert masked(forward, cells, people) == [None] * 6
    assert masked(back, text("0001-01-01"), text("p")) == [None]
    assert masked(forward, pa.array([dt.date(9999, 12, 31), None]), text("p", "p")) == [None, None]
    ends = pa.array([2**63 - 1, -(2**63)]).view(pa.timestamp("ns"))
    assert masked(forward, ends, text("p", "p"))[0] is None
    assert masked(back, ends, text("p", "p"))[1] is None


# --- invented values and free text -----------------------------------------------------------------------------


def test_invented_values_are_of_the_pattern_and_the_same_for_the_same_value():
    first, second, null, again = masked({"replace": {"regex": "[A-Z]{3}-[0-9]{2}|x"}}, text("a", "b", None, "a"))
    assert (first, null) == (again, None)
    assert {len(first), len(second)} <= {6, 1}
    names = masked({"replace": {"faker": "last_name", "locale": "en_GB"}}, text("a", "b", "a"))
    assert names[0] == names[2]
    assert all(isinstance(name, str) and name for name in names)


def test_every_text_of_a_pattern_is_invented_about_equally_often():
    # Four texts, 8,000 values: a share outside 1/4 ± 0.025 has a chance below 10**-6; a bias of 5 points is found.
    found = masked({"replace": {"regex": "a|b[01]|ccc"}}, text(*map(str, range(8_000))))
    assert sorted(set(found)) == ["a", "b0", "b1", "ccc"]
    assert all(abs(found.count(one) / 8_000 - 0.25) < 0.025 for one in set(found))


def presidio(monkeypatch, analyze):
    analyzer, anonymizer = ModuleType("presidio_analyzer"), ModuleType("presidio_anonymizer")
    analyzer.AnalyzerEngine = lambda: SimpleNamespace(analyze=analyze)
    anonymizer.AnonymizerEngine = lambda: SimpleNamespace(
        anonymize=lambda text, analyzer_results: SimpleNamespace(text=text.replace(analyzer_results, "<PERSON>"))
    )
    monkeypatch.setitem(sys.modules, "presidio_analyzer", analyzer)
    monkeypatch.setitem(sys.modules, "presidio_anonymizer", anonymizer)


def test_free_text_goes_through_presidio(monkeypatch):
    asked = []

    def analyze(text, language, entities):
        asked.append((language, entities))
        return "Ada"

    presidio(monkeypatch, analyze)
    said = {"text": {"presidio": {"entities": ["PERSON"], "language": "de"}}}
    assert masked(said, text("Ada came.", None, b"\xff", "Ada came.")) == [
        "<PERSON> came.",
        None,
        None,
        "<PERSON> came.",
    ]
    assert asked[-1] == ("de", ["PERSON"])


def test_presidio_that_is_absent_or_fails_is_said_without_the_text(monkeypatch):
    said = {"text": {"presidio": {}}}
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(UsageError, match=r"dpsynth\[presidio\]"):
        masked(said, text("Ada"))

    def analyze(text, language, entities):
        raise ValueError(text)

    presidio(monkeypatch, analyze)
    with pytest.raises(UsageError, match="Presidio failed") as raised:
        masked(said, text("Ada"))
    assert "Ada" not in str(raised.value)


# --- what the policy says wrongly, and types that no mask knows -----------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "exactly one"),
        ({"constant": "a", "redact": {}}, "exactly one"),
        ({"hash": {}}, "without a key"),
        ({"hash": "sha256"}, "without a key"),
        ({"top": 1, "bottom": 2}, "above"),
        ({"top": float("nan")}, "finite"),
        ({"round": {"to": 0}}, "above 0"),
        ({"shift": {"days": [5, 5], "by": "id"}}, "least, most"),
        ({"shift": {"days": [5, -5], "by": "id"}}, "least, most"),
        ({"shift": {"days": [-5, 5], "by": "column"}}, "itself"),
        ({"shift": {"days": [-5, 5], "by": "id", "format": "%d %z"}}, "ISO 8601"),
        ({"shift": {"days": [-5, 5], "by": "id", "format": "%d"}}, "one year"),
        ({"zip3": {"small": ["ab1"]}}, "three digits"),
        ({"replace": {}}, "exactly one"),
        ({"replace": {"regex": "a*"}}, "replace.regex"),
        ({"replace": {"regex": "a", "locale": "en_GB"}}, "locale"),
        ({"format": {"alphabet": "aa"}}, "twice"),
        ({"format": {"alphabet": "ab ", "keep": "."}}, "white space"),
        ({"format": {"alphabet": "ab", "keep": "a"}}, "also in the alphabet"),
        ({"format": {"alphabet": "abc", "check": "luhn"}}, "Luhn"),
        ({"format": {"alphabet": "digits", "check": "iban"}}, "IBAN"),
        ({"format": {"keep": "\0"}}, "no text"),
    ],
)
def test_settings_that_cannot_be_kept_name_the_field(said, message):
    with pytest.raises(SchemaError, match=message) as raised:
        build_mask(SAID.validate_python(said), "column", KEY, "policy.yaml")
    assert "field 'column'" in str(raised.value)


def test_drop_is_no_column():
    assert build_mask("drop", "column", None, "policy.yaml") is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("pseudonym", pa.list_(pa.int64())),
        ({"constant": "x"}, pa.struct([("a", pa.int64())])),
        (SHIFT, pa.int64()),
        ({"top": 1}, pa.bool_()),
        ({"round": {"to": 1}}, pa.date32()),
    ],
)
def test_types_that_a_mask_does_not_know_are_refused_before_rows_are_read(said, kind):
    mask = build_mask(SAID.validate_python(said), "column", KEY, "policy.yaml")
    with pytest.raises(DataMismatchError, match="does not apply"):
        mask.output(kind, "column")


ALL = [
    "pseudonym",
    "format",
    "ages",
    "zip3",
    {"constant": "x"},
    {"redact": {"first": 1}},
    {"top": 50},
    {"round": {"to": 7}},
    {"replace": {"regex": "[a-z]{5}"}},
    {"format": {"check": "luhn"}},
    SHIFT,
]


@pytest.mark.parametrize("said", ALL, ids=str)
def test_a_row_is_masked_alike_alone_and_among_others(said):
    cells = text("02138", "1999-12-31", "79927398713", "", None, "A1-b2", b"\xff", "12", "02138", "é", "x" * 100)
    people = text(*(f"p{number}" for number in range(len(cells))))
    together = masked(said, cells, people)
    alone = [masked(said, cells.slice(at, 1), people.slice(at, 1))[0] for at in range(len(cells))]
    assert together == alone
    assert masked(said, cells.slice(0, 0), people.slice(0, 0)) == []
    assert masked(said, cells.cast(pa.large_binary()), people) == together
    assert masked(said, cells.dictionary_encode(), people.dictionary_encode()) == together
