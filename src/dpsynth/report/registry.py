"""The entry of a deployments registry (tier 3), from the public facts: fields of opendp/deployments-registry-data.

What only the holder knows (region, sector, intended use, authors) is written as null, to be filled in by them.
Source of the fields: arXiv 2509.13509.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.report.sections import public_box


def registry_entry(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as plain data; ``facts``: the content of report.json, public edition."""
    rows = facts["synthetic_rows"]
    return {
        "tier": 3,
        "deployment": {
            "name": facts["title"],
            "data_curators": None,
            "description": "A synthetic table of a differentially private model.",
            "intended_use": None,
            "data_product_type": "synthetic data",
            "region": None,
            "sector": None,
            "publication_date": None,
        },
        "dp_variant": {
            "variant_name": "approximate differential privacy"
            if facts["guarantee"]
            else "none that dpsynth vouches for",
            "data_domain": [column["name"] for column in facts["columns"]],
            "unprotected_quantities": facts["not_protected"],
        },
        "privacy_loss": _privacy_loss(facts),
        "deployment_model": {
            "model_name": "central",
            "actors": None,
            "release_type": "synthetic table",
            "release_type_details": None if rows is None else f"{rows} rows",
            "access_type": None,
        },
        "implementation": _implementation(facts),
        "administrative": {"evidence_sources": ["report.json"], "status": None, "registry_authors": None},
    }


def _variant(facts: Mapping[str, Any]) -> str:
    return "approximate differential privacy" if facts["guarantee"] else "none that dpsynth vouches for"


def _privacy_loss(facts: Mapping[str, Any]) -> dict[str, Any]:
    guarantee, pool = facts["guarantee"], facts["pool"]
    cap = None if pool is None else pool["cap"]
    return {
        "privacy_unit": guarantee.get("unit"),
        "privacy_unit_details": guarantee.get("protects"),
        "neighbors": guarantee.get("neighbors"),
        "privacy_parameters": {"epsilon": guarantee.get("epsilon"), "delta": guarantee.get("delta")},
        "parameters_details": {
            "accounting": guarantee.get("governor"),
            "pool_cap": None if cap is None else {"epsilon": cap["epsilon"], "delta": cap["delta"]},
            "pool_cap_raised_after_outputs": None if pool is None else pool["raised_after_outputs"],
            "disclosures_without_dp": None if pool is None else pool["disclosures"],
            "meaning": list(public_box(facts).sentences),
        },
    }


def _implementation(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "preprocessing_and_hyperparameter_tuning": facts["preprocessing"],
        "mechanisms": sorted({f"{one['question']}: {one['law']}" for one in facts["answers"]}),
        "composition": facts["guarantee"].get("governor"),
        "post_processing": f"model by {facts['method']}, synthetic rows drawn from it",
        "justification": None,
        "software": facts["software"],
    }


def registry(facts: Mapping[str, Any]) -> str:
    """The entry as YAML."""
    import yaml

    text: str = yaml.safe_dump(registry_entry(facts), sort_keys=False, allow_unicode=True, width=120)
    return text
