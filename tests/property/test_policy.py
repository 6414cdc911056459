"""Policies of every shape load again from what they print, to the same policy."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.anonymization.policy import Policy
from dpsynth.schema.yamltext import parse

# Surrogates cannot stand in a file, and a line break in a name is no name that a table has.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
numbers = st.one_of(st.integers(1, 50), st.sampled_from([0.5, 0.25, 1e-3]))
hierarchies = st.one_of(
    st.builds(lambda base: {"intervals": {"levels": [base, base * 2]}}, st.integers(1, 100)),
    st.builds(lambda low: {"intervals": {"levels": [5], "low": low, "high": low + 50.5}}, st.integers(-9, 9)),
    st.builds(lambda keep: {"prefix": {"keep": sorted(keep, reverse=True)}}, st.sets(st.integers(1, 9), min_size=1)),
    st.just({"dates": ["month", "year"]}),
    st.builds(lambda keep: {"priority": {"keep": [keep]}}, st.integers(1, 9)),
    st.builds(lambda values: {"paths": [[value, "*"] for value in values]}, st.lists(texts, min_size=1, max_size=4)),
)
limits = st.fixed_dictionaries(
    {}, optional={"suppression": st.sampled_from([0, 0.05, 1]), "method": st.sampled_from(["local", "mondrian"])}
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(texts, min_size=2, max_size=5, unique=True))
    fields: list[dict[str, Any]] = [{"name": names[0], "dpsynth": {"role": "sensitive"}}]
    for name in names[1:]:
        block: dict[str, Any] = {"role": "quasi", "weight": draw(numbers)}
        hierarchy = draw(hierarchies)
        paths = [str(path[0]).strip() for path in hierarchy.get("paths", [])]
        if len(set(paths)) == len(paths):
            block["hierarchy"] = hierarchy | {"uncovered": draw(st.sampled_from(["error", "suppress", "top"]))}
        fields.append({"name": name, "dpsynth": block})
    models = [{"k-anonymity": {"k": draw(st.integers(1, 99))}}, {"l-diversity": {"field": names[0], "l": 2}}]
    head: dict[str, Any] = {"version": 1, "name": draw(texts)}
    if draw(st.booleans()):
        head["unit"] = {"column": "pid of nobody", "max_rows": draw(st.integers(1, 9))}
    return {
        "dpsynth": head,
        "missingValues": draw(st.lists(texts, max_size=3)),
        "fields": fields,
        "models": models[: draw(st.integers(0, 2))],
        "limits": draw(limits),
    }


@settings(max_examples=100, deadline=None)
@given(documents())
def test_what_a_policy_prints_loads_again(document: dict[str, Any]) -> None:
    one = Policy.from_dict(document)
    again = Policy.from_dict(parse(one.dump(), "printed"))
    assert again == one
    assert again.resolved() == one.resolved()
    plain = [(field.name, field.role, field.uncovered, field.levels, field.weight) for field in one.fields]
    assert [(field.name, field.role, field.uncovered, field.levels, field.weight) for field in again.fields] == plain
    assert (again.unit, again.missing, again.models, again.limits) == (one.unit, one.missing, one.models, one.limits)
