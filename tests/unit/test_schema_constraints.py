"""Constraints in ``schema.yaml``: what they allow, and every way in which they can be wrong."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema import Schema
from dpsynth.schema.constraints import BOX_LIMIT

FIELDS = """
fields:
- {name: age, type: integer, constraints: {minimum: 0, maximum: 49}, dpsynth: {source: public, bins: {width: 10}}}
- {name: sex, type: string, constraints: {enum: [male, female]}, dpsynth: {source: public, null: male}}
- {name: pregnant, type: boolean, dpsynth: {source: public}}
- {name: marital, type: string, constraints: {enum: [never, married, widowed]}, dpsynth: {source: public}}
- name: dose
  type: number
  constraints: {minimum: 0, maximum: 1}
  dpsynth: {source: public, bins: {count: 4}, decimals: 2}
- {name: mass, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {source: public, bins: {count: 4}}}
- name: born
  type: date
  constraints: {minimum: 2001-01-01, maximum: 2003-12-31}
  dpsynth: {source: public, bins: year}
- {name: "a=b; $(rm) \\U0001F600", type: boolean, dpsynth: {source: public, null: false}}
- {name: code, type: string, dpsynth: {role: direct-id}}
- {name: wgt, type: number, dpsynth: {role: weight}}
- {name: open, type: string, constraints: {enum: TODO}, dpsynth: {source: TODO}}
"""


def schema(constraints: str, fields: str = FIELDS) -> Schema:
    return Schema.loads(f"dpsynth: {{version: 1, name: t, constraints: {constraints}}}\n{fields}")


def inside(box, codes) -> bool:
    return all(box[name][codes[name]] for name in box)


CHILD = '{if: "age ..19", then: "marital = never"}'
MALE = '{never: ["sex = male", "pregnant = true"]}'


@pytest.mark.parametrize(
    ("constraints", "columns", "allowed"),
    [
        (f"[{CHILD}]", ("age", "marital"), lambda age, marital: age > 1 or marital == 0),
        (f"[{MALE}]", ("sex", "pregnant"), lambda sex, pregnant: sex == 1 or pregnant != 1),
        (
            f"[{CHILD}, {MALE}]",
            ("age", "marital", "sex", "pregnant"),
            lambda age, marital, sex, pregnant: (age > 1 or marital == 0) and (sex == 1 or pregnant != 1),
        ),
        (
            '[{if: ["age ..29", "age 20..", "sex = male"], then: ["marital in never,null", "pregnant = null"]}]',
            ("age", "sex", "marital", "pregnant"),
            lambda age, sex, marital, pregnant: age != 2 or sex == 1 or (marital in (0, 3) and pregnant == 2),
        ),
        (
            '[{if: "marital = never", then: "pregnant = false"}, {if: "pregnant = false", then: "sex = female"}]',
            ("marital", "pregnant", "sex"),
            lambda marital, pregnant, sex: (marital != 0 or pregnant == 0) and (pregnant != 0 or sex == 1),
        ),
        (
            "[{if: 'born = 2001', then: 'mass 0..0.25'}]",
            ("born", "mass"),
            lambda born, mass: born != 0 or mass == 0,
        ),
        (
            """[{if: '"a=b; $(rm) \U0001f600" = true', then: 'dose 0..0.24'}]""",
            ("a=b; $(rm) \U0001f600", "dose"),
            lambda odd, dose: odd == 0 or dose == 0,
        ),
    ],
)
def test_every_allowed_combination_lies_in_exactly_one_box(constraints, columns, allowed):
    one = schema(constraints)
    sizes = {name: one.codec(name).size for name in columns}
    truth = np.zeros(tuple(sizes.values()), dtype=bool)
    for codes in itertools.product(*map(range, sizes.values())):
        boxes = sum(inside(box, dict(zip(columns, codes, strict=True))) for box in one.allowed.boxes)
        truth[codes] = allowed(*codes)
        assert boxes == int(truth[codes])
    assert (one.allowed.possible(columns, truth.shape) == truth).all()
    pair = columns[:2]
    assert (one.allowed.possible(pair, truth.shape[:2]) == truth.any(axis=tuple(range(2, truth.ndim)))).all()
    assert set(itertools.chain(*one.allowed.groups)) == set(columns)


def test_columns_that_no_constraint_ties_stand_in_groups_of_their_own():
    assert schema(f"[{CHILD}, {MALE}]").allowed.groups == (("age", "marital"), ("sex", "pregnant"))
    assert schema(f"[{CHILD}, {MALE}]").allowed.possible((), ()).all()
    joined = schema(f"[{CHILD}, {MALE}, {{never: ['marital = widowed', 'pregnant = true']}}]")
    assert joined.allowed.groups == (("age", "sex", "pregnant", "marital"),)


def test_a_schema_with_constraints_survives_its_own_text():
    one = schema(f"[{CHILD}, {MALE}]")
    assert Schema.loads(one.dump()) == one == Schema.from_dict(one.to_dict())
    assert one.digest != schema(f"[{CHILD}]").digest
    assert schema("TODO").allowed is None
    assert "dpsynth.constraints" in schema("TODO").todo


def test_boxes_that_differ_in_one_column_are_one():
    fine = ", ".join(f'{{if: "marital = {value}", then: "sex = male"}}' for value in ("never", "widowed", "null"))
    assert len(schema(f"[{fine}]").allowed.boxes) == 2


WRONG = {
    "empty list": ("[]", ["dpsynth.constraints", "empty"]),
    "not a list": ("5", ["dpsynth.constraints", "list"]),
    "an empty rule": ("[{}]", ["constraint 1", "either"]),
    "both kinds": (f"[{CHILD[:-1]}, never: ['sex = male', 'pregnant = true']}}]", ["constraint 1", "either"]),
    "no consequent": ('[{if: "age ..19"}]', ["constraint 1", "either"]),
    "an empty never": ("[{never: []}]", ["never", "empty"]),
    "an empty antecedent": ('[{if: [], then: "sex = male"}]', ["if", "empty"]),
    "an empty text": ('[{if: "", then: "sex = male"}]', ["if", "empty"]),
    "never of one": ('[{never: ["sex = male"]}]', ["constraint 1", "two columns"]),
    "never of one column": ('[{never: ["age ..9", "age ..19"]}]', ["constraint 1", "two columns"]),
    "typo": ('[{iff: "age ..9", then: "sex = male"}]', ["'iff'", "'if'"]),
    "a number": ("[{if: 5, then: x}]", ["if", "text"]),
    "no condition": ("[{if: age, then: sex = male}]", ["constraint 1", "not understood"]),
    "unknown column": ('[{if: "agee ..9", then: "sex = male"}]', ["'agee'", "'age'"]),
    "a direct-id": ('[{if: "code = 9", then: "sex = male"}]', ["'code'", "direct-id"]),
    "a weight": ('[{if: "wgt ..9", then: "sex = male"}]', ["'wgt'", "weight"]),
    "unknown value": ('[{if: "sex = other", then: "age ..9"}]', ["constraint 1", "'sex'", "domain"]),
    "outside the domain": ('[{if: "sex = male", then: "age 200.."}]', ["'age'", "no value"]),
    "not a number": ('[{if: "sex = male", then: "age ..x"}]', ["'age'", "cannot be read"]),
    "nothing meets both": ('[{if: ["age ..9", "age 20.."], then: "sex = male"}]', ["'age'", "no value"]),
    "a range of categories": ('[{if: "sex a..b", then: "age ..9"}]', ["'sex'", "range"]),
    "an exact real": ('[{if: "mass = 0.5", then: "age ..9"}]', ["'mass'", "range"]),
    "a bin is cut": ('[{if: "age ..14", then: "marital = never"}]', ["10..19", "'age'", "Add 15 to"]),
    "both ends cut": ('[{if: "age 12..14", then: "marital = never"}]', ["10..19", "Add 12, 15 to"]),
    "a decimal bin is cut": ('[{if: "dose ..0.5", then: "sex = male"}]', ["[0.5, 0.75)", "Add 0.51"]),
    "a real bin is cut": ('[{if: "mass ..0.6", then: "sex = male"}]', ["[0.5, 0.75)", "Add 0.6"]),
    "a date cuts": ('[{if: "born 2002-05..", then: "sex = male"}]', ["2002", "Add 2002-05-01"]),
    "one column twice": ('[{if: "age ..9", then: "age 10.."}]', ["constraint 1", "same column", "'age'"]),
    "forbids nothing": ('[{if: "age ..9", then: "sex in male,female"}]', ["constraint 1", "nothing"]),
    "contradiction": (
        '[{if: "sex = male", then: "marital = never"}, {if: "sex = male", then: "marital = widowed"}]',
        ["'male'", "'sex'", "impossible", "1, 2"],
    ),
    "nothing is left": (
        '[{if: "sex in male,female", then: "marital = never"}, {if: "sex in male,female", then: "marital = null"}]',
        ["constraint 2", "nothing"],
    ),
    "a value lost": ('[{if: "sex in male,female", then: "marital = never"}]', ["'married'", "'widowed'", "'marital'"]),
    "an antecedent lost": (
        '[{never: ["sex = male", "pregnant = true"]}, {if: ["sex = male", "pregnant = true"], then: "age ..9"}]',
        ["constraint 2", "can never hold"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_constraint_is_one_error_that_names_it(case):
    constraints, said = WRONG[case]
    with pytest.raises(SchemaError) as caught:
        schema(constraints)
    for words in said:
        assert words in str(caught.value)


def test_a_constraint_on_an_unfinished_field_waits_for_it():
    one = schema('[{if: "open = x", then: "sex = male"}]')
    assert one.allowed is None
    assert any("'open'" in problem for problem in one.problems())
    with pytest.raises(SchemaError, match="'opem'"):
        schema('[{if: "opem = x", then: "sex = male"}]')


def flags(count: int) -> str:
    lines = [f"- {{name: f{index}, type: boolean, dpsynth: {{source: public}}}}" for index in range(count)]
    return "fields:\n" + "\n".join(lines)


def test_more_parts_than_the_limit_are_refused_and_as_many_are_not():
    pairs = [f'{{if: "f{2 * index} = true", then: "f{2 * index + 1} = true"}}' for index in range(9)]
    assert len(schema(f"[{', '.join(pairs[:8])}]", flags(18)).allowed.boxes) == BOX_LIMIT == 256
    with pytest.raises(SchemaError, match=re.escape("constraint 9: the constraints so far cut")):
        schema(f"[{', '.join(pairs)}]", flags(18))


def test_three_hundred_codes_of_one_column_are_300_parts_but_as_many_implications_to_one_value_are_two():
    codes = ", ".join(f"c{index}" for index in range(300))
    coarse = ", ".join(f"g{index}" for index in range(300))
    fields = (
        f"fields:\n- {{name: fine, type: string, constraints: {{enum: [{codes}]}}, dpsynth: {{source: public}}}}\n"
        f"- {{name: coarse, type: string, constraints: {{enum: [{coarse}]}}, dpsynth: {{source: public}}}}\n"
    )
    each = ", ".join(f'{{if: "fine = c{index}", then: "coarse = g{index}"}}' for index in range(300))
    with pytest.raises(SchemaError, match="256 parts"):
        schema(f"[{each}]", fields)
    same = ", ".join(f'{{if: "fine = c{index}", then: "coarse = g0"}}' for index in range(300))
    assert len(schema(f"[{same}]", fields).allowed.boxes) == 2
    with pytest.raises(SchemaError, match="at most 1000 entries"):
        schema(f"[{', '.join([same] * 4)}]", fields)
