"""The registry entry of a fit: the fields that the registry asks for, in its order, with its types and words.

Nothing here is statistical: the noise of the fits is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import yaml

import dpsynth
from dpsynth.ledger import Ledger
from dpsynth.pipeline.report import report

TEXT = {"type": "string"}
LEFT_TO_THE_HOLDER = {"type": ["string", "null"]}


def one_of(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def section(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": fields}


# Our own description of the fields in opendp/deployments-registry-data, schemas/deployments-schema.yaml, as of commit
# 057e5d81cf60150dd3307e0cf4504b957802fb3b: names, order, types and words alone. Where only the holder knows the word or
# the date, null stands for it; nothing else departs from it.
CURATOR = section(("data_curator_name", "data_curator_type"), data_curator_name=TEXT,
                  data_curator_type={"enum": [None, "Government", "Industry", "Nonprofit"]})  # fmt: skip
REGISTRY = section(
    ("url_slug", "deployment"),
    url_slug=TEXT,
    deployment=section(
        ("basic", "administrative"),
        basic=section(
            ("name", "data_curators", "description", "intended_use", "data_product_type", "data_product_region",
             "publication_date"),
            name=TEXT,
            data_curators={"type": "array", "minItems": 1, "items": CURATOR},
            description=TEXT,
            intended_use=TEXT,
            data_product_type=one_of("Summary statistics", "Machine learning model", "Dataset", "Synthetic data",
                                     "Interactive API", "SQL queries"),
            data_product_region=TEXT,
            data_product_sector=one_of("Technology", "Healthcare", "Education", "Government", "Energy", "Finance"),
            publication_date=LEFT_TO_THE_HOLDER,
        ),
        dp_variant=section(
            variant_name=one_of("Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom"),
            data_domain=TEXT,
            unprotected_quantities=TEXT,
        ),
        privacy_loss=section(
            privacy_unit=TEXT,
            privacy_unit_details=TEXT,
            number_of_privacy_units={"type": "integer"},
            privacy_parameters=section(epsilon={"type": "number"}, delta={"type": "number"}, rho={"type": "number"}),
            privacy_parameters_details=TEXT,
        ),
        deployment_model=section(
            model_name=one_of("Local", "Central", "Shuffle", "Federated", "Varies"),
            model_name_details=TEXT,
            trust_assumptions=TEXT,
            actors=TEXT,
            release_type=one_of("One release", "Many releases"),
            release_type_details=TEXT,
            data_source_type=one_of("Static", "Dynamic"),
            data_source_type_details=TEXT,
            access_type=one_of("Interactive", "Non-interactive"),
            access_type_details=TEXT,
        ),
        implementation=section(
            preprocessing_and_hyperparameter_tuning=TEXT,
            mechanisms=TEXT,
            composition=TEXT,
            post_processing=TEXT,
            justification=TEXT,
            utility=TEXT,
            additional_information=TEXT,
        ),
        administrative=section(
            ("status", "registry_authors", "tier"),
            evidence_sources={"type": "object"},
            status=one_of("Converted", "Draft", "Pending", "Changes Required", "Approved"),
            registry_authors={"type": "array", "minItems": 1, "items": TEXT},
            tier={"enum": [1, 2, 3]},
        ),
    ),
)  # fmt: skip
HOSTILE = ("<script>x</script>", "a: b # c\n- d", "*star* `code` \\(x\\)", "\u202eturned", "'''\"\"\"", "w" * 500)


def fitted(folder: Path, *, delta: str = "1e-9", method: str = "independent", names=("sex",), **pool: Any) -> Path:
    fields = [
        {"name": name, "type": "string", "constraints": {"enum": ["f", "m"]}, "dpsynth": {"source": "public"}}
        for name in names
    ]
    schema = {"dpsynth": {"version": 1, "name": "people", "unit": "row"}, "fields": fields}
    (folder / "s.yaml").write_text(yaml.safe_dump(schema, allow_unicode=True), encoding="utf-8")
    table = pd.DataFrame({name: ["f", "m"] * 50 for name in names})
    ledger = Ledger.open(folder / "l.db")
    ledger.create("people", epsilon=Fraction(2), delta=Fraction(delta), **pool)
    wishes = {"epsilon": Fraction(3, 10), "delta": delta, "method": method, "ledger": ledger}
    dpsynth.fit(table, str(folder / "s.yaml"), **wishes).save(folder / "m.dps")
    return folder / "m.dps"


def entry(folder: Path) -> tuple[dict[str, Any], str]:
    text = report(folder / "m.dps", edition="public", ledger=folder / "l.db").to_registry()
    found = yaml.safe_load(text)
    jsonschema.validate(found, REGISTRY)
    assert list(paths(found)) == [path for path in known(REGISTRY) if path in set(paths(found))]
    return found["deployment"], text


def paths(node: Any, path: str = "") -> Iterator[str]:
    for name, inner in node.items() if isinstance(node, dict) else ():
        yield f"{path}/{name}"
        yield from paths(inner, f"{path}/{name}")


def known(node: Any, path: str = "") -> Iterator[str]:
    for name, inner in node.get("properties", {}).items():
        yield f"{path}/{name}"
        yield from known(inner, f"{path}/{name}")


def test_an_entry_follows_the_registry_and_numbers_are_numbers(tmp_path: Path) -> None:
    fitted(tmp_path)
    found, text = entry(tmp_path)
    parameters = found["privacy_loss"]["privacy_parameters"]
    assert found["dp_variant"]["variant_name"] == "Approximate DP"
    assert parameters == {"epsilon": 0.3, "delta": 1e-9}
    assert "epsilon: 0.3\n" in text
    said = found["privacy_loss"]["privacy_parameters_details"]
    assert "This release: epsilon 0.3, delta 1e-9." in said
    assert "Cap of the pool: epsilon 2, delta 1e-9, the bound of everything that the pool may ever release.\n" in said
    assert (found["administrative"]["status"], found["administrative"]["tier"]) == ("Draft", 3)
    assert text.startswith("# Fields: opendp/deployments-registry-data")
    assert "publication_date" in text.partition("url_slug")[0]


def test_a_pure_pool_says_pure(tmp_path: Path) -> None:
    fitted(tmp_path, delta="0", governor="pure")
    found, _ = entry(tmp_path)
    assert found["dp_variant"]["variant_name"] == "Pure DP"
    assert found["privacy_loss"]["privacy_parameters"].keys() == {"epsilon"}


def test_hostile_names_are_texts_and_nothing_else(tmp_path: Path) -> None:
    fitted(tmp_path, names=HOSTILE)
    found, text = entry(tmp_path)
    listed = found["dp_variant"]["data_domain"].splitlines()
    assert len(listed) == 2 + len(HOSTILE)
    assert [line for line in listed[2:] if not (line.startswith("- ") and line.endswith(": 3 values"))] == []
    assert "- \\<script\\>x\\</script\\>: 3 values" in listed
    assert "\u202e" not in text
    assert "w" * 81 not in text
    assert "data_domain: |" in text


def test_a_cap_that_was_raised_late_and_disclosures_are_stated(tmp_path: Path) -> None:
    fitted(tmp_path)
    ledger = Ledger.open(tmp_path / "l.db")
    ledger.raise_cap("people", epsilon=Fraction(3), delta=Fraction(1, 10**9), reason="a test")
    ledger.record("people", "DISCLOSURE", {"what": "x"})
    found, _ = entry(tmp_path)
    said = found["privacy_loss"]["privacy_parameters_details"]
    assert "Cap of the pool: epsilon 3, delta 1e-9, no bound of the total, because of the disclosures; it was" in said
    assert "it was raised after outputs had been seen" in said
    assert "Disclosures without differential privacy: 1." in said
    assert "1 disclosures of the same population" in found["dp_variant"]["unprotected_quantities"]
