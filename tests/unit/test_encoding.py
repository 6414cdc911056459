"""A table under a policy as codes, and recoded codes as a table again."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.anonymization import decoding
from dpsynth.anonymization.encoding import Encoded, records_of
from dpsynth.anonymization.policy import Policy
from dpsynth.anonymization.records import Generalized, Ranges
from dpsynth.errors import DataMismatchError, DpsynthError, SchemaError
from dpsynth.schema.yamltext import parse
from dpsynth.tables.reading import open_table

AGES = "{role: quasi, hierarchy: {intervals: {levels: [10]}}}"


def released_table(encoded: Encoded, released: Generalized | Ranges) -> pa.Table:
    return decoding.plain_table(decoding.released_table(encoded, released, decoding.fresh_order(released)))


def policy(*fields: str, head: str = "version: 1", rest: str = "") -> Policy:
    lines = "".join(f"- {field}\n" for field in fields)
    return Policy.from_dict(parse(f"dpsynth: {{{head}}}\nfields:\n{lines}{rest}", "policy"))


def level(encoded: Encoded, *levels: int, suppressed: Sequence[int] = ()) -> Generalized:
    rows = encoded.records.rows
    gone = np.zeros(rows, np.bool_)
    gone[list(suppressed)] = True
    return Generalized(tuple(np.full(rows, one, np.uint8) for one in levels), gone, 0.0, levels=levels)


def coarse(table: pa.Table, one: Policy) -> pa.Table:
    encoded = records_of(table, one)
    return released_table(encoded, level(encoded, 0))


def leaves(encoded: Encoded, at: int = 0) -> list[str]:
    labels = encoded.records.hierarchies[at].labels[0]
    return [labels[code] for code in encoded.records.codes[at]]


def column(table: pa.Table, name: str) -> list[Any]:
    return sorted(table.column(name).to_pylist(), key=str)


def test_a_table_becomes_codes_and_comes_back_coarser() -> None:
    table = pa.table({"id": ["p", "q", "r"], "age": [31, 39, 40], "note": ["x", None, "z"]})
    encoded = records_of(table, policy(f"{{name: age, dpsynth: {AGES}}}", "{name: id, dpsynth: {role: direct-id}}"))
    assert encoded.records.hierarchies[0].labels == (("31", "39", "40"), ("[30, 40)", "[40, 50)"), ("*",))
    out = released_table(encoded, level(encoded, 1, suppressed=[2]))
    assert out.column_names == ["age", "note"]
    assert sorted(map(str, out.to_pylist())) == [
        "{'age': '[30, 40)', 'note': 'x'}",
        "{'age': '[30, 40)', 'note': None}",
    ]
    same = released_table(encoded, level(encoded, 0))
    assert (same.schema.field("age").type, column(same, "age")) == (pa.int64(), [31, 39, 40])


@pytest.mark.parametrize(
    ("cells", "known"),
    [
        (pa.array([5.0, 5.5, float("nan"), None]), ["5", "5.5", "", ""]),
        (pa.array([" 5", "5", "5.0", "05"]), ["5", "5", "5.0", "05"]),
        (pa.array([b"a ", b"a"]), ["a", "a"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([dt.date(2020, 1, 31)]), ["2020-01-31"]),
        (pa.array(["", " ", "n/a", "?"]), ["", "", "", "?"]),
        (pa.nulls(2), ["", ""]),
        (pa.array([], pa.string()), []),
    ],
)
def test_cells_are_told_apart_by_their_texts(cells: pa.Array, known: list[str]) -> None:
    encoded = records_of(
        pa.table({"a": cells}), policy("{name: a, dpsynth: {role: quasi}}", rest="missingValues: [n/a]")
    )
    assert leaves(encoded) == known


def test_listed_numbers_are_found_as_numbers_and_texts() -> None:
    field = "{name: a, dpsynth: {role: quasi, hierarchy: {paths: [[1, low], [2, low], [30, high]]}}}"
    for cells in (pa.array([2, 30]), pa.array([2.0, 30.0]), pa.array(["2", " 30 "]), pa.array([b"2.0", b"30.00"])):
        assert leaves(records_of(pa.table({"a": cells}), policy(field))) == ["2", "30"]


def test_a_missing_value_is_a_value_of_its_own() -> None:
    table = pa.table({"age": [25, None, 31, None]})
    encoded = records_of(table, policy(f"{{name: age, dpsynth: {AGES}}}"))
    assert encoded.null_codes == (2,)
    assert Counter(released_table(encoded, level(encoded, 1)).column("age").to_pylist()) == {
        None: 2,
        "[20, 30)": 1,
        "[30, 40)": 1,
    }
    assert released_table(encoded, level(encoded, 2)).column("age").to_pylist() == ["*"] * 4
    kept = released_table(encoded, level(encoded, 0)).column("age")
    assert (kept.type, Counter(kept.to_pylist())) == (pa.int64(), {None: 2, 25: 1, 31: 1})
    assert records_of(table.slice(0, 1), policy(f"{{name: age, dpsynth: {AGES}}}")).null_codes == (None,)


def test_a_hierarchy_may_say_what_a_missing_value_is() -> None:
    field = "{name: a, dpsynth: {role: quasi, hierarchy: {paths: [[x, known, '*'], ['?', unknown, '*']]}}}"
    encoded = records_of(pa.table({"a": ["x", "?", None]}), policy(field, rest="missingValues: ['?']"))
    assert (leaves(encoded), encoded.null_codes) == (["x", "?", "?"], (1,))
    assert Counter(released_table(encoded, level(encoded, 1)).column("a").to_pylist()) == {"known": 1, "unknown": 2}


def test_an_uncovered_value_is_refused_or_as_the_policy_says() -> None:
    table = pa.table({"a": ["x", "secret", "y"], "n": [1, 2, 3]})
    field = "{{name: a, dpsynth: {{role: quasi, hierarchy: {{paths: [[x, g, '*'], [y, g, '*']]{}}}}}}}"
    with pytest.raises(DataMismatchError, match=r"'a'.*not cover") as raised:
        records_of(table, policy(field.format("")))
    assert "secret" not in str(raised.value)
    dropped = records_of(table, policy(field.format(", uncovered: suppress")))
    assert (leaves(dropped), dropped.left_out, dropped.table.column("n").to_pylist()) == (["x", "y"], 1, [1, 3])
    shown = records_of(table, policy(field.format(", uncovered: top")))
    for height in (0, 1):
        out = released_table(shown, level(shown, height))
        assert {row["n"]: row["a"] for row in out.to_pylist()}[2] == "*"
    assert shown.records.hierarchies[0].labels[-1] == ("*",)


def test_bytes_that_are_no_text_are_not_covered() -> None:
    table = pa.table({"a": [b"x", b"\xff"]})
    with pytest.raises(DataMismatchError, match="not cover"):
        records_of(table, policy("{name: a, dpsynth: {role: quasi}}"))
    one = policy("{name: a, dpsynth: {role: quasi, hierarchy: {prefix: {keep: [1]}, uncovered: suppress}}}")
    assert leaves(records_of(table, one)) == ["x"]
    assert len(set(leaves(records_of(table, one, as_is=True)))) == 2
    for role in ("sensitive", "other"):
        other = policy("{name: b, dpsynth: {role: quasi}}", f"{{name: a, dpsynth: {{role: {role}}}}}")
        with pytest.raises(DataMismatchError, match=r"'a'.*UTF-8"):
            coarse(table.append_column("b", pa.array([1, 2])), other)


def test_what_was_generalized_is_read_as_it_is() -> None:
    table = pa.table({"age": ["[20, 30)", "31", "*", None]})
    one = policy(f"{{name: age, dpsynth: {AGES}}}")
    with pytest.raises(DataMismatchError):
        records_of(table, one)
    encoded = records_of(table, one, as_is=True)
    assert (leaves(encoded), encoded.records.hierarchies[0].height) == (["[20, 30)", "31", "*", ""], 1)


def test_a_population_lends_its_values_but_not_its_counts() -> None:
    table, everybody = pa.table({"a": ["x", "y"]}), pa.table({"a": ["z", "y", "y", None, "w"]})
    one = policy("{name: a, dpsynth: {role: quasi, hierarchy: {priority: {keep: [1]}}}}")
    encoded = records_of(table, one, everybody)
    labels = encoded.records.hierarchies[0].labels[0]
    assert encoded.records.population is not None
    assert [labels[code] for code in encoded.records.population[0]] == ["z", "y", "y", "", "w"]
    assert leaves(encoded) == ["x", "y"]
    listed = policy("{name: a, dpsynth: {role: quasi, hierarchy: {paths: [[x, '*'], [y, '*']]}}}")
    some = records_of(table, listed, everybody).records.population
    assert some is not None
    # Two rows of y and the missing value; z and w are in no hierarchy.
    assert len(some[0]) == 3


def test_persons_sensitive_values_and_weights_come_along() -> None:
    table = pa.table({"pid": ["b", None, "b", "a", None], "q": [1] * 5, "s": [10, 9, None, 100, 9]})
    fields = ("{name: q, dpsynth: {role: quasi, weight: 2}}", "{name: s, dpsynth: {role: sensitive, order: numeric}}")
    records = records_of(table, policy(*fields, head="version: 1, unit: {column: pid, max_rows: 2}")).records
    assert records.persons is not None
    assert records.persons.tolist() == [1, 0, 1, 2, 0]
    (one,) = records.sensitive
    assert (one.labels, one.codes.tolist(), one.ordered) == (("9", "10", "100", ""), [1, 0, 3, 2, 0], True)
    assert records.weights == (2,)
    listed = policy(fields[0], "{name: s, dpsynth: {role: sensitive, order: [100, 10, 9]}}")
    assert records_of(table, listed).records.sensitive[0].codes.tolist() == [1, 2, 3, 0, 2]
    for wrong in ("[10, 9]", "[100, 10, 9, 9]"):
        with pytest.raises(DataMismatchError, match=r"'s'.*once"):
            records_of(table, policy(fields[0], f"{{name: s, dpsynth: {{role: sensitive, order: {wrong}}}}}"))
    with pytest.raises(DataMismatchError, match=r"'s'.*number"):
        records_of(pa.table({"q": [1], "s": ["many"]}), policy(*fields))


def test_what_the_policy_asks_for_must_be_there() -> None:
    with pytest.raises(SchemaError, match="no quasi-identifier"):
        records_of(pa.table({"a": [1]}), policy("{name: a}"))
    with pytest.raises(DataMismatchError, match="no column 'a'"):
        records_of(pa.table({"b": [1]}), policy("{name: a, dpsynth: {role: quasi}}"))
    with pytest.raises(DataMismatchError, match="list"):
        records_of(pa.table({"a": [[1]]}), policy("{name: a, dpsynth: {role: quasi}}"))


def test_ranges_are_shown_by_their_ends_or_their_values() -> None:
    table = pa.table({"age": [20, 25, 30, None], "sex": ["f", "m", "d", "f"]})
    one = policy(f"{{name: age, dpsynth: {AGES}}}", "{name: sex, dpsynth: {role: quasi}}")
    encoded = records_of(table, one)
    low, high = np.array([0, 0, 1, 3], np.int32), np.array([1, 3, 3, 3], np.int32)
    sexes = encoded.records.codes[1]
    ranges = Ranges((low, np.minimum(sexes, 1)), (high, np.maximum(sexes, 1)), np.zeros(4, np.bool_), 0.0)
    out = released_table(encoded, ranges).to_pylist()
    assert sorted(str(row["age"]) for row in out) == ["*", "None", "[20, 25]", "[25, 30] or missing"]
    assert Counter(row["sex"] for row in out) == {"f": 2, "{f, m}": 1, "{d, f}": 1}


def test_the_order_of_the_rows_is_drawn_anew() -> None:
    rows = 2_000
    table = pa.table({"q": [1] * rows, "n": list(range(rows))})
    encoded = records_of(table, policy("{name: q, dpsynth: {role: quasi}}"))
    gone = list(range(0, rows, 4))
    orders = [released_table(encoded, level(encoded, 0, suppressed=gone)).column("n").to_pylist() for _ in range(2)]
    assert orders[0] != orders[1]
    assert all(sorted(order) == [n for n in range(rows) if n % 4] for order in orders)
    # Of a random order half of the neighbors ascend, with a deviation of about 11 of 1,499 (Mann, 1945): the chance
    # of more than 100 from the middle is below 1e-15; the old order ascends everywhere.
    ascents = [sum(a < b for a, b in itertools.pairwise(order)) for order in orders]
    assert all(abs(found - 750) < 100 for found in ascents)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", " a", None, ""]), st.one_of(st.none(), st.integers(-30, 130)), st.integers()
        ),
        max_size=30,
    )
)
def test_nothing_is_lost_at_the_finest_level(rows: list[tuple[str | None, int | None, int]]) -> None:
    bounded = [(text, number, other % 2**40) for text, number, other in rows]
    kinds = [pa.string(), pa.int64(), pa.int64()]
    columns = [pa.array([row[at] for row in bounded], kind) for at, kind in enumerate(kinds)]
    table = pa.table(columns, names=["text", "age", "other"])
    encoded = records_of(table, policy("{name: text, dpsynth: {role: quasi}}", f"{{name: age, dpsynth: {AGES}}}"))
    out = released_table(encoded, level(encoded, 0, 0))
    expected = Counter(((text or "").strip() or None, number, other) for text, number, other in bounded)
    assert Counter((row["text"], row["age"], row["other"]) for row in out.to_pylist()) == expected
    for one in encoded.records.hierarchies:
        assert (np.diff(one.nodes[0]) == 1).all()
        for fine, coarse in zip(one.nodes, one.nodes[1:], strict=False):
            assert len({*zip(fine.tolist(), coarse.tolist(), strict=True)}) == len(set(fine.tolist()))


def test_adult_is_encoded_whole(pytestconfig: pytest.Config) -> None:
    root = pytestconfig.rootpath
    reader = open_table(root / "src/dpsynth/demo_data/adult.csv.gz")
    table = pa.Table.from_batches(reader.batches(reader.names))
    encoded = records_of(table, Policy.load(root / "examples/adult/policy.yaml"))
    assert (encoded.records.rows, encoded.left_out, encoded.null_codes) == (48_842, 0, (None,) * 8)
    assert [one.leaves for one in encoded.records.hierarchies] == [74, 2, 5, 16, 7, 42, 9, 15]
    assert [one.ordered for one in encoded.quasi] == [True] + [False] * 7
    out = released_table(encoded, level(encoded, *[1] * 8))
    assert out.column_names == [
        *("age", "workclass", "education", "marital-status", "occupation", "race", "sex", "native-country", "income")
    ]


def test_an_empty_policy_of_a_wrong_table_raises_no_traceback() -> None:
    with pytest.raises(DpsynthError):
        records_of(pa.table({}), policy("{name: a, dpsynth: {role: quasi}}"))


def test_a_released_table_is_coded_until_it_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "ROWS", 2)
    cells = pa.array(["x", None, "y", "x", "x"]).dictionary_encode()
    encoded = records_of(
        pa.table({"a": ["1", "2", "1", None, "1"], "b": cells}), policy("{name: a, dpsynth: {role: quasi}}")
    )
    made = decoding.released_table(encoded, level(encoded, 0), np.arange(5))
    assert [pa.types.is_dictionary(kind) for kind in made.schema.types] == [True, True]
    assert [batch.num_rows for batch in decoding.plain_batches(made)] == [2, 2, 1]
    out = decoding.plain_table(made)
    assert out.schema == pa.schema({"a": pa.string(), "b": pa.string()})
    assert out.to_pydict() == {"a": ["1", "2", "1", None, "1"], "b": ["x", None, "y", "x", "x"]}
