"""The entry of a deployments registry, from the public facts: the fields of opendp/deployments-registry-data.

``schemas/deployments-schema.yaml`` there, commit 057e5d81cf60150dd3307e0cf4504b957802fb3b, says which fields there
are, of which types, and in which order. What only the holder knows is empty (``HOLDER``). All texts are Markdown: what
others wrote, such as names of columns, is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from dpsynth.privacy.governor import Governor
from dpsynth.report.markdown import escaped
from dpsynth.report.meaning import whom
from dpsynth.report.sections import sentences, unit_of

TIER = 3
HOLDER = (
    "basic: data_curators, intended_use, data_product_region, data_product_sector, publication_date",
    "deployment_model: actors",
    "implementation: justification, utility",
    "administrative: evidence_sources, registry_authors",
)
"""What the holder fills in, section by section: empty in the entry, or left out where the registry lets it be."""

_HEAD = "Fields: opendp/deployments-registry-data, schemas/deployments-schema.yaml, commit 057e5d81cf60"
_LONGEST = 80
_COMPOSED = "Adaptive, {words}; every answer is recorded in a ledger before it is given."
_LAWS = {
    "gaussian": "the discrete Gaussian mechanism",
    "laplace": "the discrete Laplace mechanism",
    "exponential": "the exponential mechanism",
}


def registry_entry(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as plain data; ``facts``: the content of report.json, public edition."""
    return {
        "url_slug": re.sub(r"[^a-z0-9]+", "-", facts["title"].lower()).strip("-") or "synthetic-table",
        "deployment": {
            "basic": _basic(facts),
            "dp_variant": _variant(facts),
            "privacy_loss": _privacy_loss(facts),
            "deployment_model": _deployment_model(facts),
            "implementation": _implementation(facts),
            "administrative": {"status": "Draft", "registry_authors": [""], "tier": TIER},
        },
    }


def registry(facts: Mapping[str, Any]) -> str:
    """The entry as YAML; texts of several lines as literal blocks, and in the head what is left to fill in."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text_of(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, text_of)
    text: str = yaml.dump(registry_entry(facts), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    head = [_HEAD, "To be filled in by the holder:", *(f"  {one}" for one in HOLDER)]
    return "".join(f"# {line}\n" for line in head) + text


def _basic(facts: Mapping[str, Any]) -> dict[str, Any]:
    rows, columns = facts["synthetic_rows"], len(facts["columns"])
    made = "Synthetic rows" if rows is None else f"{rows:,} synthetic rows"
    return {
        "name": _shown(facts["title"]),
        "data_curators": [{"data_curator_name": "", "data_curator_type": None}],
        "description": f"{made} of {columns} columns, drawn from a model that was fitted to noisy counts of a table.",
        "intended_use": "",
        "data_product_type": "Synthetic data",
        "data_product_region": "",
        "publication_date": None,
    }


def _variant(facts: Mapping[str, Any]) -> dict[str, Any]:
    stated = facts["guarantee"]
    name = {"variant_name": "Approximate DP" if Fraction(stated["delta"]) else "Pure DP"} if stated else {}
    columns = (f"{_shown(one['name'])}: {one['cells']:,} values" for one in facts["columns"])
    open_ = [*map(escaped, facts["not_protected"])]
    if disclosures := _disclosures(facts):
        open_.append(f"{disclosures} disclosures of the same population without differential privacy.")
    return {
        **name,
        "data_domain": f"All tables with these columns:\n\n{_bullets(columns)}",
        "unprotected_quantities": _bullets(open_),
    }


def _privacy_loss(facts: Mapping[str, Any]) -> dict[str, Any]:
    stated = facts["guarantee"]
    if not stated:
        claimed = facts["claim"]
        said = (
            "none is recorded" if claimed is None else f"{escaped(str(facts['dp']))}: {escaped(str(claimed['text']))}"
        )
        return {"privacy_parameters_details": f"No guarantee that dpsynth vouches for: {said}."}
    unit, parameters = unit_of(facts), {"epsilon": float(Fraction(stated["epsilon"]))}
    if Fraction(stated["delta"]):
        parameters["delta"] = float(Fraction(stated["delta"]))
    column = "" if unit == "row" else f" A person is told by {_shown(unit)} (column and most rows)."
    return {
        "privacy_unit": f"{whom(unit).capitalize()}-level",
        "privacy_unit_details": f"Neighbors: {escaped(stated['neighbors'])}; it {escaped(stated['protects'])}.{column}",
        "privacy_parameters": parameters,
        "privacy_parameters_details": _bullets(_details(facts)),
    }


def _details(facts: Mapping[str, Any]) -> Iterable[str]:
    stated, pool = facts["guarantee"], facts["pool"]
    yield f"This release: epsilon {stated['epsilon']}, delta {stated['delta']}."
    if pool is None:
        yield "No ledger stands behind this entry: what else was released of the population is not known."
    else:
        late = "; it was raised after outputs had been seen" if pool["raised_after_outputs"] else ""
        cap, bound = pool["cap"], "the bound of everything that the pool may ever release"
        bound = "no bound of the total, because of the disclosures" if pool["disclosures"] else bound
        yield f"Cap of the pool: epsilon {cap['epsilon']}, delta {cap['delta']}, {bound}{late}."
        yield f"Charged so far: epsilon {pool['charged']['epsilon']}; not a guarantee, the cap is."
        yield f"Disclosures without differential privacy: {pool['disclosures']}."
    yield from (escaped(sentence) for sentence in sentences(facts) if sentence)


def _deployment_model(facts: Mapping[str, Any]) -> dict[str, Any]:
    rows = facts["synthetic_rows"]
    made = "One synthetic table" if rows is None else f"One synthetic table of {rows:,} rows"
    return {
        "model_name": "Central",
        "trust_assumptions": "A central curator ran the fit and saw the raw table; all others see what is released.",
        "actors": "",
        "release_type": "One release",
        "release_type_details": f"{made}. Further releases are paid for by the same pool, up to its cap.",
        "data_source_type": "Static",
        "access_type": "Non-interactive",
    }


def _implementation(facts: Mapping[str, Any]) -> dict[str, Any]:
    settings = ", ".join(f"{_shown(name)} {_shown(str(value))}" for name, value in facts["settings"].items())
    steps = [*map(_shown, facts["preprocessing"]), f"Settings of the method: {settings or 'none'}."]
    asked = {f"{_shown(one['question'])}: {_LAWS.get(one['law'], _shown(str(one['law'])))}" for one in facts["answers"]}
    samplers = sorted({str(one["sampler"]) for one in facts["answers"] if one["sampler"]})
    software = ", ".join(f"{name} {version}" for name, version in facts["software"].items())
    ways = [*sorted(asked), f"Samplers of noise, in exact integers: {escaped(', '.join(samplers)) or 'not recorded'}."]
    governor = facts["guarantee"].get("governor")
    return {
        "preprocessing_and_hyperparameter_tuning": _bullets(steps),
        "mechanisms": _bullets([*ways, f"Software: {escaped(software) or 'not recorded'}."]),
        "composition": "Not recorded." if governor is None else _COMPOSED.format(words=Governor(governor).words),
        "post_processing": f"A model by {_shown(facts['method'])} of the noisy answers; rows are drawn from it.",
        "justification": "",
    }


def _disclosures(facts: Mapping[str, Any]) -> int:
    return 0 if facts["pool"] is None else int(facts["pool"]["disclosures"])


def _shown(text: str) -> str:
    return escaped(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _bullets(items: Iterable[str]) -> str:
    return "".join(f"- {item}\n" for item in items)
